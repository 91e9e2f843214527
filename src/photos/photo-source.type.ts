import { Field, ID, InputType } from 'type-graphql';
import { DomainError } from '../core/errors';
import { fromGlobalId } from '../core/ids';
import { OneOf } from '../graphql/build-schema';
import { UrlScalar } from '../graphql/scalars';
import type { PhotoSource } from './job-photo.service';

@OneOf()
@InputType({ description: 'A photo for a training or a generation. Give exactly one of the fields.' })
export class PhotoSourceInput {
  @Field(() => ID, { nullable: true, description: 'The global id of an uploaded photo that is READY.' })
  photoId?: string | null;

  @Field(() => UrlScalar, {
    nullable: true,
    description:
      'The public URL of a JPEG or PNG photo. It is fetched and checked after the mutation has returned.',
  })
  url?: string | null;
}

/** The photos of a training: `photos`, or both deprecated lists. */
interface PhotosInput {
  photos?: readonly PhotoSourceInput[] | null;
  photoIds?: readonly string[] | null;
  photoUrls?: readonly string[] | null;
}

/** The photo of a generation without training: `photo`, or one of the deprecated fields. */
interface PhotoInput {
  photo?: PhotoSourceInput | null;
  photoId?: string | null;
  photoUrl?: string | null;
}

/**
 * The photos of a training in the given order; of the deprecated lists, `photoIds` come first.
 * @returns the photos, and the field of an error about their number
 * @throws DomainError INVALID_INPUT if both forms are given; NOT_FOUND for an id of another type
 */
export function photosIn({ photos, photoIds, photoUrls }: PhotosInput): {
  photos: PhotoSource[];
  photosField: string;
} {
  const lists = [
    (photoIds ?? []).map((photoId, index) => sourceOf({ photoId }, `input.photoIds[${index}]`)),
    (photoUrls ?? []).map((url, index) => sourceOf({ url }, `input.photoUrls[${index}]`)),
  ].flat();
  if (photos && lists.length > 0) throw severalForms('Give photos without photoIds and photoUrls.', 'photos');
  // The field of the first photo, without its index.
  if (lists.length > 0) return { photos: lists, photosField: lists[0]!.field.replace('[0]', '') };
  const sources = (photos ?? []).map((photo, index) => sourceOf(photo, `input.photos[${index}]`, true));
  return { photos: sources, photosField: 'input.photos' };
}

/**
 * The photo of a generation without training.
 * @throws DomainError INVALID_INPUT unless exactly one is given; NOT_FOUND for an id of another type
 */
export function photoIn({ photo, photoId, photoUrl }: PhotoInput): PhotoSource {
  const given = [
    ...(photo ? [sourceOf(photo, 'input.photo', true)] : []),
    ...(photoId == null ? [] : [sourceOf({ photoId }, 'input.photoId')]),
    ...(photoUrl == null ? [] : [sourceOf({ url: photoUrl }, 'input.photoUrl')]),
  ];
  if (given.length === 1) return given[0]!;
  throw severalForms(
    'Give photo: { photoId: "photo_…" } or photo: { url: "https://…" }, and nothing else.',
    'photo',
  );
}

/** @param isNested - whether the path of the field itself is appended to `field` */
function sourceOf({ photoId, url }: PhotoSourceInput, field: string, isNested = false): PhotoSource {
  const at = (name: string): string => (isNested ? `${field}.${name}` : field);
  if (photoId == null) return { url: url!, field: at('url') };
  return { photoId: fromGlobalId('Photo', photoId, at('photoId')), field: at('photoId') };
}

function severalForms(message: string, field: string): DomainError {
  return new DomainError('INVALID_INPUT', message, { field: `input.${field}` });
}
