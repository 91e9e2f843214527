import { Field, InputType, Int } from 'type-graphql';
import type { PhotoFile } from './photo-file';

@InputType({ description: 'A file to upload.' })
export class PhotoFileInput implements PhotoFile {
  @Field(() => String, { description: 'The filename, 1 to 255 characters; returned with the photo.' })
  filename: string;

  @Field(() => String, {
    description: '`image/jpeg` or `image/png`. The actual type is determined from the bytes.',
  })
  contentType: string;

  @Field(() => Int, {
    description: 'The size of the file in bytes: 1 to the limit of this server, 25 MB by default.',
  })
  byteSize: number;
}

@InputType({ description: 'The input of `createPhotoUploads`.' })
export class CreatePhotoUploadsInput {
  @Field(() => [PhotoFileInput], { description: '1 to 30 files.' })
  files: PhotoFileInput[];
}
