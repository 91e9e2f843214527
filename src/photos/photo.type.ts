import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { Node } from '../graphql/node';
import { DateTimeScalar, UrlScalar } from '../graphql/scalars';
import type { PhotoStatus } from './photo.state';

/** {@link PhotoStatus} for the schema. */
const PhotoStatusEnum = {
  AWAITING_UPLOAD: 'AWAITING_UPLOAD',
  FETCHING: 'FETCHING',
  READY: 'READY',
  REJECTED: 'REJECTED',
  PURGED: 'PURGED',
} as const satisfies { [Status in PhotoStatus]: Status };

registerEnumType(PhotoStatusEnum, {
  name: 'PhotoStatus',
  description: 'What is happening to a photo.',
  valuesConfig: {
    AWAITING_UPLOAD: { description: 'Its bytes have not come yet: PUT them to its `uploadUrl`.' },
    FETCHING: { description: 'It is being fetched from the URL that was given for it.' },
    READY: { description: 'Checked and kept: a model can be trained from it.' },
    REJECTED: {
      description:
        'It cannot be used; `problems` says why. While its `uploadUrl` works, another file may be sent.',
    },
    PURGED: { description: 'Its bytes were deleted, since no training needs them any more.' },
  },
});

/** Why a photo was refused, as clients see it. */
@ObjectType({ description: 'Why a photo cannot be used.' })
export class PhotoProblem {
  @Field(() => String, {
    description:
      'Stable, for your program: UNSUPPORTED_TYPE (neither JPEG nor PNG), UNREADABLE (damaged or cut off), TOO_SMALL, TOO_MANY_PIXELS, ANIMATED, PHOTO_TOO_LARGE (too many bytes) or PHOTO_UNREACHABLE (its URL gave no photo).',
  })
  code: string;

  @Field(() => String, { description: 'For your user: what is wrong and what to do about it.' })
  message: string;
}

/** A reference photo, as clients see it. */
@ObjectType({
  implements: Node,
  description:
    'A reference photo. It is checked, turned upright, cut to 512×512 pixels around its subject and kept without metadata; the file that was sent is not kept. A photo that no model uses is deleted within a day.',
})
export class Photo implements Node {
  @Field(() => ID, {
    description: 'What `trainModel` and `generateInstantAvatars` take, and `node(id)` finds.',
  })
  id: string;

  @Field(() => PhotoStatusEnum, { description: 'Whether it can be used yet.' })
  status: PhotoStatus;

  @Field(() => String, {
    nullable: true,
    description: 'As its sender named it; null if nobody did, and once the photo is PURGED.',
  })
  filename: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Of the photo as it was sent, upright, in pixels; null until it is READY.',
  })
  width: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Of the photo as it was sent, upright, in pixels; null until it is READY.',
  })
  height: number | null;

  @Field(() => Int, { nullable: true, description: 'Of the photo as it is kept; null until it is READY.' })
  byteSize: number | null;

  @Field(() => [PhotoProblem], { description: 'Why it is REJECTED; empty otherwise.' })
  problems: PhotoProblem[];

  @Field(() => UrlScalar, {
    nullable: true,
    description:
      'Shows the photo as it is kept, a JPEG, for an hour; ask again for a new URL. Null unless READY.',
  })
  url?: string | null;

  @Field(() => DateTimeScalar, { description: 'When its slot was given out, or its URL came in.' })
  createdAt: Date;
}

/** A header of an upload's request. */
@ObjectType({ description: 'A header to send with an upload.' })
export class UploadHeader {
  @Field(() => String, { description: 'For example `Content-Type`.' })
  name: string;

  @Field(() => String, { description: 'Its value, to be sent as it is.' })
  value: string;
}

/** Where one photo's bytes go. */
@ObjectType({ description: 'Where to send the bytes of one photo.' })
export class PhotoUpload {
  @Field(() => Photo, { description: 'The photo that it will be; AWAITING_UPLOAD for now.' })
  photo: Photo;

  @Field(() => UrlScalar, {
    description:
      'PUT the bytes here, with `headers` and nothing else: `fetch(uploadUrl, { method: "PUT", headers, body: file })`. The answer is 201 and the photo as JSON (200 if the same bytes had come before), or an error as `{ "code", "message" }`: 413 too many bytes, 415 neither JPEG nor PNG, 422 a photo that cannot be used, 409 other bytes than before. Whoever has the URL may use it, so keep it to yourself.',
  })
  uploadUrl: string;

  @Field(() => [UploadHeader], { description: 'The headers to send.' })
  headers: UploadHeader[];

  @Field(() => DateTimeScalar, { description: 'Until when the URL works.' })
  expiresAt: Date;
}

/** What `createPhotoUploads` answers. */
@ObjectType({ description: 'The slots that were asked for.' })
export class CreatePhotoUploadsPayload {
  @Field(() => [PhotoUpload], { description: 'One for each file, in the order of the files.' })
  uploads: PhotoUpload[];
}
