import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Transactions } from '../core/sql';
import type { ImageProcessor } from '../images/image-processor';
import type { PreparedPhoto } from '../images/photo-image';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import type { MediaStore } from '../storage/media-store';
import type { SpooledUpload } from '../storage/upload-spool';
import { earlierKeysOf, type PhotoEntity, photoKey, type PhotoName } from './photo.entity';
import { announceBytes, hasBytes, markReady } from './photo.repository';

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
   * @param lease - the lease of the fetch; null for an upload to the gateway
   * @param usedKeys - of files that are not needed when the photo is READY; their deletion is scheduled then
   * @returns the row, or null if it does not expect these bytes; what was stored is then scheduled for deletion
   */
  async keep(
    photoId: string,
    { sha256, prepared }: CheckedPhoto,
    lease: string | null,
    usedKeys: readonly string[] = [],
  ): Promise<PhotoEntity | null> {
    const { jpeg, sourceWidth, sourceHeight } = prepared;
    const bytes = { id: photoId, lease, sha256 };
    const tokens = await announceBytes(this.database, bytes, randomBytes(8).toString('hex'));
    if (tokens === null) return null;
    const { mediaToken, earlierToken } = tokens;
    const name = { id: photoId, mediaToken };
    await this.store(name, jpeg);
    // In one transaction, so that a process that is killed leaves no bytes that nothing deletes.
    return this.database.transaction(async (sql) => {
      const row = await markReady(sql, {
        ...bytes,
        mediaToken,
        width: sourceWidth,
        height: sourceHeight,
        byteSize: jpeg.length,
      });
      if (row) await scheduleDeletion(sql, [...earlierKeysOf(name, earlierToken), ...usedKeys]);
      // An earlier version may have accepted the same photo under the key of the first try.
      else if (!(await hasBytes(sql, photoId, mediaToken))) await scheduleDeletion(sql, [photoKey(name)]);
      return row;
    });
  }

  private async store(name: PhotoName, jpeg: Buffer): Promise<void> {
    try {
      await this.media.put(photoKey(name), Readable.from([jpeg]), jpeg.length);
    } catch (error) {
      // The store may have the bytes although it failed. Those of the first try are deleted with the photo.
      if (name.mediaToken) await scheduleDeletion(this.database, [photoKey(name)]).catch(() => undefined);
      throw error;
    }
  }
}
