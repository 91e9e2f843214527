import type { DataSubject } from '../core/data-subject';
import type { Engine } from '../core/engine';
import type { Sql, Transactions } from '../core/sql';
import { traced } from '../core/tracing';
import type { EventKind } from './event.entity';
import { pruneOwnerEvents } from './owner-stream.repository';

/** An event to append. */
export interface NewEvent {
  /** The model's id, or the generation's if it has no model. */
  streamId: string;
  kind: EventKind;
  /** The model, generation or avatar that changed. */
  subjectId: string;
  /** The generation that the subject is or belongs to. */
  generationId?: string | null;
  /** The row after the change, limited to the data that subscribers may see. JSON. */
  payload: object;
}

/** A row with the position of its stream, read in the same statement: it shows every event up to that position. */
export interface Positioned {
  /** The last sequence number of the stream. */
  sequence: number;
  /** The database's time of this statement, in milliseconds since 1970. What is shown of the row depends on it. */
  now: number;
}

/** The position of a stream: its last sequence number, and the first one of which the event is still stored. */
export interface StreamPosition extends Positioned {
  oldest: number;
}

/**
 * SQL: the position of {@link Positioned}.
 * @param streamId - SQL for the id of the stream
 */
export function sequenceOf(streamId: string): string {
  return `coalesce((SELECT s.sequence FROM streams s WHERE s.id = ${streamId}), 0)::float8`;
}

/** SQL: the time of {@link Positioned}. */
export const statementTime = '(extract(epoch FROM statement_timestamp()) * 1000)::float8';

/** SQL: the columns of {@link StreamPosition} for the stream `s`. If no event is stored, the next one is the oldest. */
export const streamPosition = `s.sequence::float8 AS sequence, ${statementTime} AS now,
  coalesce((SELECT min(e.sequence) FROM events e WHERE e.stream_id = s.id), s.sequence + 1)::float8 AS oldest`;

/** Creates the stream of a new model, or of a generation without model, in the transaction that creates the subject. */
export async function openStream(sql: Sql, streamId: string, owner: string): Promise<void> {
  await sql.rows('INSERT INTO streams (id, owner) VALUES ($1, $2)', [streamId, owner]);
}

/**
 * Appends events in one statement. Each event gets the next sequence number of its stream, in the given order. Numbers
 * are assigned under a lock on the stream's row, which is held until the transaction ends, so that they are committed in
 * order and a rollback leaves no gap. Streams are locked in the order of their ids: transactions that call this once
 * cannot deadlock with each other. Events of deleted or unknown streams are ignored.
 */
export async function appendEvents(sql: Sql, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  await traced(`append event ${events[0]!.kind}`, {}, () =>
    sql.rows(appendStatement, [JSON.stringify(events.map(recordOf))]),
  );
}

function recordOf({ streamId, kind, subjectId, generationId, payload }: NewEvent): object {
  return { stream_id: streamId, kind, subject_id: subjectId, generation_id: generationId ?? null, payload };
}

// The clock is read under the lock, so that times increase with the sequence and pruning removes only the beginning of
// a stream.
const appendStatement = `
  WITH given AS (
    SELECT e.*, row_number() OVER (PARTITION BY e.stream_id ORDER BY e.place) AS step
      FROM ROWS FROM (jsonb_to_recordset($1::jsonb)
             AS (stream_id uuid, kind text, subject_id uuid, generation_id uuid, payload jsonb))
           WITH ORDINALITY AS e (stream_id, kind, subject_id, generation_id, payload, place)
  ), locked AS (
    SELECT s.id, g.steps
      FROM streams s JOIN (SELECT stream_id, count(*) AS steps FROM given GROUP BY stream_id) g ON g.stream_id = s.id
     WHERE s.ended_at IS NULL
     ORDER BY s.id FOR NO KEY UPDATE OF s
  ), counted AS (
    UPDATE streams s SET sequence = s.sequence + l.steps
      FROM locked l WHERE s.id = l.id
    RETURNING s.id, s.owner, s.sequence - l.steps AS before
  )
  INSERT INTO events (stream_id, sequence, kind, subject_id, generation_id, payload, created_at, owner, transaction_id)
  SELECT g.stream_id, c.before + g.step, g.kind, g.subject_id, g.generation_id, g.payload, clock_timestamp(),
         c.owner, pg_current_xact_id()::text::bigint
    FROM given g JOIN counted c ON c.id = g.stream_id
   ORDER BY g.stream_id, g.step`;

