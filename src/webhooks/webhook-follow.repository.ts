import { limitsLockWait, type Sql } from '../core/sql';
import type { StoredEvent } from '../events/event';
import { hasUnnumberedEvents } from '../events/owner-numbers.repository';
import type { JobState, WebhookEvent } from './webhook-events';
import { endFailing, makeDue } from './webhook.repository';
import type { WebhookEventType } from './webhook.state';

/** A webhook whose owner has events for which no deliveries were created. */
export interface WebhookBehind {
  readonly id: string;
  readonly owner: string;
  readonly ownerStreamId: string;
  readonly position: number;
  /** The stream of the owner now: another one after a restore of the database; null: it must be created. */
  readonly currentStreamId: string | null;
  /** The last number of that stream. */
  readonly head: number | null;
}

/** The streams of models and generations whose owners' webhooks are searched; null: all webhooks. */
export type SearchedStreams = readonly string[] | null;

/** Which webhooks are searched for new events. */
export interface WebhookSearch {
  readonly streams: SearchedStreams;
  /** The ids of webhooks that are left out. */
  readonly except: readonly string[];
}

/** The first parameters of {@link nextFollow}. */
export const parametersOf = ({ streams, except }: WebhookSearch): unknown[] => [streams, except];

/** How long a locked webhook is waited for, in milliseconds: longer than its worker takes to record an attempt. */
const maxLockWaitMs = 500;

/** SQL: the enabled webhooks with new events. Costs two index lookups for each searched webhook without any. */
const behind = (
  isSearched: string,
  first: number,
): string => `FROM webhooks w LEFT JOIN owner_streams o ON o.owner = w.owner
  WHERE w.status = 'ENABLED' AND ${isSearched} AND w.id <> ALL($${first + 1}::uuid[])
    AND (o.id IS DISTINCT FROM w.owner_stream_id OR o.sequence > w.position OR ${hasUnnumberedEvents})`;

/** SQL: two parts, since one condition for both would read all webhooks to search those of few owners. */
const searches = (first: number): string[] => [
  behind(`$${first}::uuid[] IS NULL`, first),
  behind(`w.owner IN (SELECT s.owner FROM streams s WHERE s.id = ANY($${first}::uuid[]))`, first),
];

/**
 * SQL: when a webhook has new events, or one that was left out is read again. The parameters are {@link parametersOf}, and in how
 * many milliseconds that is; null: none was left out.
 * @param first - the number of the first one
 */
export function nextFollow(first: number): string {
  const times = searches(first).map((found) => `(SELECT w.follow_at ${found} ORDER BY w.follow_at LIMIT 1)`);
  return `least(${times.join(', ')}, now() + $${first + 2}::float8 * interval '1 ms')`;
}

/** Maximum number of webhooks among which those with new events are chosen. */
const maxFound = 1_000;

/**
 * The webhooks with new events, at most `limit`: one of each owner before the second one of any, and those first whose
 * events were read longest ago.
 */
export function findWebhooksBehind(sql: Sql, search: WebhookSearch, limit: number): Promise<WebhookBehind[]> {
  const found = searches(1).map(
    (
      part,
    ) => `(SELECT w.id, w.owner, w.owner_stream_id AS "ownerStreamId", w.position::float8 AS position, o.id AS "currentStreamId", o.sequence::float8 AS head, w.follow_at
       ${part} AND w.follow_at <= now() ORDER BY w.follow_at, w.id LIMIT ${maxFound})`,
  );
  return sql.rows<WebhookBehind>(
    `SELECT * FROM (${found.join(' UNION ALL ')}) f
      ORDER BY row_number() OVER (PARTITION BY owner ORDER BY follow_at, id), follow_at, id LIMIT $3`,
    [...parametersOf(search), limit],
  );
}

/**
 * Continues a webhook in the present stream of its owner: all of its events are new.
 * @returns whether it was changed; otherwise another process has done it
 */
