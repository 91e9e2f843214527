import { Field, ID, InputType } from 'type-graphql';
import { DomainError } from '../core/errors';
import { fromGlobalId } from '../core/ids';
import type { ProblemCollector } from '../core/input-problems';
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
      'The public URL of a JPEG, PNG, WebP, AVIF or HEIC photo. It is fetched and checked after the mutation has returned.',
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

/** The photos of a training, as sent by the client. */
export interface GivenPhotos {
  /** Without those whose id has a wrong form, which are among the problems. */
  photos: PhotoSource[];
  /** The number of all given photos. */
  photoCount: number;
  /** The path of the photos in the input, for errors about their number. */
  photosField: string;
}

/**
 * The photos of a training in the given order; of the deprecated lists, `photoIds` come first.
 * @param problems - receives INVALID_INPUT if both forms are given, and NOT_FOUND for each id of another type
 */
export function photosIn(
  { photos, photoIds, photoUrls }: PhotosInput,
  problems: ProblemCollector,
): GivenPhotos {
  const lists = [
    ...(photoIds ?? []).map((photoId, index) => ({ photoId, field: `input.photoIds[${index}]` })),
    ...(photoUrls ?? []).map((url, index) => ({ url, field: `input.photoUrls[${index}]` })),
  ];
  if (photos && lists.length > 0)
    problems.add(severalForms('Give photos without photoIds and photoUrls.', 'photos'));
  const given =
    lists.length > 0 ? lists : (photos ?? []).map((photo, index) => nested(photo, `input.photos[${index}]`));
  return {
    photos: given.flatMap((photo) => problems.check(() => sourceOf(photo)) ?? []),
    photoCount: given.length,
    // The field of the first photo, without its index.
    photosField: lists.length > 0 ? lists[0]!.field.replace('[0]', '') : 'input.photos',
  };
}

/**
 * The photo of a generation without training.
 * @param problems - receives INVALID_INPUT unless exactly one is given, and NOT_FOUND for an id of another type
 */
export function photoIn(
  { photo, photoId, photoUrl }: PhotoInput,
  problems: ProblemCollector,
): PhotoSource | undefined {
  const given: GivenPhoto[] = [
    ...(photo ? [nested(photo, 'input.photo')] : []),
    ...(photoId == null ? [] : [{ photoId, field: 'input.photoId' }]),
    ...(photoUrl == null ? [] : [{ url: photoUrl, field: 'input.photoUrl' }]),
  ];
  return problems.check(() => {
    if (given.length === 1) return sourceOf(given[0]!);
    throw severalForms(
      'Give photo: { photoId: "photo_…" } or photo: { url: "https://…" }, and nothing else.',
      'photo',
    );
  });
}

/** A photo with its path. */
interface GivenPhoto extends PhotoSourceInput {
  readonly field: string;
}

function nested({ photoId, url }: PhotoSourceInput, field: string): GivenPhoto {
  return { photoId, url, field: `${field}.${photoId == null ? 'url' : 'photoId'}` };
}

function sourceOf({ photoId, url, field }: GivenPhoto): PhotoSource {
  if (photoId == null) return { url: url!, field };
  return { photoId: fromGlobalId('Photo', photoId, field), field };
}

function severalForms(message: string, field: string): DomainError {
  return new DomainError('INVALID_INPUT', message, { field: `input.${field}` });
}
