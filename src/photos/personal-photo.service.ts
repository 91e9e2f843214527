import { toGlobalId } from '../core/ids';
import { inBatches, type Person } from '../core/person';
import { camelRow, type Sql } from '../core/sql';
import { scheduleDeletion } from '../storage/media-deletion';
import type { MediaStore, OpenObject } from '../storage/media-store';
import { photoKey } from './photo-lifetime';
import type { PhotoEntity } from './photo.entity';

/** All photos of a person: erased, or handed out. */
export class PersonalPhotoService {
  constructor(private readonly store: Pick<MediaStore, 'open'>) {}

  /**
   * Deletes photos and dooms their bytes. After the jobs that they were used for are gone.
   * @returns how many, at most `limit`
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

  /** The person's photos, the oldest first. */
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

  /** What is known of a photo, as its person may have it. */
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

  /** What the photo is called in a person's archive; null if it has no bytes. */
  fileOf({ id, status }: Pick<PhotoEntity, 'id' | 'status'>): string | null {
    return status === 'READY' ? `photos/${toGlobalId('Photo', id)}.jpg` : null;
  }

  /** Opens the bytes of a photo; null if they have gone meanwhile. */
  open({ id }: Pick<PhotoEntity, 'id'>): Promise<OpenObject | null> {
    return this.store.open(photoKey(id));
  }
}
