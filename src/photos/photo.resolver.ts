import { Arg, Args, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import { fromGlobalId, readInputId, toGlobalId } from '../core/ids';
import type { Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import { DeprecatedArguments } from '../graphql/deprecated-arguments';
import { connectionOf } from '../graphql/lists';
import { PhotosArgs } from './photo-list.input';
import type { PhotoEntity } from './photo.entity';
import type { PhotoService } from './photo.service';
import {
  CreatePhotoUploadsPayload,
  DeletePhotoInput,
  DeletePhotoPayload,
  Photo,
  PhotoConnection,
  CreatePhotoUploadsInput,
  PhotoProblem,
  problemsOf,
} from './photo.type';

/** The description and deprecation of a field that has another name now. */
const renamedTo = (field: keyof Photo): { description: string; deprecationReason: string } => ({
  description: `The same as \`${field}\`.`,
  deprecationReason: `Use \`${field}\`. Removed in 1.0.`,
});

/** Queries and mutations of photos. */
@Resolver(() => Photo)
export class PhotoResolver {
  constructor(private readonly service: PhotoService) {}

  @Query(() => Photo, {
    nullable: true,
    description: 'One of your photos; null if you have none with this id.',
  })
  async photo(
    @Arg('id', () => ID, { description: 'The photo’s global id.' }) id: string,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<Photo | null> {
    return this.service.find(viewer, readInputId('Photo', id).uuid);
  }

  @Query(() => PhotoConnection, {
    nullable: true,
    description: 'Your photos, in any status. Null only with an error.',
  })
  photos(
    @Args(() => PhotosArgs) args: PhotosArgs,
    @Ctx() context: GraphQLContext,
  ): Promise<Connection<PhotoEntity>> {
    const query = { page: args, orderBy: args.orderBy, filter: { ...args.filter }, parent: null };
    return connectionOf(this.service.list, query, context);
  }

  @Mutation(() => CreatePhotoUploadsPayload, {
    nullable: true,
    description:
      'Starts the upload of reference photos: creates a slot for each file, with the URL for a PUT of its bytes. A file that is described as one that cannot be used has a REJECTED photo and `problems`; the others are accepted. Errors: INVALID_INPUT for no file or more than 30, QUOTA_EXCEEDED.',
  })
  async createPhotoUploads(
    @Arg('input', () => CreatePhotoUploadsInput, { description: 'The files to upload.' })
    input: CreatePhotoUploadsInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<CreatePhotoUploadsPayload> {
    return { uploads: await this.service.createUploads(viewer, input.files) };
  }

  @DeprecatedArguments('id')
  @Mutation(() => DeletePhotoPayload, {
    nullable: true,
    description:
      'Permanently deletes a photo and its bytes. A training that has not been submitted yet fails with TOO_FEW_PHOTOS, without a charge; submitted ones continue. Repeating it succeeds, and so does an unknown id. Errors: NOT_FOUND if the id has the form or the type of something else than a photo.',
  })
  async deletePhoto(
    @Arg('input', () => DeletePhotoInput, { description: 'The photo.' }) { id }: DeletePhotoInput,
    @Ctx() { viewer, withoutTurn }: GraphQLContext,
  ): Promise<DeletePhotoPayload> {
    await this.service.delete(viewer, fromGlobalId('Photo', id, 'input.id'), withoutTurn);
    return { deletedId: id };
  }

  @FieldResolver(() => ID)
  id(@Root() photo: PhotoEntity): string {
    return toGlobalId('Photo', photo.id);
  }

  @FieldResolver(() => [PhotoProblem])
  problems(@Root() photo: PhotoEntity): PhotoProblem[] {
    return problemsOf(photo);
  }

  @FieldResolver(() => Int, { nullable: true })
  originalWidth(@Root() photo: PhotoEntity): number | null {
    return photo.width;
  }

  @FieldResolver(() => Int, { nullable: true })
  originalHeight(@Root() photo: PhotoEntity): number | null {
    return photo.height;
  }

  @FieldResolver(() => Int, { nullable: true, ...renamedTo('originalWidth') })
  width(@Root() photo: PhotoEntity): number | null {
    return photo.width;
  }

  @FieldResolver(() => Int, { nullable: true, ...renamedTo('originalHeight') })
  height(@Root() photo: PhotoEntity): number | null {
    return photo.height;
  }

  @FieldResolver(() => String, { nullable: true })
  url(@Root() photo: PhotoEntity): string | null {
    return this.service.viewUrl(photo);
  }
}