export async function moveToStream(
  sql: Sql,
  { id, ownerStreamId }: Pick<WebhookBehind, 'id' | 'ownerStreamId'>,
  streamId: string,
): Promise<boolean> {
  const moved = await sql.rows(
    `UPDATE webhooks SET owner_stream_id = $3, position = 0
      WHERE id = $1 AND owner_stream_id = $2 AND ${limitsLockWait(maxLockWaitMs)} RETURNING 1`,
    [id, ownerStreamId, streamId],
  );
  return moved.length > 0;
}

/** The state of the job of each event in the event before it; null if that is not stored. */
export async function statesBefore(
  sql: Sql,
  events: readonly StoredEvent[],
): Promise<Map<StoredEvent, JobState>> {
  if (events.length === 0) return new Map();
  const rows = await sql.rows<JobState & { place: number }>(
    `SELECT c.place::int AS place, p.payload ->> 'status' AS status, (p.payload ->> 'attempt')::int AS attempt
       FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[])
            WITH ORDINALITY AS c (stream_id, sequence, subject_id, kind, place)
      CROSS JOIN LATERAL (
             SELECT e.payload FROM events e
              WHERE e.stream_id = c.stream_id AND e.sequence < c.sequence AND e.subject_id = c.subject_id
                AND e.kind = c.kind
              ORDER BY e.sequence DESC LIMIT 1) p`,
    [
      events.map(({ origin }) => origin!.streamId),
      events.map(({ origin }) => origin!.sequence),
      events.map(({ subjectId }) => subjectId),
      events.map(({ kind }) => kind),
    ],
  );
  return new Map(rows.map(({ place, status, attempt }) => [events[place - 1]!, { status, attempt }]));
}

/** A webhook, locked until the transaction ends. */
export interface LockedPosition {
  /** The number of its last delivery. */
  readonly lastNumber: number;
  readonly eventTypes: readonly WebhookEventType[];
}

/**
 * Locks a webhook if it is enabled and still at the position that was read.
 * @throws DomainError SERVICE_UNAVAILABLE if another transaction locks it for longer than a moment
 */
export async function lockPosition(
  sql: Sql,
  { id, ownerStreamId, position }: WebhookBehind,
): Promise<LockedPosition | null> {
  const [locked] = await sql.rows<LockedPosition>(
    `SELECT last_number::float8 AS "lastNumber", event_types AS "eventTypes" FROM webhooks
      WHERE id = $1 AND owner_stream_id = $2 AND position = $3 AND status = 'ENABLED' AND ${limitsLockWait(maxLockWaitMs)}
        FOR NO KEY UPDATE`,
    [id, ownerStreamId, position],
  );
  return locked ?? null;
}

/**
 * Locks a webhook, whichever its position.
 * @returns whether it exists
 * @throws as {@link lockPosition}
 */
export async function lockToMove(sql: Sql, id: string): Promise<boolean> {
  const locked = await sql.rows(
    `SELECT FROM webhooks WHERE id = $1 AND ${limitsLockWait(maxLockWaitMs)} FOR NO KEY UPDATE`,
    [id],
  );
  return locked.length > 0;
}

/** The number of pending deliveries of a webhook, at most `limit`. */
export async function countPending(sql: Sql, webhookId: string, limit: number): Promise<number> {
  const [row] = await sql.rows<{ count: number }>(
    `SELECT count(*)::int AS count FROM
       (SELECT FROM webhook_deliveries WHERE webhook_id = $1 AND status = 'PENDING' LIMIT $2) pending`,
    [webhookId, limit],
  );
  return row!.count;
}

/** Reads the events of a webhook later. Does not wait for its lock, since those of others are read after it. */
export async function followLater(sql: Sql, webhookId: string, delayMs: number): Promise<void> {
  await sql.rows(
    `UPDATE webhooks SET follow_at = now() + $2 * interval '1 ms' WHERE id IN
       (SELECT id FROM webhooks WHERE id = $1 FOR NO KEY UPDATE ${sql.engine.skipLocked})`,
    [webhookId, delayMs],
  );
}

