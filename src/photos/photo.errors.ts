import { DomainError } from '../core/errors';

/** A photo exceeds the maximum size, by its announced or its actual bytes. */
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
    'Another upload to this URL is in progress. Wait for its response, or send the photo again later.',
    { details: { retryAfterSeconds } },
  );
}

/** The photo already has other bytes and keeps them. Status 409. */
export class UploadConflict extends DomainError {
  constructor() {
    super(
      'INVALID_INPUT',
      'This photo has already been uploaded with other bytes. Call createPhotoUploads for a URL for each photo.',
    );
  }

  override get httpStatus(): number {
    return 409;
  }
}
