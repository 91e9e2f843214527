import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Resolver, Root } from 'type-graphql';
import { readGlobalId, toGlobalId } from '../core/ids';
import { PageArgs, readPage, toConnection, type Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import { DeletedPayload } from '../graphql/deleted.type';
import { UrlScalar } from '../graphql/scalars';
import type { ModelEntity } from '../models/model.entity';
import { AvatarModel } from '../models/model.type';
import type { AvatarEntity } from './avatar.entity';
import type { AvatarService, AvatarSize } from './avatar.service';
import { Avatar, AvatarConnection, AvatarSizeEnum } from './avatar.type';
import type { GenerationEntity } from './generation.entity';
import type { AvatarPayload } from './generation.job';
import type { GenerationService } from './generation.service';
import { Generation } from './generation.type';

/** Avatars for clients. */
@Resolver(() => Avatar)
export class AvatarResolver {
  constructor(
    private readonly service: AvatarService,
    private readonly generations: GenerationService,
  ) {}

  @Mutation(() => DeletedPayload, {
    description: 'Deletes an avatar and its bytes for good. Deleting twice succeeds.',
  })
  async deleteAvatar(
    @Arg('id', () => ID, { description: 'The avatar’s global id.' }) id: string,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<DeletedPayload> {
    const read = readGlobalId(id);
    if (read?.kind === 'Avatar') await this.service.delete(viewer, read.id);
    return { deletedId: id };
  }

  @FieldResolver(() => ID)
  id(@Root() avatar: AvatarPayload): string {
    return toGlobalId('Avatar', avatar.id);
  }

  @FieldResolver(() => UrlScalar, {
    description:
      'Opens the picture, for one to two hours; ask again for a new URL. Whoever has the URL sees the picture.',
  })
  url(
    @Root() avatar: AvatarPayload,
    @Arg('size', () => AvatarSizeEnum, { defaultValue: AvatarSizeEnum.ORIGINAL, description: 'How large.' })
    size: AvatarSize,
  ): string {
    return this.service.url(avatar.id, size);
  }

  @FieldResolver(() => Generation, {
    nullable: true,
    description: 'The generation it belongs to; null if that was deleted a moment ago.',
  })
  generation(
    @Root() avatar: AvatarPayload,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<GenerationEntity | null> {
    return loaders
      .get<string, GenerationEntity | null>('Avatar.generation', (ids) =>
        this.generations.findMany(viewer, ids),
      )
      .load(avatar.generationId);
  }
}

/** A model's avatars: written here, since models know nothing of avatars. */
@Resolver(() => AvatarModel)
export class ModelAvatarsResolver {
  constructor(private readonly service: AvatarService) {}

  @FieldResolver(() => AvatarConnection, {
    description: 'The avatars made from this model, over all its generations, the newest first.',
  })
  async avatars(
    @Root() model: ModelEntity,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<Connection<AvatarEntity>> {
    const page = readPage(args);
    const request = { first: page.first, after: page.afterId };
    const loader = loaders.get<string, AvatarEntity[]>(
      `AvatarModel.avatars/${page.first}/${page.afterId}`,
      (ids) => this.service.ofModels(viewer, ids, request),
    );
    return toConnection(await loader.load(model.id), page);
  }
}
