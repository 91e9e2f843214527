import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { createCodeEnum } from '../graphql/code-enum';
import { createConnectionType } from '../graphql/connection';
import { ErrorCode } from '../graphql/error-code.type';
import { DeletionPayload, Node } from '../graphql/node';
import { DateTimeScalar, UrlScalar } from '../graphql/scalars';
import { photoProblemCodes } from './photo-problem';
import type { PhotoEntity } from './photo.entity';
import type { PhotoFile } from './photo.service';
import { photoStatuses, type PhotoStatus } from './photo.state';

/** {@link PhotoStatus} as a GraphQL enum. */
export const PhotoStatusEnum = Object.fromEntries(photoStatuses.map((status) => [status, status])) as {
  [Status in PhotoStatus]: Status;
};

registerEnumType(PhotoStatusEnum, {
  name: 'PhotoStatus',
  description: 'The status of a photo.',
  valuesConfig: {
    AWAITING_UPLOAD: {
      description: 'Its bytes have not been uploaded yet, or not been checked. PUT them to its `uploadUrl`.',
    },
    FETCHING: { description: 'It is being fetched from its URL.' },
    READY: { description: 'Checked and stored: a model can be trained from it.' },
    REJECTED: {
      description:
        'It cannot be used; `problems` has the reason. Another file may be sent while its `uploadUrl` is valid, unless that is one of a bucket.',
    },
    PURGED: { description: 'Its bytes were deleted because no unfinished or retryable work needs them.' },
  },
});

/** The codes of a photo's problems as a GraphQL enum. */
const PhotoProblemCode = createCodeEnum('PhotoProblemCode', 'Why a photo cannot be used.', photoProblemCodes);

@ObjectType({ description: 'Why a photo cannot be used.' })
export class PhotoProblem {
  @Field(() => PhotoProblemCode.type, { description: 'A stable code, for your program.' })
  code: string;

  @Field(() => String, { description: 'A message for the user: what is wrong and what to do.' })
  message: string;
}

/** The problems of a row, as clients see them. */
export function problemsOf({ problems }: Pick<PhotoEntity, 'problems'>): PhotoProblem[] {
  return problems.map(({ code, message }) => ({ code: PhotoProblemCode.read(code), message }));
}

@ObjectType({
  implements: Node,
  description:
    'A reference photo. It is checked, rotated upright, cropped to 512×512 pixels around its subject and stored without metadata; the original file is not stored. A photo that no model or generation uses is deleted within a day; others, some time after the work that they are for has ended.',
})
export class Photo implements Node {
  @Field(() => ID, {
    description: 'The global id, for `trainModel`, `generateInstantAvatars` and `node(id)`.',
  })
  id: string;

  @Field(() => PhotoStatusEnum, { description: 'Whether it can be used.' })
  status: PhotoStatus;

  @Field(() => String, {
    nullable: true,
    description: 'The filename given by the client; null if none was given, and once the photo is PURGED.',
  })
  filename: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'The width of the photo as it was sent, upright, in pixels; null until it is READY.',
  })
  originalWidth?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'The height of the photo as it was sent, upright, in pixels; null until it is READY.',
  })
  originalHeight?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'The size of the stored photo, which `url` returns, in bytes; null until it is READY.',
  })
  byteSize: number | null;

  @Field(() => [PhotoProblem], { description: 'The reasons if it is REJECTED; empty otherwise.' })
  problems: PhotoProblem[];

  @Field(() => UrlScalar, {
    nullable: true,
    description:
      'A signed URL of the stored photo, a JPEG of 512×512 pixels, valid for an hour; query it again for a new one. Null unless READY.',
  })
  url?: string | null;

  @Field(() => DateTimeScalar, { description: 'When its upload slot was created or its URL was received.' })
  createdAt: Date;
}

@InputType({ description: 'A file to upload.' })
export class PhotoFileInput implements PhotoFile {
  @Field(() => String, { description: 'The filename, 1 to 255 characters; returned with the photo.' })
  filename: string;

  @Field(() => String, {
    description:
      '`image/jpeg`, `image/png`, `image/webp`, `image/avif`, `image/heic` or `image/heif`. The actual type is determined from the bytes.',
  })
  contentType: string;

  @Field(() => Int, {
    description: 'The size of the file in bytes: 1 to the limit of this server, 25 MB by default.',
  })
  byteSize: number;
}

@InputType({ description: 'What `createPhotoUploads` takes.' })
export class CreatePhotoUploadsInput {
  @Field(() => [PhotoFileInput], { description: '1 to 30 files.' })
  files: PhotoFileInput[];
}

@ObjectType({ description: 'A header to send with an upload.' })
export class UploadHeader {
  @Field(() => String, { description: 'The name of the header, for example `Content-Type`.' })
  name: string;

  @Field(() => String, { description: 'The value, to be sent unchanged.' })
  value: string;
}

@ObjectType({ description: 'A value of an input that cannot be used.' })
export class InputProblem {
  @Field(() => ErrorCode, { description: 'A stable code, for your program.' })
  code: keyof typeof ErrorCode;

  @Field(() => String, { description: 'The path of the value, such as `input.files[2].byteSize`.' })
  field: string;

  @Field(() => String, { description: 'A message for the user: what is wrong and what to do.' })
  message: string;
}

@ObjectType({ description: 'Where to send the bytes of one photo.' })
export class PhotoUpload {
  @Field(() => Photo, {
    description:
      'The photo, initially AWAITING_UPLOAD; REJECTED if the file is described as one that cannot be used.',
  })
  photo: Photo;

  @Field(() => [InputProblem], {
    description:
      'Why the photo is REJECTED: what is wrong with the description of the file. Empty if it is accepted. Another file may be sent to `uploadUrl`.',
  })
  problems: readonly InputProblem[];

  @Field(() => UrlScalar, {
    description:
      'Send the bytes here by PUT, with exactly these `headers`: `fetch(uploadUrl, { method: "PUT", headers, body: file })`. The response is 201 and the photo as JSON, with `id`, `status`, `originalWidth`, `originalHeight`, `byteSize` and `problems` (200 if the same bytes had been uploaded before), or an error as `{ "code", "message" }`: 413 if it is too large, 415 if it is neither JPEG nor PNG, 422 if it cannot be used, 409 if the photo already has other bytes. If the URL has the parameter `X-Amz-Signature`, it is one of the server’s bucket: it accepts exactly `byteSize` bytes, its response is that of the bucket, and the server checks the photo some seconds later; query it until its `status` is READY or REJECTED, and create another upload for another file. Anyone with the URL can use it, so keep it secret.',
  })
  uploadUrl: string;

  @Field(() => [UploadHeader], { description: 'The headers to send with the bytes.' })
  headers: UploadHeader[];

  @Field(() => DateTimeScalar, { description: 'When the URL expires: an hour after the mutation.' })
  expiresAt: Date;
}

/** A page of photos. */
export const PhotoConnection = createConnectionType('Photo', () => Photo);

@ObjectType({ description: 'The new upload slots.' })
export class CreatePhotoUploadsPayload {
  @Field(() => [PhotoUpload], { description: 'One for each file, in the order of the files.' })
  uploads: PhotoUpload[];
}

@InputType()
export class DeletePhotoInput {
  @Field(() => ID, { description: 'The global id of the photo.' })
  id: string;
}

@ObjectType()
export class DeletePhotoPayload extends DeletionPayload {}