/**
 * Creates an ended stream with one event without content, in the transaction that creates its subject. Readers find the subject
 * by its id and owner.
 * @param id - of the subject, which is that of the stream
 */
export async function insertSingleEvent(
  sql: Sql,
  { id, owner, kind }: { id: string; owner: string; kind: Extract<EventKind, 'NOTICE'> },
): Promise<void> {
  await sql.rows(
    `WITH stream AS (INSERT INTO streams (id, owner, sequence, ended_at) VALUES ($1, $2, 1, now()) RETURNING id, owner)
     INSERT INTO events (stream_id, sequence, kind, subject_id, payload, created_at, owner, transaction_id)
     SELECT id, 1, $3, id, '{}', clock_timestamp(), owner, pg_current_xact_id()::text::bigint FROM stream`,
    [id, owner, kind],
  );
}

/** Deletes streams with their events. In the stream of their owner, the numbers of the events remain. */
export async function deleteStreams(sql: Sql, streamIds: readonly string[]): Promise<void> {
  await sql.rows('DELETE FROM streams WHERE id = ANY($1)', [streamIds]);
}

/** The deleted object in the payload of a DELETED event: `{ subject: 'MODEL' }`. */
export type DeletedKind = 'MODEL' | 'GENERATION' | 'AVATAR';

/** The part of a stream to erase: a generation with its avatars, or one avatar of it. */
export interface ErasedSubject {
  generationId: string;
  avatarId?: string;
}

/**
 * Ends the streams of deleted models, or of deleted generations without model: erases all events and appends one DELETED
 * event without personal data, which ends every subscription. Runs in the transaction of the deletion. Idempotent.
 * @param streamIds - the ids of the subjects, which are those of their streams
 */
export async function endStreams(
  sql: Sql,
  streamIds: readonly string[],
  subject: Exclude<DeletedKind, 'AVATAR'>,
): Promise<void> {
  // Locks in a separate statement, so that later statements see everything appended before the lock was acquired.
  const open = await sql.rows<{ id: string }>(
    'SELECT id FROM streams WHERE id = ANY($1) AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE',
    [streamIds],
  );
  const ids = open.map(({ id }) => id);
  await sql.rows('DELETE FROM events WHERE stream_id = ANY($1)', [ids]);
  const deletions = ids.map((id): NewEvent => ({
    ...{ streamId: id, kind: 'DELETED', subjectId: id, payload: { subject } },
    generationId: subject === 'GENERATION' ? id : null,
  }));
  await appendEvents(sql, deletions);
  await sql.rows('UPDATE streams SET ended_at = now() WHERE id = ANY($1)', [ids]);
}

/**
 * Erases the events of a generation or avatar that is deleted while its model stays. The events become tombstones, which
 * keep only their sequence numbers so that the stream has no gap, and a DELETED event is appended. Runs in the
 * transaction of the deletion. Appends nothing if repeated or if the stream has ended.
 */
export async function eraseEvents(sql: Sql, streamId: string, erased: ErasedSubject): Promise<void> {
  const open = await sql.rows('SELECT 1 FROM streams WHERE id = $1 AND ended_at IS NULL FOR NO KEY UPDATE', [
    streamId,
  ]);
  if (open.length === 0) return;
  const { subjectId, column, subject } = targetOf(erased);
  const existing = await sql.rows(
    `SELECT 1 FROM events
      WHERE stream_id = $1 AND generation_id = $3 AND subject_id = $2 AND kind = 'DELETED' AND payload ? 'subject'`,
    [streamId, subjectId, erased.generationId],
  );
  await sql.rows(
    `UPDATE events SET kind = 'DELETED', payload = '{"erased": true}'
      WHERE stream_id = $1 AND generation_id = $3 AND ${column} = $2 AND kind <> 'DELETED'`,
    [streamId, subjectId, erased.generationId],
  );
  if (existing.length > 0) return;
  const { generationId } = erased;
  await appendEvents(sql, [{ streamId, kind: 'DELETED', subjectId, generationId, payload: { subject } }]);
}

