import type { DataSubject } from '../core/data-subject';
import { newId } from '../core/ids';
import { holdLock, type Sql, type Transactions } from '../core/sql';
import type { StoredEvent } from './event';
import type { EventPage, Place } from './event-page.repository';
import type { EventKind } from './event.entity';
import {
  assignNumbers,
  endOfTransactions,
  hasUnnumberedEvents,
  nextTransaction,
  numberEvents,
} from './owner-numbers.repository';

/** The stream of an owner. */
export interface OwnerStream {
  id: string;
  owner: string;
  /** The last assigned number. */
  sequence: number;
  /** The first number from which on all events are stored; without stored events, the next one. */
  oldest: number;
}

/** A stream of an owner in which every event that was committed before it was opened has a number, unless it is held. */
export interface OpenedStream extends OwnerStream {
  /** See {@link numberEvents}. Null: it is not held. */
  readonly held: Error | null;
}

/**
 * The stream of an owner with every event that was committed before this call; undefined if it was never created.
 * @throws DomainError SERVICE_UNAVAILABLE, also if it is held
 */
export async function openOwnerStream(
  database: Transactions,
  owner: string,
): Promise<OwnerStream | undefined> {
  const [stream] = await openOwnerStreams(database, [owner]);
  if (stream?.held) throw stream.held;
  return stream;
}

/** The streams of owners, in any order; without those never created. */
export async function openOwnerStreams(
  database: Transactions,
  owners: readonly string[],
): Promise<OpenedStream[]> {
  const streams = await database.rows<{ id: string }>('SELECT id FROM owner_streams WHERE owner = ANY($1)', [
    owners,
  ]);
  if (streams.length === 0) return [];
  const ids = streams.map(({ id }) => id);
  const held = await numberEvents(database, ids);
  const opened = await database.rows<OwnerStream>(
    `SELECT s.id, s.owner, s.sequence::float8 AS sequence,
            greatest(s.complete_from,
                     coalesce((SELECT min(e.sequence) FROM owner_events e WHERE e.owner_stream_id = s.id), s.sequence + 1))::float8 AS oldest
       FROM owner_streams s WHERE s.id = ANY($1)`,
    [ids],
  );
  return opened.map((stream) => ({ ...stream, held: held.get(stream.id) ?? null }));
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

/** The streams of owners that do not end at the given places, have events without numbers, or no longer exist. */
export async function findOwnersBehind(sql: Sql, places: readonly Place[]): Promise<string[]> {
  const rows = await sql.rows<{ id: string }>(
    `SELECT f.id
       FROM unnest($1::uuid[], $2::bigint[]) AS f (id, after)
       LEFT JOIN owner_streams o ON o.id = f.id
      WHERE o.id IS NULL OR o.sequence <> f.after OR ${hasUnnumberedEvents}`,
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
  const forget = async (sql: Sql): Promise<boolean> => {
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
  };
  // All events may have to be changed.
  return database.transaction(forget, { isLong: true });
}
