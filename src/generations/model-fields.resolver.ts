import { Args, Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import type { Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import { connectionOf, type ListQuery } from '../graphql/lists';
import type { ModelEntity } from '../models/model.entity';
import { AvatarModel } from '../models/model.type';
import type { AvatarEntity } from './avatar.entity';
import type { AvatarService } from './avatar.service';
import { Avatar, AvatarConnection } from './avatar.type';
import { AvatarsArgs, decodedAvatars, decodedGenerations, GenerationListArgs } from './generation-list.input';
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

  @FieldResolver(() => GenerationConnection, { description: 'The generations made from this model.' })
  generations(
    @Root() model: ModelEntity,
    @Args(() => GenerationListArgs) args: GenerationListArgs,
    @Ctx() context: GraphQLContext,
  ): Promise<Connection<GenerationEntity>> {
    return connectionOf(
      this.generationService.list,
      queryOf(model, args, decodedGenerations(args.filter)),
      context,
    );
  }

  @FieldResolver(() => AvatarConnection, {
    description: 'The avatars made from this model by all its generations.',
  })
  avatars(
    @Root() model: ModelEntity,
    @Args(() => AvatarsArgs) args: AvatarsArgs,
    @Ctx() context: GraphQLContext,
  ): Promise<Connection<AvatarEntity>> {
    return connectionOf(this.avatarService.list, queryOf(model, args, decodedAvatars(args.filter)), context);
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

/** The list of rows that belong to a model. */
function queryOf<Filter>(
  { id }: ModelEntity,
  args: AvatarsArgs | GenerationListArgs,
  filter: Filter,
): ListQuery<Filter> {
  return { page: args, orderBy: args.orderBy, filter, parent: { column: 'model_id', id } };
}
