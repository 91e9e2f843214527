import type { DataSubject } from '../core/data-subject';
import { newId } from '../core/ids';
import { holdLock, type Sql, type Transactions } from '../core/sql';
import type { StoredEvent } from './event';
import type { EventPage, Place } from './event-page.repository';
import type { EventKind } from './event.entity';

// The events of all streams of an owner get numbers after their commit, when they are read: see docs/adr/0025. An event is new
// if it is not visible in `numbered_until`, the snapshot of the statement that assigned the last numbers.

/** The stream of an owner. */
export interface OwnerStream {
  id: string;
  owner: string;
  /** The last assigned number. */
  sequence: number;
  /** The first number from which on all events are stored; without stored events, the next one. */
  oldest: number;
}

/** The streams of owners with every event that was committed before this call, in any order; without those never created. */
export async function openOwnerStreams(
  database: Transactions,
  owners: readonly string[],
): Promise<OwnerStream[]> {
  const streams = await database.rows<{ id: string }>('SELECT id FROM owner_streams WHERE owner = ANY($1)', [
    owners,
  ]);
  if (streams.length === 0) return [];
  const ids = streams.map(({ id }) => id);
  await numberEvents(database, ids);
  return database.rows<OwnerStream>(
    `SELECT s.id, s.owner, s.sequence::float8 AS sequence,
            greatest(s.complete_from,
                     coalesce((SELECT min(e.sequence) FROM owner_events e WHERE e.owner_stream_id = s.id), s.sequence + 1))::float8 AS oldest
       FROM owner_streams s WHERE s.id = ANY($1)`,
    [ids],
  );
}

/** Creates the owner's stream, which numbers all later events, unless it exists. */
export async function createOwnerStream(sql: Sql, owner: string): Promise<void> {
  await sql.rows(
    `INSERT INTO owner_streams (id, owner, numbered_until) VALUES ($1, $2, pg_current_snapshot()::text)
         ON CONFLICT (owner) DO NOTHING`,
    [newId(), owner],
  );
}

/** The streams of the owners of models and generations. */
export async function ownerStreamsOf(sql: Sql, streamIds: readonly string[]): Promise<string[]> {
  const rows = await sql.rows<{ id: string }>(
    `SELECT DISTINCT o.id FROM streams s JOIN owner_streams o ON o.owner = s.owner WHERE s.id = ANY($1)`,
    [streamIds],
  );
  return rows.map(({ id }) => id);
}

/**
 * The maximum number of events of an owner that are numbered at once. If more have come without a subscriber, they are
 * skipped as if they were pruned: numbering takes a second for so many.
 */
const maxNewEvents = 100_000;

/** Numbers the new events of owners' streams. Resolves when all events that were committed before have numbers or are skipped. */
export async function numberEvents(database: Transactions, ids: readonly string[]): Promise<void> {
  const rows = await database.rows<{ id: string }>(
    `SELECT o.id FROM owner_streams o WHERE o.id = ANY($1) AND ${hasUnnumberedEvents}`,
    [ids],
  );
  for (const { id } of rows) await assignNumbers(database, id);
}

/** In a transaction for each stream, so that the time of each is bounded by {@link maxNewEvents}. */
function assignNumbers(database: Transactions, id: string): Promise<void> {
  return database.transaction(async (sql) => {
    // Locks in a separate statement, so that the next one sees everything numbered before the lock was acquired, and its
    // snapshot is newer than that of the previous holder.
    await sql.rows('SELECT 1 FROM owner_streams WHERE id = $1 FOR NO KEY UPDATE', [id]);
    await sql.rows(skipStatement, [[id], maxNewEvents]);
    await sql.rows(assignStatement, [[id]]);
  });
}

/** SQL: the parts of `numbered_until` of the stream `o`. A transaction below its end that was not running is visible. */
const nextTransaction = 'pg_snapshot_xmax(o.numbered_until::pg_snapshot)::text::bigint';
const runningTransactions =
  'ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(o.numbered_until::pg_snapshot) AS x)';

/** SQL: transaction ids of the server are lower. */
const endOfTransactions = 'pg_snapshot_xmax(pg_current_snapshot())::text::bigint';

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

/** A place with one of its events, if there are any. */
interface PageRow {
  place: number;
  head: number | null;
  sequence: number | null;
  streamId: string;
  streamSequence: number;
  createdAt: Date;
  kind: EventKind | null;
  subjectId: string;
  generationId: string | null;
  payload: Record<string, unknown>;
}

/** Reads the page of each place with up to `limit` numbered events, in one statement. Erased events are tombstones. */
export async function readOwnerPages(
  sql: Sql,
  places: readonly Place[],
  limit: number,
): Promise<(EventPage | undefined)[]> {
  const rows = await sql.rows<PageRow>(pageStatement, [...parametersOf(places), limit]);
  const pages: ({ events: StoredEvent[]; head: number | null; isEnded: boolean } | undefined)[] = [];
  for (const row of rows) {
    const page = (pages[row.place] ??= { events: [], head: row.head, isEnded: row.head === null });
    if (row.sequence !== null) page.events.push(eventOf(places[row.place]!.streamId, row.sequence, row));
  }
  return pages;
}

function eventOf(ownerStreamId: string, sequence: number, row: PageRow): StoredEvent {
  const { streamId, streamSequence, createdAt, kind, subjectId, generationId, payload } = row;
  const place = { streamId: ownerStreamId, sequence, createdAt };
  return kind === null
    ? { ...place, kind: 'DELETED', subjectId: streamId, generationId: null, payload: { erased: true } }
    : { ...place, kind, subjectId, generationId, payload, origin: { streamId, sequence: streamSequence } };
}

