import type { Sql } from '../core/sql';

/** Gives back all that jobs have taken: they failed. Twice is no error. */
export async function giveBack(sql: Sql, jobIds: readonly string[]): Promise<void> {
  await sql.rows(
    'UPDATE quota_reservations SET returned_at = now() WHERE job_id = ANY($1) AND returned_at IS NULL',
    [jobIds],
  );
}

/** Takes again what jobs had taken last, without asking whether there is any left: they succeed late after all. */
export async function takeAgain(sql: Sql, jobIds: readonly string[]): Promise<void> {
  await sql.rows(
    `UPDATE quota_reservations SET returned_at = NULL
      WHERE id IN (SELECT DISTINCT ON (job_id) id FROM quota_reservations
                    WHERE job_id = ANY($1) ORDER BY job_id, id DESC)`,
    [jobIds],
  );
}

/**
 * Forgets what was taken before yesterday: no quota looks back further.
 * @returns how many, at most 5,000 a call
 */
export async function pruneReservations(sql: Sql): Promise<number> {
  const gone = await sql.rows(
    `DELETE FROM quota_reservations WHERE id IN
       (SELECT id FROM quota_reservations WHERE day < (now() AT TIME ZONE 'UTC')::date - 1 LIMIT 5000)
     RETURNING id`,
  );
  return gone.length;
}
