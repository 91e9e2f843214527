import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { notFound } from '../core/errors';
import { fromGlobalId, readInputId, toGlobalId } from '../core/ids';
import type { Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import { DeprecatedArguments } from '../graphql/deprecated-arguments';
import { connectionOf } from '../graphql/lists';
import { UrlScalar } from '../graphql/scalars';
import type { ModelEntity } from '../models/model.entity';
import type { ModelService } from '../models/model.service';
import { AvatarModel } from '../models/model.type';
import { avatarFileName } from './avatar-file-name';
import { provenanceOf, type AvatarOrigin } from './avatar-provenance';
import { thumbhashOf } from './avatar-thumbhash';
import type { AvatarUrls } from './avatar-urls';
import type { AvatarEntity } from './avatar.entity';
import type { AvatarService } from './avatar.service';
import {
  Avatar,
  AvatarConnection,
  DeleteAvatarInput,
  DeleteAvatarPayload,
  PictureArgs,
  SetFavoriteInput,
  SetFavoritePayload,
} from './avatar.type';
import { AvatarsArgs, decodedAvatars } from './generation-list.input';
import type { GenerationEntity } from './generation.entity';
import type { AvatarEventPayload } from './generation.kind';
import type { GenerationService } from './generation.service';
import { Generation } from './generation.type';
import { Provenance } from './provenance.type';

/** The mutation and fields of avatars. */
@Resolver(() => Avatar)
export class AvatarResolver {
  constructor(
    private readonly service: AvatarService,
    private readonly generations: GenerationService,
    private readonly models: Pick<ModelService, 'findMany'>,
    private readonly urls: AvatarUrls,
  ) {}

  @Query(() => Avatar, {
    nullable: true,
    description: 'One of your avatars; null if you have none with this id.',
  })
  async avatar(
    @Arg('id', () => ID, { description: 'The avatar’s global id.' }) id: string,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<AvatarEntity | null> {
    return this.service.find(viewer, readInputId('Avatar', id).uuid);
  }

  @Query(() => AvatarConnection, {
    nullable: true,
    description: 'Your avatars, both from models and without training. Null only with an error.',
  })
  avatars(
    @Args(() => AvatarsArgs) args: AvatarsArgs,
    @Ctx() context: GraphQLContext,
  ): Promise<Connection<AvatarEntity>> {
    const query = { page: args, orderBy: args.orderBy, filter: decodedAvatars(args.filter), parent: null };
    return connectionOf(this.service.list, query, context);
  }

  @Mutation(() => SetFavoritePayload, {
    nullable: true,
    description:
      'Marks avatars as favorites, or removes the mark: of all of them, or with an error of none. Repeating it succeeds. Errors: NOT_FOUND for each id without an avatar of yours; INVALID_INPUT for no id or more than 100.',
  })
  async setFavorite(
    @Arg('input', () => SetFavoriteInput, { description: 'The avatars and the mark.' })
    { avatarIds, favorite }: SetFavoriteInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<{ avatars: AvatarEntity[] }> {
    const ids = avatarIds.map((id, index) => readInputId('Avatar', id, `input.avatarIds[${index}]`));
    return { avatars: await this.service.setFavorite(viewer, ids, favorite) };
  }

  @DeprecatedArguments('id')
  @Mutation(() => DeleteAvatarPayload, {
    nullable: true,
    description:
      'Permanently deletes an avatar and its bytes. Repeating it succeeds, and so does an unknown id. Errors: NOT_FOUND if the id has the form or the type of something else than an avatar.',
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
      'The URL of the picture. It stays the same for every read within a window of one hour, and works until the end of the next. Anyone who has it can see the picture.',
  })
  url(@Root() avatar: AvatarEventPayload, @Args(() => PictureArgs) { size, format }: PictureArgs): string {
    return this.urls.view(avatar.id, size, format ?? null);
  }

  @FieldResolver(() => UrlScalar, {
    description: 'Like `url`, but browsers save the file as `filename` instead of showing it.',
  })
  downloadUrl(
    @Root() avatar: AvatarEventPayload,
    @Args(() => PictureArgs) { size, format }: PictureArgs,
  ): string {
    return this.urls.download(avatar.id, size, format ?? null);
  }

  @FieldResolver(() => String, {
    description:
      'A file name from style and prompt, for example `watercolor-at-the-sea-3.jpg`. That of a converted picture has another extension.',
  })
  filename(@Root() avatar: AvatarEventPayload): string {
    return avatarFileName(avatar);
  }

  @FieldResolver(() => String, { description: 'A ThumbHash, base64, to show while the picture loads.' })
  thumbhash(@Root() avatar: AvatarEventPayload): string {
    return thumbhashOf(avatar);
  }

  @FieldResolver(() => Provenance, { description: 'How the picture came about.' })
  async provenance(
    @Root() avatar: AvatarEventPayload,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<Provenance> {
    const origin = await loaders
      .get<string, AvatarOrigin | null>('Avatar.provenance', (ids) => this.service.origins(viewer, ids))
      .load(avatar.id);
    if (!origin) throw notFound('avatar');
    return provenanceOf(avatar, origin);
  }

  @FieldResolver(() => AvatarModel, {
    nullable: true,
    description: 'The model it was made from. Null for instant avatars.',
  })
  model(
    @Root() { modelId }: AvatarEventPayload,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<ModelEntity | null> | null {
    if (modelId === null) return null;
    return loaders
      .get<string, ModelEntity | null>('Avatar.model', (ids) => this.models.findMany(viewer, ids))
      .load(modelId);
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
