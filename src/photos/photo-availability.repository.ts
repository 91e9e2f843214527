import type { Sql } from '../core/sql';

/** A process without a record for so long has ended, in milliseconds. */
const maxGapMs = 45_000;
/** The maximum time in which a process did not run, or could not be checked, in an uninterrupted period, in milliseconds. */
export const maxInterruptionMs = 15_000;
/** How long records are kept; far longer than any grace period. */
const retention = '30 days';

/** The record of a process that serves photos. */
export interface AvailabilityRecord {
  id: string;
  publicUrl: string;
  isInterrupted: boolean;
  /** The time since the previous call by the monotonic clock of the process, in milliseconds; it has checked itself meanwhile. */
  sinceLastMs: number;
}

/**
 * Renews a record, by the database's clock. More than 15 s that the clock of the process does not know, and a gap of more
 * than 45 s, count as an interruption and a new start.
 */
export async function recordAvailability(
  sql: Sql,
  { id, publicUrl, isInterrupted, sinceLastMs }: AvailabilityRecord,
): Promise<void> {
  await sql.rows(
    `INSERT INTO photo_servers AS s (id, public_url, serving_since, last_seen_at, interrupted_at)
     VALUES ($1, $2, now(), now(), CASE WHEN $3 THEN now() END)
     ON CONFLICT (id) DO UPDATE
       SET serving_since = CASE WHEN now() - s.last_seen_at > $4::float8 * interval '1 ms' THEN now() ELSE s.serving_since END,
           last_seen_at = now(),
           interrupted_at = CASE WHEN now() - s.last_seen_at > $4::float8 * interval '1 ms' THEN now()
                                 ELSE coalesce(excluded.interrupted_at, s.interrupted_at) END`,
    [id, publicUrl, isInterrupted, Math.min(maxGapMs, sinceLastMs + maxInterruptionMs)],
  );
}

/** A period in which photos had to be available under a base URL, so that missing fetches are evidence. */
export interface AvailabilityWindow {
  publicUrl: string;
  from: Date;
  until: Date;
  /** How long all processes have been asked for records after the end, in milliseconds. */
  requestedForMs: number;
}

/** What the records of a window show; null where there are none. */
type Findings = Record<'isPending' | 'hasEnded' | 'isCovered' | 'isInterrupted', boolean | null>;

/** Reads the records of the processes with the window's base URL. */
export async function readRecords(
  sql: Sql,
  { publicUrl, from, until, requestedForMs }: AvailabilityWindow,
): Promise<Findings> {
  const maxGap = `$4::float8 * interval '1 ms'`;
  // A process that makes no record although it is asked every second has ended.
  const isOver = `(last_seen_at <= now() - ${maxGap} OR $5::boolean)`;
  const [records] = await sql.rows<Findings>(
    // A process that ended soon after the beginning made its last record before the beginning.
    `SELECT bool_or(last_seen_at < $3 AND NOT ${isOver}) AS "isPending",
            bool_or(last_seen_at < $3 AND ${isOver}) AS "hasEnded",
            bool_or(serving_since <= $2) AS "isCovered",
            bool_or(interrupted_at >= $2) AS "isInterrupted"
       FROM photo_servers WHERE public_url = $1 AND last_seen_at >= $2::timestamptz - ${maxGap}`,
    [publicUrl, from, until, maxGapMs, requestedForMs > maxInterruptionMs],
  );
  return records!;
}

/** Deletes old records of processes that have ended. */
export async function pruneAvailability(sql: Sql): Promise<void> {
  await sql.rows(`DELETE FROM photo_servers WHERE last_seen_at < now() - interval '${retention}'`);
}
