import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Resolver, Root } from 'type-graphql';
import { fromGlobalId, toGlobalId } from '../core/ids';
import { PageArgs, readPage, toConnection, type Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import { DeletedPayload } from '../graphql/node';
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

/** The mutation and fields of avatars. */
@Resolver(() => Avatar)
export class AvatarResolver {
  constructor(
    private readonly service: AvatarService,
    private readonly generations: GenerationService,
  ) {}

  @Mutation(() => DeletedPayload, {
    description: 'Permanently deletes an avatar and its bytes. Idempotent.',
  })
  async deleteAvatar(
    @Arg('id', () => ID, { description: 'The avatar’s global id.' }) id: string,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<DeletedPayload> {
    await this.service.delete(viewer, fromGlobalId('Avatar', id));
    return { deletedId: id };
  }

  @FieldResolver(() => ID)
  id(@Root() avatar: AvatarPayload): string {
    return toGlobalId('Avatar', avatar.id);
  }

  @FieldResolver(() => UrlScalar, {
    description:
      'A signed URL of the picture, valid for one to two hours; query it again for a new one. Anyone with the URL can open the picture.',
  })
  url(
    @Root() avatar: AvatarPayload,
    @Arg('size', () => AvatarSizeEnum, {
      defaultValue: AvatarSizeEnum.ORIGINAL,
      description: 'The size of the picture.',
    })
    size: AvatarSize,
  ): string {
    return this.service.url(avatar.id, size);
  }

  @FieldResolver(() => Generation, {
    nullable: true,
    description: 'Its generation; null if that has just been deleted.',
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

/** `AvatarModel.avatars` is here because models do not import generations. */
@Resolver(() => AvatarModel)
export class ModelAvatarsResolver {
  constructor(private readonly service: AvatarService) {}

  @FieldResolver(() => AvatarConnection, {
    description: 'The avatars made from this model by all its generations, newest first.',
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
