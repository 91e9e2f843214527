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

/** A photo as it came, with what was made of it. */
export interface CheckedPhoto {
  /** Of the bytes as they came, lower-case hex. */
  sha256: string;
  prepared: PreparedPhoto;
}

/**
 * Where every photo becomes READY or REJECTED, whichever way it came. Bytes are durable before the row says so, and a
 * row that no longer waits for them is not touched: whoever was faster, or deleted it, has the last word.
 */
export class PhotoIntake {
  constructor(
    private readonly database: Transactions,
    private readonly store: MediaStore,
    private readonly workshop: Pick<ImageProcessor, 'prepare'>,
  ) {}

  /**
   * Checks a photo and makes it what is kept of it.
   * @throws PictureProblem if it cannot be used; DomainError SERVICE_UNAVAILABLE if too many are being checked
   */
  async check(bytes: Buffer): Promise<CheckedPhoto> {
    return { sha256: sha256Of(bytes), prepared: await this.workshop.prepare(bytes) };
  }

  /**
   * {@link check} for an upload, which is read only when its turn has come.
   * @param owner - takes turns with others
   */
  async checkUpload(upload: SpooledUpload, owner: string): Promise<CheckedPhoto> {
    return { sha256: upload.sha256, prepared: await this.workshop.prepare(() => upload.read(), owner) };
  }

  /**
   * Stores the photo and moves its row to READY.
   * @param lease - the fetch that has it in hand; null for an upload, which must have announced its `sha256` in the row
   * @returns the row, or null if it did not wait for these bytes any more; bytes that no row can own are then doomed
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

  /** Moves the row of a fetched photo to REJECTED; false if the lease had passed to somebody else. */
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

  /** Moves the row of an uploaded photo to REJECTED, unless a good one has come meanwhile. */
  async rejectUploaded(photoId: string, problem: PhotoProblemRow): Promise<void> {
    await this.database.rows(
      `UPDATE photos
          SET status = 'REJECTED', problems = $2, tries = tries + 1, updated_at = now(), purge_at = now() + $3 * interval '1 ms'
        WHERE id = $1 AND status IN ('AWAITING_UPLOAD', 'REJECTED')`,
      [photoId, JSON.stringify([problem]), unusedPhotoMs],
    );
  }

  /** Bytes that came after their row was deleted or purged must follow it. */
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
