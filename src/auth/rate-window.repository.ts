import type { Sql } from '../core/sql';
import type { RateWindowEntity } from './rate-window.entity';

/**
 * Adds counts to the rows that all processes share, and returns the totals. A process whose clock is behind adds to the
 * newer window of another process. All processes must use the same order of rows, which prevents deadlocks.
 */
export function addCounts(
  sql: Pick<Sql, 'rows'>,
  rows: readonly RateWindowEntity[],
): Promise<RateWindowEntity[]> {
  return sql.rows(
    `INSERT INTO rate_windows AS known (subject, ends_at, count)
     SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::int[])
     ON CONFLICT (subject) DO UPDATE
        SET count = excluded.count + CASE WHEN known.ends_at >= excluded.ends_at THEN known.count ELSE 0 END,
            ends_at = greatest(known.ends_at, excluded.ends_at)
     RETURNING subject, ends_at AS "endsAt", count`,
    [rows.map(({ subject }) => subject), rows.map(({ endsAt }) => endsAt), rows.map(({ count }) => count)],
  );
}

/** Deletes windows that have ended. */
export async function deleteEndedWindows(sql: Pick<Sql, 'rows'>): Promise<void> {
  await sql.rows(`DELETE FROM rate_windows WHERE ends_at < now() - interval '1 minute'`);
}
