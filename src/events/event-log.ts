import type { Sql } from '../core/sql';
import type { EventKind } from './event.entity';

/** An event to be appended. */
export interface NewEvent {
  /** The model's id, or the generation's where it has no model. */
  streamId: string;
  kind: EventKind;
  /** The model, generation or avatar that changed. */
  subjectId: string;
  /** The generation that the subject is or belongs to. */
  generationId?: string | null;
  /** The row as it is after the change, as far as subscribers may know it. JSON. */
  payload: object;
}

/** Opens the stream of a new model, or of a generation that has none; in the transaction that makes its subject. */
export async function openStream(sql: Sql, streamId: string, owner: string): Promise<void> {
  await sql.rows('INSERT INTO streams (id, owner) VALUES ($1, $2)', [streamId, owner]);
}

/**
 * Appends events in one statement, however many: each gets the next number of its stream, in the order given. The
 * number is given under the lock of the stream's row, which the transaction holds until it ends, so numbers are
 * committed in their order and a rollback leaves no gap. Streams are locked in the order of their ids: a transaction
 * that calls this once cannot deadlock with another. Events of a stream that is deleted or unknown are left out.
 */
export async function appendEvents(sql: Sql, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  await sql.rows(appendStatement, [JSON.stringify(events.map(recordOf))]);
}

function recordOf({ streamId, kind, subjectId, generationId, payload }: NewEvent): object {
  return { stream_id: streamId, kind, subject_id: subjectId, generation_id: generationId ?? null, payload };
}

