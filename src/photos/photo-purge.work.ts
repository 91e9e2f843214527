import type { Sql, Transactions } from '../core/sql';
import { scheduleDeletion } from '../storage/media-deletion';
import { isNeeded, photoKey } from './photo-lifetime';

/** How long the row of a purged photo without a job is kept, in milliseconds, so that its owner can query it. */
const purgedRowMs = 30 * 86_400_000;

/** An SQL condition that is true of a photo that a model or generation refers to. */
const isNamed = `(EXISTS (SELECT FROM model_photos WHERE photo_id = photos.id)
                  OR EXISTS (SELECT FROM generations WHERE photo_id = photos.id))`;

/** Purges photos at the end of their retention. */
export class PhotoPurgeWork {
  constructor(private readonly database: Transactions) {}

  /**
   * Purges due photos: schedules deletion of their bytes in the same transaction, and clears personal data. Deletes
   * unused slots, and after 30 days the rows of purged photos that no model or generation refers to. Safe to run
   * concurrently in several processes.
   * @returns the number of due photos; if it equals `limit`, more may be due
   */
  async purgeDue(limit: number): Promise<number> {
    return this.database.transaction(async (sql) => {
      const due = await sql.rows<{ id: string }>(
        `SELECT id FROM photos WHERE purge_at <= now() ORDER BY purge_at LIMIT $1 FOR UPDATE SKIP LOCKED`,
        [limit],
      );
      if (due.length > 0)
        await purge(
          sql,
          due.map(({ id }) => id),
        );
      return due.length;
    });
  }
}

/** @param ids - photos that this transaction has locked */
async function purge(sql: Sql, ids: readonly string[]): Promise<void> {
  // A job may have started to use a photo after its time was set. With the rows locked, no new job can.
  await sql.rows(`UPDATE photos SET purge_at = NULL WHERE id = ANY($1) AND ${isNeeded('NULL')}`, [ids]);
  await sql.rows(
    `DELETE FROM photos
      WHERE id = ANY($1) AND purge_at IS NOT NULL
        AND (status = 'AWAITING_UPLOAD' OR (status = 'PURGED' AND NOT ${isNamed}))`,
    [ids],
  );
  const purged = await sql.rows<{ id: string }>(
    `UPDATE photos
        SET status = 'PURGED', filename = NULL, source_url = NULL, source_sha256 = NULL, problems = '[]',
            due_at = NULL, lease = NULL, updated_at = now(),
            purge_at = CASE WHEN NOT ${isNamed} THEN now() + $2 * interval '1 ms' END
      WHERE id = ANY($1) AND purge_at IS NOT NULL
     RETURNING id`,
    [ids, purgedRowMs],
  );
  await scheduleDeletion(
    sql,
    purged.map(({ id }) => photoKey(id)),
  );
}
