import type { Sql } from '../core/sql';
import type { RateCount, WindowCounts } from './rate-count';

/**
 * Stores counts in the rows that all processes share, and returns those of all counters of each window, in the same order.
 * A count never decreases, also if statements are executed in another order. All processes must use the same order of
 * subjects, which prevents deadlocks.
 */
export async function exchangeCounts(
  sql: Pick<Sql, 'rows'>,
  counts: readonly RateCount[],
): Promise<WindowCounts[]> {
  const windows = await sql.rows<{ subject: string; counts: Record<string, number> }>(
    `INSERT INTO rate_counts AS known (subject, ends_at, counts)
     SELECT subject, ends_at, jsonb_build_object(name, own)
       FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::int[]) AS given (subject, ends_at, name, own)
     ON CONFLICT (subject, ends_at) DO UPDATE
        SET counts = known.counts || (
              SELECT jsonb_object_agg(name, greatest(own, known.counts -> name))
                FROM jsonb_each(excluded.counts) AS given (name, own))
     RETURNING subject, counts`,
    [
      counts.map(({ subject }) => subject),
      counts.map(({ endsAtMs }) => new Date(endsAtMs)),
      counts.map(({ name }) => name),
      counts.map(({ own }) => own),
    ],
  );
  const bySubject = new Map(windows.map((row) => [row.subject, new Map(Object.entries(row.counts))]));
  return counts.map(({ subject }) => bySubject.get(subject)!);
}

/** Deletes windows that have ended, and those of earlier versions. */
export async function deleteEndedWindows(sql: Pick<Sql, 'rows'>): Promise<void> {
  await sql.rows(
    `WITH earlier AS (DELETE FROM rate_windows WHERE ends_at < now() - interval '1 minute')
     DELETE FROM rate_counts WHERE ends_at < now() - interval '1 minute'`,
  );
}