/** A model, generation or avatar that was deleted. */
export interface DeletedSubject {
  readonly streamId: string;
  /** Its global id; null: of everything in the stream. */
  readonly subjectId: string | null;
}

/**
 * Deletes pending deliveries of a locked webhook about deleted objects and what belongs to them, except deletions. Run it until
 * it returns 0.
 * @returns the number of deleted deliveries, at most `limit`
 */
export async function dropDeliveries(
  sql: Sql,
  webhookId: string,
  deleted: readonly DeletedSubject[],
  limit: number,
): Promise<number> {
  const whole = deleted.filter(({ subjectId }) => subjectId === null);
  const parts = deleted.filter(({ subjectId }) => subjectId !== null);
  const dropped = await sql.rows<{ tries: number }>(
    `DELETE FROM webhook_deliveries WHERE id IN
       (SELECT id FROM webhook_deliveries
         WHERE webhook_id = $1 AND status = 'PENDING' AND event_type NOT LIKE '%\\_DELETED'
           AND (stream_id = ANY($2::uuid[])
                OR stream_id = ANY($3::uuid[]) AND (subject_id = ANY($4::text[])
                   OR event_type = 'AVATAR_CREATED' AND body::jsonb -> 'data' ->> 'generationId' = ANY($4::text[])))
         LIMIT $5) AND status = 'PENDING' RETURNING tries`,
    [
      webhookId,
      whole.map(({ streamId }) => streamId),
      [...new Set(parts.map(({ streamId }) => streamId))],
      parts.map(({ subjectId }) => subjectId),
      limit,
    ],
  );
  if (dropped.some(({ tries }) => tries > 0) && !(await hasFailing(sql, webhookId)))
    await endFailing(sql, webhookId);
  // Later deliveries of the stream have waited for them.
  if (dropped.length > 0) await makeDue(sql, webhookId);
  return dropped.length;
}

/** Whether a pending delivery of a webhook has failed before. */
async function hasFailing(sql: Sql, webhookId: string): Promise<boolean> {
  const failing = await sql.rows(
    `SELECT FROM webhook_deliveries WHERE webhook_id = $1 AND status = 'PENDING' AND tries > 0 LIMIT 1`,
    [webhookId],
  );
  return failing.length > 0;
}

/** A delivery to insert. */
export interface NewDelivery extends WebhookEvent {
  readonly id: string;
}

/** Inserts the deliveries of a locked webhook, in order, and advances it. */
export async function insertDeliveries(
  sql: Sql,
  { id, owner }: WebhookBehind,
  { lastNumber, position }: { lastNumber: number; position: number },
  deliveries: readonly NewDelivery[],
): Promise<void> {
  if (deliveries.length > 0) {
    await sql.rows(
      `INSERT INTO webhook_deliveries
         (id, owner, webhook_id, number, stream_id, event_type, subject_id, body, next_attempt_at)
       SELECT d.id, $2, $1, $3 + d.place, d.stream_id, d.event_type, d.subject_id, d.body, now()
         FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[])
              WITH ORDINALITY AS d (id, stream_id, event_type, subject_id, body, place)`,
      [
        ...[id, owner, lastNumber],
        deliveries.map((delivery) => delivery.id),
        deliveries.map(({ streamId }) => streamId),
        deliveries.map(({ type }) => type),
        deliveries.map(({ subjectId }) => subjectId),
        deliveries.map(({ body }) => body),
      ],
    );
  }
  // A worker that leases the webhook finds the new deliveries itself.
  await sql.rows(
    `UPDATE webhooks
        SET position = $2, last_number = last_number + $3, follow_at = now(),
            due_at = CASE WHEN lease IS NULL AND $3 > 0 THEN least(due_at, greatest(now(), rest_until)) ELSE due_at END
      WHERE id = $1`,
    [id, position, deliveries.length],
  );
}
