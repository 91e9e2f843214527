import { DomainError } from '../core/errors';

/** A photo's bytes are too many, whether they were announced or came. */
export function photoTooLarge(maxBytes: number, given?: { field: string; byteSize: number }): DomainError {
  return new DomainError(
    'PHOTO_TOO_LARGE',
    `The photo is larger than ${Number((maxBytes / 1_000_000).toPrecision(3))} MB. Send a smaller copy of it.`,
    { field: given?.field, details: { maximum: maxBytes, given: given?.byteSize } },
  );
}

/** An upload to the same URL is still running. */
export function uploadInProgress(retryAfterSeconds: number): DomainError {
  return new DomainError(
    'UPLOAD_IN_PROGRESS',
    'Another upload to this URL is still running. Wait for its answer, or send the photo again later.',
    { details: { retryAfterSeconds } },
  );
}

/** Other bytes than the photo has: it stays as it is. Answered as 409. */
export class UploadConflict extends DomainError {
  constructor() {
    super(
      'INVALID_INPUT',
      'This photo has been uploaded already, with other bytes. Ask createPhotoUploads for a URL for each photo.',
    );
  }

  override get httpStatus(): number {
    return 409;
  }
}
