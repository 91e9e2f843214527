import type { Sql } from '../core/sql';

/** The models and generations that use a photo, by UUID. */
export async function jobsOf(sql: Sql, photoId: string): Promise<string[]> {
  const rows = await sql.rows<{ id: string }>(
    `SELECT model_id AS id FROM model_photos WHERE photo_id = $1
     UNION ALL
     SELECT id FROM generations WHERE photo_id = $1`,
    [photoId],
  );
  return rows.map(({ id }) => id);
}

/**
 * Makes the given jobs due now if they wait for photos. Call it AFTER the photo's change has been committed, never
 * in the same transaction: the end of a job locks its row first and then its photos, so that would deadlock. A lost
 * wake-up only causes a delay, since QUEUED rows always have a due time.
 */
export async function wakeJobs(sql: Sql, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length === 0) return;
  for (const table of ['models', 'generations']) {
    await sql.rows(
      `UPDATE ${table} SET due_at = now() WHERE id = ANY($1) AND status = 'QUEUED' AND due_at > now()`,
      [jobIds],
    );
  }
}
