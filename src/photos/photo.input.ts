import { Field, InputType, Int } from 'type-graphql';
import type { PhotoFile } from './photo-file';

/** One file of {@link CreatePhotoUploadsInput}. */
@InputType({ description: 'A file that is about to be sent.' })
export class PhotoFileInput implements PhotoFile {
  @Field(() => String, { description: 'Only shown to you again: 1 to 255 characters.' })
  filename: string;

  @Field(() => String, {
    description: '`image/jpeg` or `image/png`. What the file really is, is found out from its bytes.',
  })
  contentType: string;

  @Field(() => Int, {
    description: 'How many bytes the file has: 1 to the limit of this server, 25 MB by default.',
  })
  byteSize: number;
}

/** What `createPhotoUploads` takes. */
@InputType({ description: 'Which photos are about to be sent.' })
export class CreatePhotoUploadsInput {
  @Field(() => [PhotoFileInput], { description: '1 to 30 files.' })
  files: PhotoFileInput[];
}
