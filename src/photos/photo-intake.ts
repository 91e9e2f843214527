import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { camelRow, type Transactions } from '../core/sql';
import type { ImageProcessor } from '../images/image-processor';
import type { PreparedPhoto } from '../images/photo-image';
import { scheduleDeletion } from '../storage/media-deletion';
import type { MediaStore } from '../storage/media-store';
import type { SpooledUpload } from '../storage/upload-spool';
import { photoKey, unusedPhotoMs } from './photo-lifetime';
import type { PhotoEntity, PhotoProblemRow } from './photo.entity';

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
    private readonly store: MediaStore,
    private readonly imageProcessor: Pick<ImageProcessor, 'prepare'>,
  ) {}

  /**
   * Checks a photo and converts it to the image that is stored.
   * @throws PictureProblem if it cannot be used; DomainError SERVICE_UNAVAILABLE if too many are being checked
   */
  async check(bytes: Buffer): Promise<CheckedPhoto> {
    return { sha256: sha256Of(bytes), prepared: await this.imageProcessor.prepare(bytes) };
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
   * @param lease - the lease of the fetch; null for an upload, which must have stored its `sha256` in the row
   * @returns the row, or null if it no longer expects these bytes; bytes without a row are then scheduled for
   * deletion
   */
  async keep(
    photoId: string,
    { sha256, prepared }: CheckedPhoto,
    lease: string | null,
  ): Promise<PhotoEntity | null> {
    const { jpeg, sourceWidth, sourceHeight } = prepared;
    await this.store.put(photoKey(photoId), Readable.from([jpeg]), jpeg.length);
    const [row] = await this.database.rows<Record<string, unknown>>(
      `UPDATE photos
          SET status = 'READY', source_sha256 = $3, width = $4, height = $5, byte_size = $6, problems = '[]',
              source_url = NULL, due_at = NULL, lease = NULL, updated_at = now(),
              purge_at = CASE WHEN status = 'FETCHING' THEN purge_at ELSE now() + $7 * interval '1 ms' END
        WHERE id = $1 AND ((status = 'FETCHING' AND lease = $2)
                        OR (status IN ('AWAITING_UPLOAD', 'REJECTED') AND source_sha256 = $3 AND $2::uuid IS NULL))
       RETURNING *`,
      [photoId, lease, sha256, sourceWidth, sourceHeight, jpeg.length, unusedPhotoMs],
    );
    if (row) return camelRow<PhotoEntity>(row);
    await this.discardOrphan(photoId);
    return null;
  }

  /** Moves the row of a fetched photo to REJECTED; false if the lease has ended. */
  async rejectFetched(photoId: string, problem: PhotoProblemRow, lease: string): Promise<boolean> {
    const rows = await this.database.rows(
      `UPDATE photos
          SET status = 'REJECTED', problems = $3, source_url = NULL, due_at = NULL, lease = NULL, updated_at = now()
        WHERE id = $1 AND status = 'FETCHING' AND lease = $2
       RETURNING id`,
      [photoId, lease, JSON.stringify([problem])],
    );
    return rows.length > 0;
  }

  /** Moves the row of an uploaded photo to REJECTED, unless a valid one has been stored meanwhile. */
  async rejectUploaded(photoId: string, problem: PhotoProblemRow): Promise<void> {
    await this.database.rows(
      `UPDATE photos
          SET status = 'REJECTED', problems = $2, tries = tries + 1, updated_at = now(), purge_at = now() + $3 * interval '1 ms'
        WHERE id = $1 AND status IN ('AWAITING_UPLOAD', 'REJECTED')`,
      [photoId, JSON.stringify([problem]), unusedPhotoMs],
    );
  }

  /** Schedules deletion of bytes that were stored after their row was deleted or purged. */
  private async discardOrphan(photoId: string): Promise<void> {
    const known = await this.database.rows(`SELECT id FROM photos WHERE id = $1 AND status <> 'PURGED'`, [
      photoId,
    ]);
    if (known.length === 0) await scheduleDeletion(this.database, [photoKey(photoId)]);
  }
}

/** SHA-256 in lower-case hex. */
function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
