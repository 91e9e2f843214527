import { Arg, Ctx, ID, Query, Resolver } from 'type-graphql';
import { readGlobalId } from '../core/ids';
import type { GraphQLContext } from '../graphql/context';
import { asNode, Node } from '../graphql/node';
import type { ModelService } from '../models/model.service';
import type { PhotoService } from '../photos/photo.service';
import type { AvatarService } from './avatar.service';
import type { GenerationService } from './generation.service';

/** Finds any object by its global id. It is in the topmost feature because that may import all the others. */
@Resolver()
export class NodeResolver {
  constructor(
    private readonly models: ModelService,
    private readonly generations: GenerationService,
    private readonly avatars: AvatarService,
    private readonly photos: PhotoService,
  ) {}

  @Query(() => Node, {
    nullable: true,
    description: 'Your object with this global id; null if you have none.',
  })
  async node(
    @Arg('id', () => ID, { description: 'The global id of a model, a generation, an avatar or a photo.' })
    globalId: string,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<Node | null> {
    const read = readGlobalId(globalId);
    if (!read) return null;
    const find = {
      AvatarModel: () => this.models.find(viewer, read.id),
      Generation: () => this.generations.find(viewer, read.id),
      Avatar: () => this.avatars.find(viewer, read.id),
      Photo: () => this.photos.find(viewer, read.id),
    }[read.kind];
    const row = await find();
    return row && asNode(read.kind, row);
  }
}
