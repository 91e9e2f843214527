import { DomainError } from '../core/errors';
import { photoTooLarge } from './photo.errors';

/** How many slots one call may ask for: as many as a training may have photos. */
const maxFiles = 30;

const maxFilenameLength = 255;
const contentTypes: readonly string[] = ['image/jpeg', 'image/png'];

/** A photo that is about to be sent, as its sender describes it. */
export interface PhotoFile {
  filename: string;
  contentType: string;
  byteSize: number;
}

/**
 * Refuses what could only be refused later. What a file really is shows when its bytes come.
 * @throws DomainError INVALID_INPUT, PHOTO_TYPE_UNSUPPORTED or PHOTO_TOO_LARGE, with the field of the first that is wrong
 */
export function checkFiles(files: readonly PhotoFile[], maxBytes: number): void {
  if (files.length < 1 || files.length > maxFiles) {
    throw new DomainError('INVALID_INPUT', `Give 1 to ${maxFiles} files; there were ${files.length}.`, {
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
      `A filename has 1 to ${maxFilenameLength} characters and no control characters.`,
      { field: `${field}.filename` },
    );
  }
  if (!contentTypes.includes(contentType)) {
    throw new DomainError(
      'PHOTO_TYPE_UNSUPPORTED',
      `Photos are taken as ${contentTypes.join(' or ')}. Convert the photo and send it as one of these.`,
      { field: `${field}.contentType`, details: { supported: contentTypes } },
    );
  }
  if (!(byteSize >= 1)) {
    throw new DomainError('INVALID_INPUT', 'A photo has at least 1 byte.', { field: `${field}.byteSize` });
  }
  if (byteSize > maxBytes) throw photoTooLarge(maxBytes, { field: `${field}.byteSize`, byteSize });
}
