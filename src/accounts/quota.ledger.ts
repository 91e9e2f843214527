import type { Sql } from '../core/sql';

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