// The clock is read at the insert, that is under the lock: the events of a stream are as old as their order says,
// and what pruning takes away is a beginning, never the middle.
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
    RETURNING s.id, s.sequence - l.steps AS before
  )
  INSERT INTO events (stream_id, sequence, kind, subject_id, generation_id, payload, created_at)
  SELECT g.stream_id, c.before + g.step, g.kind, g.subject_id, g.generation_id, g.payload, clock_timestamp()
    FROM given g JOIN counted c ON c.id = g.stream_id
   ORDER BY g.stream_id, g.step`;

/** What a DELETED event says was deleted, in its payload: `{ subject: 'MODEL' }`. */
export type DeletedKind = 'MODEL' | 'GENERATION' | 'AVATAR';

/** The deleted subject of a whole stream. */
export interface DeletedSubject {
  /** The stream's own id. */
  subjectId: string;
  /** Set where the subject is a generation without a model. */
  generationId?: string | null;
  /** @defaultValue GENERATION if the subject is the generation, else MODEL */
  kind?: DeletedKind;
}

/** What of a stream is to be erased: a generation with its avatars, or one avatar. */
export type ErasedSubject = { generationId: string } | { avatarId: string };

/**
 * The stream's own subject is deleted: all that was told of it is erased, and one DELETED event without personal data
 * is left, which ends every subscription. Runs in the transaction of the deletion. Doing it twice changes nothing.
 */
export async function endStream(sql: Sql, streamId: string, deleted: DeletedSubject): Promise<void> {
  if (!(await lockStream(sql, streamId))) return;
  await endLocked(sql, [deletion(streamId, deleted)]);
}

/** {@link endStream} for the streams of several subjects of a kind, whose ids are those of their streams. */
export async function endStreams(
  sql: Sql,
  streamIds: readonly string[],
  kind: Exclude<DeletedKind, 'AVATAR'>,
): Promise<void> {
  const open = await sql.rows<{ id: string }>(
    'SELECT id FROM streams WHERE id = ANY($1) AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE',
    [streamIds],
  );
  await endLocked(
    sql,
    open.map(({ id }) => deletion(id, { subjectId: id, generationId: kind === 'GENERATION' ? id : null })),
  );
}

function deletion(streamId: string, { subjectId, generationId = null, kind }: DeletedSubject): NewEvent {
  const subject = kind ?? (generationId === subjectId ? 'GENERATION' : 'MODEL');
  return { streamId, kind: 'DELETED', subjectId, generationId, payload: { subject } };
}

async function endLocked(sql: Sql, endings: readonly NewEvent[]): Promise<void> {
  const ids = endings.map(({ streamId }) => streamId);
  await sql.rows('DELETE FROM events WHERE stream_id = ANY($1)', [ids]);
  await appendEvents(sql, endings);
  await sql.rows('UPDATE streams SET ended_at = now() WHERE id = ANY($1)', [ids]);
}

/**
 * A generation or an avatar is deleted while its model stays: the events that told of it become tombstones, which
 * keep their numbers so that the stream has no gap and hold nothing else, and a DELETED event is appended. Runs in the
 * transaction of the deletion. On a stream that has ended, or done twice, it appends nothing.
 */
export async function eraseEvents(sql: Sql, streamId: string, erased: ErasedSubject): Promise<void> {
  if (!(await lockStream(sql, streamId))) return;
  const { subjectId, column, subject } = targetOf(erased);
  const written = await sql.rows(
    `SELECT 1 FROM events WHERE stream_id = $1 AND subject_id = $2 AND kind = 'DELETED' AND payload ? 'subject'`,
    [streamId, subjectId],
  );
  const tombs = await sql.rows<{ generation_id: string | null }>(
    `UPDATE events SET kind = 'DELETED', payload = '{"erased": true}'
      WHERE stream_id = $1 AND ${column} = $2 AND kind <> 'DELETED'
     RETURNING generation_id`,
    [streamId, subjectId],
  );
  if (written.length > 0) return;
  const generationId = subject === 'GENERATION' ? subjectId : (tombs[0]?.generation_id ?? null);
  await appendEvents(sql, [{ streamId, kind: 'DELETED', subjectId, generationId, payload: { subject } }]);
}

function targetOf(erased: ErasedSubject): { subjectId: string; column: string; subject: DeletedKind } {
  if ('avatarId' in erased) return { subjectId: erased.avatarId, column: 'subject_id', subject: 'AVATAR' };
  return { subjectId: erased.generationId, column: 'generation_id', subject: 'GENERATION' };
}

/** Takes the lock in a statement of its own: only what is read after it sees all that was appended before it. */
async function lockStream(sql: Sql, streamId: string): Promise<boolean> {
  const rows = await sql.rows('SELECT 1 FROM streams WHERE id = $1 AND ended_at IS NULL FOR NO KEY UPDATE', [
    streamId,
  ]);
  return rows.length > 0;
}

const eventsPerPrune = 5_000;
const prunesPerCall = 200;

/**
 * Deletes events older than a retention time, 5,000 in a statement and at most a million in a call, and the streams
 * that have ended and hold nothing any more. What is taken from a stream is always its beginning. Several processes
 * may do it at once: streams in use by another are left for the next call.
 * @param olderThanMs - age in milliseconds, by the database's clock
 * @returns how many events are gone
 */
export async function pruneEvents(sql: Sql, olderThanMs: number): Promise<number> {
  let pruned = 0;
  for (let call = 0; call < prunesPerCall; call += 1) {
    const [answer] = await sql.rows<{ pruned: number }>(pruneStatement, [olderThanMs, eventsPerPrune]);
    pruned += answer?.pruned ?? 0;
    if ((answer?.pruned ?? 0) < eventsPerPrune) break;
  }
  return pruned;
}

// The stream's row is locked first, as by all who change events, so that none of them can deadlock with this.
const pruneStatement = `
  WITH old AS (
    SELECT stream_id, sequence FROM events
     WHERE created_at < now() - $1::float8 * interval '1 ms'
     ORDER BY created_at LIMIT $2
  ), locked AS (
    SELECT s.id, o.upto
      FROM streams s JOIN (SELECT stream_id, max(sequence) AS upto FROM old GROUP BY stream_id) o ON o.stream_id = s.id
     ORDER BY s.id FOR UPDATE OF s SKIP LOCKED
  ), gone AS (
    DELETE FROM events e USING locked l WHERE e.stream_id = l.id AND e.sequence <= l.upto RETURNING 1
  ), finished AS (
    DELETE FROM streams s USING locked l WHERE s.id = l.id AND s.ended_at IS NOT NULL AND s.sequence <= l.upto
  )
  SELECT count(*)::int AS pruned FROM gone`;