function targetOf({ generationId, avatarId }: ErasedSubject): {
  subjectId: string;
  column: string;
  subject: DeletedKind;
} {
  return avatarId === undefined
    ? { subjectId: generationId, column: 'generation_id', subject: 'GENERATION' }
    : { subjectId: avatarId, column: 'subject_id', subject: 'AVATAR' };
}

/**
 * Anonymizes ended streams, which contain only a DELETED event. Run it after the subjects of a person's streams, and the
 * person's notices, have been deleted; repeat it until it returns 0.
 * @param endedBefore - streams that ended later are left; null: none
 * @param newOwner - replaces the owner
 * @returns the number of anonymized streams, at most `limit`
 */
export async function disownEndedStreams(
  sql: Sql,
  { owner, endedBefore }: Pick<DataSubject, 'owner'> & { endedBefore: Date | null },
  newOwner: string,
  limit: number,
): Promise<number> {
  const ended = await sql.rows<{ id: string }>(
    `SELECT id FROM streams
      WHERE owner = $1 AND ended_at <= coalesce($2, 'infinity'::timestamptz) ORDER BY id LIMIT $3 FOR UPDATE`,
    [owner, endedBefore, limit],
  );
  await disownStreams(
    sql,
    ended.map(({ id }) => id),
    newOwner,
  );
  return ended.length;
}

/** Replaces the owner of streams, in the transaction that ended them or that locks them. */
export async function disownStreams(sql: Sql, ids: readonly string[], newOwner: string): Promise<void> {
  await sql.rows('UPDATE streams SET owner = $2 WHERE id = ANY($1)', [ids, newOwner]);
  await sql.rows('UPDATE events SET owner = $2 WHERE stream_id = ANY($1)', [ids, newOwner]);
}

const eventsPerPrune = 5_000;
const prunesPerCall = 200;

/**
 * Deletes events older than a retention time, 5,000 per statement and at most one million per call, and ended streams
 * without events. Deletes only from the beginning of a stream. Several processes may run it concurrently: streams locked
 * by another process are skipped.
 * @param olderThanMs - age in milliseconds, by the database's clock
 * @returns the number of deleted events
 */
export async function pruneEvents(database: Transactions, olderThanMs: number): Promise<number> {
  const [clock] = await database.rows<{ before: Date }>(
    `SELECT now() - $1::float8 * interval '1 ms' AS before`,
    [olderThanMs],
  );
  const { before } = clock!;
  await pruneOwnerEvents(database, before);
  let pruned = 0;
  for (let call = 0; call < prunesPerCall; call += 1) {
    const [answer] = await database.rows<{ pruned: number }>(pruneStatement(database.engine), [
      before,
      eventsPerPrune,
    ]);
    pruned += answer?.pruned ?? 0;
    if ((answer?.pruned ?? 0) < eventsPerPrune) break;
  }
  return pruned;
}

// Locks the stream's row first, like every statement that changes events, to prevent deadlocks.
const pruneStatement = ({ skipLocked }: Engine): string => `
  WITH old AS (
    SELECT stream_id, sequence FROM events
     WHERE created_at < $1
     ORDER BY created_at LIMIT $2
  ), locked AS (
    SELECT s.id, o.upto
      FROM streams s JOIN (SELECT stream_id, max(sequence) AS upto FROM old GROUP BY stream_id) o ON o.stream_id = s.id
     ORDER BY s.id FOR UPDATE OF s ${skipLocked}
  ), gone AS (
    DELETE FROM events e USING locked l WHERE e.stream_id = l.id AND e.sequence <= l.upto RETURNING 1
  ), finished AS (
    DELETE FROM streams s USING locked l WHERE s.id = l.id AND s.ended_at IS NOT NULL AND s.sequence <= l.upto
  )
  SELECT count(*)::int AS pruned FROM gone`;
