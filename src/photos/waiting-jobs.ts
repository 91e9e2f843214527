import type { Sql } from '../core/sql';

/** Models and generations that were made with a photo, by UUID. */
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
 * Makes those of the jobs due at once that wait for their photos. Run AFTER the photo's change is committed and never
 * in its transaction: whoever ends a job locks its row first and its photos' then, and would meet us half-way.
 * A wake that is lost costs time only; what is QUEUED always has a time at which it is looked at again.
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
