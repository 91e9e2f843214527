import { isLockTimeout } from '../core/errors';
import { failpoint } from '../core/failpoint';
import { limitsIdleTime, limitsLockWait, type Transactions } from '../core/sql';

// The events of all streams of an owner get numbers after their commit, when they are read: see docs/adr/0025. An event is new
// if it is not visible in `numbered_until`, the snapshot of the statement that assigned the last numbers.

/**
 * The maximum number of events of an owner that are numbered at once. If more have come without a subscriber, they are
 * skipped as if they were pruned: numbering takes a second for so many.
 */
const maxNewEvents = 100_000;

/**
 * How long numbering waits for another session that holds the numbers of an owner, in milliseconds. The other owners of the
 * same call wait too.
 */
const maxLockWaitMs = 500;

/** How long a transaction that holds the numbers of an owner may be idle, in milliseconds: its process may be suspended. */
const maxIdleMs = 2_000;

/**
 * Numbers the new events of owners' streams. Resolves when all events that were committed before have numbers or are skipped,
 * except those of held streams.
 * @returns the streams whose numbers another session has held for longer than {@link maxLockWaitMs}, with the error
 */
export async function numberEvents(
  database: Transactions,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Error>> {
  const rows = await database.rows<{ id: string }>(
    `SELECT o.id FROM owner_streams o WHERE o.id = ANY($1) AND ${hasUnnumberedEvents}`,
    [ids],
  );
  const held = new Map<string, Error>();
  for (const { id } of rows) {
    try {
      await assignNumbers(database, id);
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      held.set(id, error as Error);
    }
  }
  return held;
}

/** In a transaction for each stream, so that the time of each is bounded by {@link maxNewEvents}. */
export function assignNumbers(database: Transactions, id: string): Promise<void> {
  return database.transaction(async (sql) => {
    // Locks in a separate statement, so that the next one sees everything numbered before the lock was acquired, and its
    // snapshot is newer than that of the previous holder.
    await sql.rows(
      `SELECT 1 FROM owner_streams
        WHERE id = $1 AND ${limitsIdleTime(maxIdleMs)} AND ${limitsLockWait(maxLockWaitMs)} FOR NO KEY UPDATE`,
      [id],
    );
    await failpoint('events:numbering');
    await sql.rows(skipStatement, [[id], maxNewEvents]);
    await sql.rows(assignStatement, [[id]]);
  });
}

/** SQL: the parts of `numbered_until` of the stream `o`. A transaction below its end that was not running is visible. */
export const nextTransaction = 'pg_snapshot_xmax(o.numbered_until::pg_snapshot)::text::bigint';
const runningTransactions =
  'ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(o.numbered_until::pg_snapshot) AS x)';

/** SQL: transaction ids of the server are lower. */
export const endOfTransactions = 'pg_snapshot_xmax(pg_current_snapshot())::text::bigint';

/** SQL: both ranges are read by an index, so that transactions that run for hours cost nothing. */
const newEventsOf = (columns: string): string => `
  SELECT ${columns} FROM events e WHERE e.owner = o.owner AND e.transaction_id >= ${nextTransaction}
  UNION ALL
  SELECT ${columns} FROM events e WHERE e.owner = o.owner AND e.transaction_id = ANY(${runningTransactions})`;

/**
 * SQL: the order makes the planner use the index: it does not know how few events are new, and might read all of them. In
 * EXISTS it would ignore the order.
 */
const firstOf = (isNew: string): string =>
  `(SELECT true FROM events e WHERE e.owner = ANY(ARRAY[o.owner]) AND ${isNew} ORDER BY e.owner, e.transaction_id LIMIT 1)`;

/** SQL: whether the stream `o` of an owner has events without numbers. Costs two index lookups. */
export const hasUnnumberedEvents = `coalesce(${firstOf(`e.transaction_id >= ${nextTransaction}`)},
                               ${firstOf(`e.transaction_id = ANY(${runningTransactions})`)}, false)`;

// The number that is skipped stands for all of them, so that no cursor from before is at the end of the stream.
const skipStatement = `
  UPDATE owner_streams o
     SET sequence = o.sequence + 1, complete_from = o.sequence + 2,
         numbered_until = pg_current_snapshot()::text, numbered_at = now()
   WHERE o.id = ANY($1) AND (SELECT count(*) FROM (${newEventsOf('1')} LIMIT $2 + 1) AS found) > $2`;

// By time, but in the order of each stream even if the clock was set back.
const assignStatement = `
  WITH fresh AS (
    SELECT o.id, e.*, max(e.created_at) OVER (PARTITION BY e.stream_id ORDER BY e.sequence) AS time
      FROM owner_streams o
      CROSS JOIN LATERAL (${newEventsOf('e.stream_id, e.sequence, e.created_at')}) e
     WHERE o.id = ANY($1)
  ), numbered AS (
    INSERT INTO owner_events (owner_stream_id, sequence, stream_id, stream_sequence, created_at)
    SELECT o.id, o.sequence + row_number() OVER (PARTITION BY o.id ORDER BY f.time, f.stream_id, f.sequence),
           f.stream_id, f.sequence, f.created_at
      FROM fresh f JOIN owner_streams o ON o.id = f.id
    RETURNING owner_stream_id
  )
  UPDATE owner_streams o
     SET sequence = o.sequence + (SELECT count(*) FROM numbered n WHERE n.owner_stream_id = o.id),
         numbered_until = pg_current_snapshot()::text, numbered_at = now()
   WHERE o.id = ANY($1)`;
