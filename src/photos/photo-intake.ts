import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Transactions } from '../core/sql';
import type { ImageProcessor } from '../images/image-processor';
import type { PreparedPhoto } from '../images/photo-image';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import type { MediaStore } from '../storage/media-store';
import type { SpooledUpload } from '../storage/upload-spool';
import { type PhotoEntity, photoKey } from './photo.entity';
import { isGone, markReady } from './photo.repository';

/** A received photo and the checked image made from it. */
export interface CheckedPhoto {
  /** The SHA-256 of the received bytes, in lower-case hexadecimal. */
  sha256: string;
  prepared: PreparedPhoto;
}

/**
 * Makes photos READY or REJECTED, for uploads and fetches. Bytes are durable before the row is updated. A row that
 * no longer expects the bytes, because it was changed or deleted concurrently, is left unchanged.
 */
export class PhotoIntake {
  constructor(
    private readonly database: Transactions,
    private readonly media: MediaStore,
    private readonly imageProcessor: Pick<ImageProcessor, 'prepare'>,
  ) {}

  /**
   * Checks a photo and converts it to the image that is stored.
   * @throws PictureProblem if it cannot be used; DomainError SERVICE_UNAVAILABLE if too many are being checked
   */
  async check(bytes: Buffer): Promise<CheckedPhoto> {
    return {
      sha256: createHash('sha256').update(bytes).digest('hex'),
      prepared: await this.imageProcessor.prepare(bytes),
    };
  }

  /**
   * {@link check} for an upload, which is read from disk when its check starts.
   * @param owner - for the fair order of checks
   */
  async checkUpload(upload: SpooledUpload, owner: string): Promise<CheckedPhoto> {
    return { sha256: upload.sha256, prepared: await this.imageProcessor.prepare(() => upload.read(), owner) };
  }

  /**
   * Stores the photo and moves its row to READY.
   * @param lease - the lease of the fetch; null for an upload to the gateway, which must have stored its `sha256` in the row
   * @returns the row, or null if it no longer expects these bytes; bytes without a row are then scheduled for
   * deletion
   */
  async keep(
    photoId: string,
    { sha256, prepared }: CheckedPhoto,
    lease: string | null,
  ): Promise<PhotoEntity | null> {
    const { jpeg, sourceWidth, sourceHeight } = prepared;
    await this.media.put(photoKey(photoId), Readable.from([jpeg]), jpeg.length);
    const row = await markReady(this.database, {
      id: photoId,
      lease,
      sha256,
      width: sourceWidth,
      height: sourceHeight,
      byteSize: jpeg.length,
    });
    if (row) return row;
    // The row may have been deleted or purged while the bytes were stored.
    if (await isGone(this.database, photoId)) await scheduleDeletion(this.database, [photoKey(photoId)]);
    return null;
  }
}
