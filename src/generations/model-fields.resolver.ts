import { Args, Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import { PageArgs, readPage, toConnection, type Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import type { ModelEntity } from '../models/model.entity';
import { AvatarModel } from '../models/model.type';
import type { AvatarEntity } from './avatar.entity';
import type { AvatarService } from './avatar.service';
import { Avatar, AvatarConnection } from './avatar.type';
import type { GenerationEntity } from './generation.entity';
import type { GenerationService } from './generation.service';
import { GenerationConnection } from './generation.type';

/** The fields of `AvatarModel` that are here because models do not import generations. */
@Resolver(() => AvatarModel)
export class ModelFieldsResolver {
  constructor(
    private readonly generationService: GenerationService,
    private readonly avatarService: AvatarService,
  ) {}

  @FieldResolver(() => GenerationConnection, {
    description: 'The generations made from this model, newest first.',
  })
  generations(
    @Root() model: ModelEntity,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphQLContext,
  ): Promise<Connection<GenerationEntity>> {
    return pageOf('generations', model, args, context, (ids, page) =>
      this.generationService.listOfModels(context.viewer, ids, page),
    );
  }

  @FieldResolver(() => AvatarConnection, {
    description: 'The avatars made from this model by all its generations, newest first.',
  })
  avatars(
    @Root() model: ModelEntity,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphQLContext,
  ): Promise<Connection<AvatarEntity>> {
    return pageOf('avatars', model, args, context, (ids, page) =>
      this.avatarService.listOfModels(context.viewer, ids, page),
    );
  }

  @FieldResolver(() => Avatar, {
    nullable: true,
    description: 'The newest of its avatars, to show the model by a picture; null if it has none.',
  })
  cover(
    @Root() { id }: ModelEntity,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<AvatarEntity | null> {
    return loaders
      .get<string, AvatarEntity | null>('AvatarModel.cover', (ids) => this.avatarService.covers(viewer, ids))
      .load(id);
  }
}

/** A page of a field. Models of one request that ask for the same page share a statement. */
async function pageOf<Row extends { id: string }>(
  field: string,
  { id }: ModelEntity,
  args: PageArgs,
  { loaders }: GraphQLContext,
  list: (modelIds: readonly string[], page: { first: number; after: string | null }) => Promise<Row[][]>,
): Promise<Connection<Row>> {
  const page = readPage(args);
  const { first, afterId: after } = page;
  const loader = loaders.get<string, Row[]>(`AvatarModel.${field}/${first}/${after}`, (ids) =>
    list(ids, { first, after }),
  );
  return toConnection(await loader.load(id), page);
}