const pageStatement = `
  SELECT (f.place - 1)::int AS place, s.sequence::float8 AS head, e.*
    FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS f (stream_id, after, place)
    LEFT JOIN owner_streams s ON s.id = f.stream_id
    LEFT JOIN LATERAL (
           SELECT n.sequence::float8 AS sequence, n.stream_id AS "streamId", n.stream_sequence::float8 AS "streamSequence",
                  n.created_at AS "createdAt", v.kind, v.subject_id AS "subjectId", v.generation_id AS "generationId", v.payload
             FROM owner_events n LEFT JOIN events v ON v.stream_id = n.stream_id AND v.sequence = n.stream_sequence
            WHERE n.owner_stream_id = f.stream_id AND n.sequence > f.after ORDER BY n.sequence LIMIT $3
         ) e ON true
   ORDER BY f.place, e.sequence`;

/** The streams of owners that have events after the given places, numbered or not, or no longer exist. */
export async function findOwnersBehind(sql: Sql, places: readonly Place[]): Promise<string[]> {
  const rows = await sql.rows<{ id: string }>(
    `SELECT f.id
       FROM unnest($1::uuid[], $2::bigint[]) AS f (id, after)
       LEFT JOIN owner_streams o ON o.id = f.id
      WHERE o.id IS NULL OR o.sequence > f.after OR ${hasUnnumberedEvents}`,
    parametersOf(places),
  );
  return rows.map(({ id }) => id);
}

function parametersOf(places: readonly Place[]): [string[], number[]] {
  return [places.map(({ streamId }) => streamId), places.map(({ after }) => after)];
}

const maxNumberedAtOnce = 100;
const numbersPerPrune = 5_000;

/**
 * Deletes the numbers of old events. Run it before the events of that age are deleted: until then events that are not numbered
 * get their numbers, so that an owner who returns later learns from the numbers that events are missing.
 * @param before - the events to delete, by the database's clock
 */
export async function pruneOwnerEvents(database: Transactions, before: Date): Promise<void> {
  for (;;) {
    const rows = await database.rows<{ id: string }>(
      'SELECT id FROM owner_streams WHERE numbered_at < $1 LIMIT $2',
      [before, maxNumberedAtOnce],
    );
    if (rows.length === 0) break;
    for (const { id } of rows) await assignNumbers(database, id);
  }
  for (;;) {
    const pruned = await database.rows(pruneStatement, [before, numbersPerPrune]);
    if (pruned.length === 0) break;
  }
}

// Only the beginning of a stream is deleted: numbers are not in the exact order of time.
const pruneStatement = `
  WITH old AS (
    SELECT owner_stream_id, max(sequence) AS upto
      FROM (SELECT owner_stream_id, sequence FROM owner_events WHERE created_at < $1 ORDER BY created_at LIMIT $2) oldest
     GROUP BY owner_stream_id
  )
  DELETE FROM owner_events n USING old o WHERE n.owner_stream_id = o.owner_stream_id AND n.sequence <= o.upto
  RETURNING 1`;

/**
 * Deletes the owner's stream. Run it until it returns 0.
 * @returns the number of deleted rows, at most `limit` and one
 */
export async function deleteOwnerStream(
  sql: Sql,
  { owner, until }: DataSubject,
  limit: number,
): Promise<number> {
  const [stream] = await sql.rows<{ id: string }>(
    'SELECT id FROM owner_streams WHERE owner = $1 AND created_at <= $2 FOR UPDATE',
    [owner, until],
  );
  if (!stream) return 0;
  const numbers = await sql.rows(
    `DELETE FROM owner_events WHERE (owner_stream_id, sequence) IN
       (SELECT owner_stream_id, sequence FROM owner_events WHERE owner_stream_id = $1 LIMIT $2) RETURNING 1`,
    [stream.id, limit],
  );
  if (numbers.length === limit) return numbers.length;
  await sql.rows('DELETE FROM owner_streams WHERE id = $1', [stream.id]);
  return numbers.length + 1;
}

/** Events of processes that did not know of the restore may be newer than those of the other server. */
const maxLatestEvents = 1_000;

/**
 * Forgets the streams of owners if the database was restored into another server, whose transaction ids are lower: new events
 * could not be recognised. Cursors from before are then refused. Call it before events are read, and after the connection was
 * lost. One process does it at a time.
 * @returns whether the database was restored
 */
export function forgetRestoredStreams(database: Transactions): Promise<boolean> {
  return database.transaction(async (sql) => {
    // All events may have to be changed.
    await sql.rows('SET LOCAL statement_timeout = 0');
    // In a statement of its own, so that the next one sees what another process has done.
    await holdLock(sql, 'restore', '');
    const [found] = await sql.rows<{ isRestored: boolean }>(
      `SELECT EXISTS (SELECT FROM (SELECT transaction_id FROM events ORDER BY created_at DESC LIMIT ${maxLatestEvents}) latest
                       WHERE transaction_id >= ${endOfTransactions})
           OR EXISTS (SELECT FROM owner_streams o WHERE ${nextTransaction} > ${endOfTransactions}) AS "isRestored"`,
    );
    if (!found!.isRestored) return false;
    await sql.rows('DELETE FROM owner_streams');
    await sql.rows('DELETE FROM owner_events');
    await sql.rows(`UPDATE events SET transaction_id = NULL WHERE transaction_id >= ${endOfTransactions}`);
    return true;
  });
}
