import { toGlobalId } from '../core/ids';
import { inBatches, type Person } from '../core/person';
import { camelRow, type Sql } from '../core/sql';
import { scheduleDeletion } from '../storage/media-deletion';
import type { MediaStore, OpenObject } from '../storage/media-store';
import { photoKey } from './photo-lifetime';
import type { PhotoEntity } from './photo.entity';

/** Erasure and export of a person's photos. */
export class PersonalPhotoService {
  constructor(private readonly store: Pick<MediaStore, 'open'>) {}

  /**
   * Deletes photos and schedules deletion of their bytes. Call it after the jobs that used them have been deleted.
   * @returns the number of photos, at most `limit`
   */
  async eraseSome(sql: Sql, { owner, until }: Person, limit: number): Promise<number> {
    const gone = await sql.rows<{ id: string }>(
      `DELETE FROM photos
        WHERE id IN (SELECT id FROM photos WHERE owner = $1 AND created_at <= $2 ORDER BY id LIMIT $3 FOR UPDATE)
       RETURNING id`,
      [owner, until, limit],
    );
    await scheduleDeletion(
      sql,
      gone.map(({ id }) => photoKey(id)),
    );
    return gone.length;
  }

  /** The person's photos, oldest first. */
  list(sql: Sql, { owner, until }: Person): AsyncGenerator<PhotoEntity> {
    return inBatches<PhotoEntity>(async (last, limit) => {
      const rows = await sql.rows<Record<string, unknown>>(
        `SELECT * FROM photos WHERE owner = $1 AND created_at <= $2 AND ($3::uuid IS NULL OR id > $3)
          ORDER BY id LIMIT $4`,
        [owner, until, last?.id ?? null, limit],
      );
      return rows.map((row) => camelRow<PhotoEntity>(row));
    });
  }

  /** The record of a photo in the person's export. */
  recordOf(photo: PhotoEntity): object {
    const { id, status, filename, sourceUrl, width, height, byteSize, problems, purgeAt, createdAt } = photo;
    const file = this.fileOf(photo);
    return {
      id: toGlobalId('Photo', id),
      status,
      file,
      filename,
      fetchedFrom: sourceUrl,
      ...{ width, height, byteSize, problems },
      keptUntil: purgeAt,
      createdAt,
    };
  }

  /** The name of the photo's file in a person's archive; null if the photo has no bytes. */
  fileOf({ id, status }: Pick<PhotoEntity, 'id' | 'status'>): string | null {
    return status === 'READY' ? `photos/${toGlobalId('Photo', id)}.jpg` : null;
  }

  /** Opens the bytes of a photo; null if they have been deleted. */
  open({ id }: Pick<PhotoEntity, 'id'>): Promise<OpenObject | null> {
    return this.store.open(photoKey(id));
  }
}
