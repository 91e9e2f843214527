import { Args, Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import { PageArgs, readPage, toConnection, type Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import type { ModelEntity } from '../models/model.entity';
import { AvatarModel } from '../models/model.type';
import type { GenerationEntity } from './generation.entity';
import type { GenerationService } from './generation.service';
import { GenerationConnection } from './generation.type';

/** What hangs on a model: written here, since models know nothing of generations. */
@Resolver(() => AvatarModel)
export class ModelGenerationsResolver {
  constructor(private readonly service: GenerationService) {}

  @FieldResolver(() => GenerationConnection, {
    description: 'The generations made from this model, the newest first.',
  })
  async generations(
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
