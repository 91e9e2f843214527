import { Args, Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import { PageArgs, readPage, toConnection, type Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import type { ModelEntity } from '../models/model.entity';
import { AvatarModel } from '../models/model.type';
import type { GenerationEntity } from './generation.entity';
import { GenerationsArgs } from './generation.input';
import type { GenerationService } from './generation.service';
import { GenerationConnection } from './generation.type';

/** Lists of generations. `AvatarModel.generations` is here because models do not import generations. */
@Resolver(() => AvatarModel)
export class GenerationListResolver {
  constructor(private readonly service: GenerationService) {}

  @Query(() => GenerationConnection, {
    description: 'Your generations, newest first, both from models and without training.',
  })
  async generations(
    @Args(() => GenerationsArgs) args: GenerationsArgs,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<Connection<GenerationEntity>> {
    const page = readPage(args);
    const { status = null } = args;
    const request = { first: page.first, after: page.afterId, status };
    return toConnection(await this.service.list(viewer, request), page);
  }

  @FieldResolver(() => GenerationConnection, {
    name: 'generations',
    description: 'The generations made from this model, newest first.',
  })
  async ofModel(
    @Root() model: ModelEntity,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<Connection<GenerationEntity>> {
    const page = readPage(args);
    const request = { first: page.first, after: page.afterId };
    const loader = loaders.get<string, GenerationEntity[]>(
      `AvatarModel.generations/${page.first}/${page.afterId}`,
      (ids) => this.service.listOfModels(viewer, ids, request),
    );
    return toConnection(await loader.load(model.id), page);
  }
}
