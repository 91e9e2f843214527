import { Arg, Ctx, FieldResolver, ID, Mutation, Resolver, Root } from 'type-graphql';
import { fromGlobalId, toGlobalId } from '../core/ids';
import type { GraphQLContext } from '../graphql/context';
import { DeprecatedArguments } from '../graphql/deprecated-arguments';
import { UrlScalar } from '../graphql/scalars';
import type { AvatarService, AvatarSize } from './avatar.service';
import { Avatar, AvatarSizeEnum, DeleteAvatarInput, DeleteAvatarPayload } from './avatar.type';
import type { GenerationEntity } from './generation.entity';
import type { AvatarEventPayload } from './generation.job';
import type { GenerationService } from './generation.service';
import { Generation } from './generation.type';

/** The mutation and fields of avatars. */
@Resolver(() => Avatar)
export class AvatarResolver {
  constructor(
    private readonly service: AvatarService,
    private readonly generations: GenerationService,
  ) {}

  @DeprecatedArguments('id')
  @Mutation(() => DeleteAvatarPayload, {
    nullable: true,
    description:
      'Permanently deletes an avatar and its bytes. Repeating it succeeds. Errors: NOT_FOUND if the id is not the id of an avatar.',
  })
  async deleteAvatar(
    @Arg('input', () => DeleteAvatarInput, { description: 'The avatar.' }) { id }: DeleteAvatarInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<DeleteAvatarPayload> {
    await this.service.delete(viewer, fromGlobalId('Avatar', id, 'input.id'));
    return { deletedId: id };
  }

  @FieldResolver(() => ID)
  id(@Root() avatar: AvatarEventPayload): string {
    return toGlobalId('Avatar', avatar.id);
  }

  @FieldResolver(() => UrlScalar, {
    description:
      'A signed URL of the picture, valid for one to two hours; query it again for a new one. Anyone with the URL can open the picture.',
  })
  url(
    @Root() avatar: AvatarEventPayload,
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
    @Root() avatar: AvatarEventPayload,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<GenerationEntity | null> {
    return loaders
      .get<string, GenerationEntity | null>('Avatar.generation', (ids) =>
        this.generations.findMany(viewer, ids),
      )
      .load(avatar.generationId);
  }
}
