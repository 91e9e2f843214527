import { DomainError } from '../core/errors';
import { photoTooLarge } from './photo.errors';

/** Maximum number of files per call: the maximum number of photos of a training. */
const maxFiles = 30;

const maxFilenameLength = 255;
const contentTypes: readonly string[] = ['image/jpeg', 'image/png'];

/** A photo to be uploaded, as described by the client. */
export interface PhotoFile {
  filename: string;
  contentType: string;
  byteSize: number;
}

/**
 * Validates the description of files. The actual type is checked when the bytes arrive.
 * @throws DomainError INVALID_INPUT, PHOTO_TYPE_UNSUPPORTED or PHOTO_TOO_LARGE, with the field of the first invalid
 * file
 */
export function checkFiles(files: readonly PhotoFile[], maxBytes: number): void {
  if (files.length < 1 || files.length > maxFiles) {
    throw new DomainError('INVALID_INPUT', `Send 1 to ${maxFiles} files; ${files.length} were given.`, {
      field: 'input.files',
      details: { given: files.length, minimum: 1, maximum: maxFiles },
    });
  }
  files.forEach((file, index) => checkFile(file, `input.files[${index}]`, maxBytes));
}

function checkFile({ filename, contentType, byteSize }: PhotoFile, field: string, maxBytes: number): void {
  if (filename === '' || filename.length > maxFilenameLength || /\p{Cc}/u.test(filename)) {
    throw new DomainError(
      'INVALID_INPUT',
      `A filename must have 1 to ${maxFilenameLength} characters and no control characters.`,
      { field: `${field}.filename` },
    );
  }
  if (!contentTypes.includes(contentType)) {
    throw new DomainError(
      'PHOTO_TYPE_UNSUPPORTED',
      `Photos must be ${contentTypes.join(' or ')}. Convert the photo to one of these types.`,
      { field: `${field}.contentType`, details: { supported: contentTypes } },
    );
  }
  if (!(byteSize >= 1)) {
    throw new DomainError('INVALID_INPUT', 'A photo must have at least 1 byte.', {
      field: `${field}.byteSize`,
    });
  }
  if (byteSize > maxBytes) throw photoTooLarge(maxBytes, { field: `${field}.byteSize`, byteSize });
}
