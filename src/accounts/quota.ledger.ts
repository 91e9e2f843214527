import type { Sql } from '../core/sql';

/**
 * Deletes reservations from before yesterday, which no quota counts.
 * @returns the number of deleted reservations, at most 5,000 per call
 */
export async function pruneReservations(sql: Sql): Promise<number> {
  const deleted = await sql.rows(
    `DELETE FROM quota_reservations WHERE id IN
       (SELECT id FROM quota_reservations WHERE day < (now() AT TIME ZONE 'UTC')::date - 1 LIMIT 5000)
     RETURNING id`,
  );
  return deleted.length;
}
