/**
 * How long a photo that no training uses is kept after it was uploaded or rejected, in milliseconds. After a
 * training, `PHOTO_RETENTION` applies.
 */
export const unusedPhotoMs = 24 * 3_600_000;

/** How long a slot without bytes is kept, in milliseconds: the URL's hour, and another for an upload in progress. */
export const unusedSlotMs = 2 * 3_600_000;

/** The media key of a photo. */
export function photoKey(photoId: string): string {
  return `photos/${photoId}.jpg`;
}
