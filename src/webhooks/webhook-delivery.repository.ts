import type { LeasedRow, Claimed } from '../core/leased-rows';
import { isAnyOf } from '../core/list-conditions';
import type { ListTable } from '../core/list-statements';
import type { Sql } from '../core/sql';
import { hasActiveKey } from './webhook-keys.repository';
import { WebhookDeliveryEntity, WebhookEntity, type WebhookAttemptRow } from './webhook.entity';
import { webhookDeliveryStatuses, type WebhookDeliveryStatus } from './webhook.state';

/** An attempt that took longer is slow, in milliseconds. */
export const slowAttemptMs = 2_000;

/** How long a delivery is attempted, and how long a webhook may fail before it is disabled, in milliseconds. */
const maxFailingMs = 86_400_000;

/** So many failed attempts are needed too: the server may have been away meanwhile. */
const minFailedAttempts = 6;

/** At most so much time between two failed attempts of a webhook counts as failing, in milliseconds. The maximum delay is 2 hours. */
const maxGapMs = 10_800_000;

/** Maximum number of stored attempts of a delivery. */
const maxAttempts = 20;

/** Which deliveries. */
export interface DeliveryFilter {
  readonly statuses?: readonly WebhookDeliveryStatus[] | null;
}

/** The lists of deliveries. */
export const deliveryTable: ListTable<WebhookDeliveryEntity, DeliveryFilter> = {
  entity: WebhookDeliveryEntity,
  table: 'webhook_deliveries',
  indexed: { status: webhookDeliveryStatuses },
  conditionsOf: ({ statuses }) => isAnyOf('status', statuses, 'statuses'),
};

/** SQL that selects an owner's delivery by its id, or several by `ANY`, unless its webhook was deleted. */
export function selectDelivery(id: string, owner: string): string {
  return `SELECT * FROM webhook_deliveries WHERE id = ${id} AND owner = ${owner}
    AND EXISTS (SELECT FROM webhooks w WHERE w.id = webhook_deliveries.webhook_id)`;
}

/** The owner's deliveries with the given ids, in any order. */
export function findDeliveries(
  sql: Sql,
  owner: string,
  ids: readonly string[],
): Promise<WebhookDeliveryEntity[]> {
  return sql.entities(WebhookDeliveryEntity, selectDelivery('ANY($1)', '$2'), [ids, owner]);
}

/** A webhook that a worker has leased. */
type Leased = Pick<Claimed<LeasedRow>, 'id' | 'lease'>;

/** SQL: the oldest pending delivery of each stream of a webhook. Later ones of the stream wait for it. */
const firstOfStreams = (webhookId: string): string => `(
  SELECT DISTINCT ON (stream_id) * FROM webhook_deliveries
   WHERE webhook_id = ${webhookId} AND status = 'PENDING' ORDER BY stream_id, number)`;

/** The deliveries of a webhook that are due, in order, at most one of each stream. */
export function findDueDeliveries(
  sql: Sql,
  webhookId: string,
  limit: number,
): Promise<WebhookDeliveryEntity[]> {
  return sql.entities(
    WebhookDeliveryEntity,
    `SELECT * FROM ${firstOfStreams('$1')} d WHERE next_attempt_at <= now() ORDER BY number LIMIT $2`,
    [webhookId, limit],
  );
}

/**
 * The webhook as it is, if this worker still leases it, it is enabled, its API key has not ended, and it may be sent to; with
 * whether a delivery is still pending: what it is about may have been deleted.
 */
export async function readLeased(
  sql: Sql,
  { id, lease }: Leased,
  deliveryId: string,
): Promise<(WebhookEntity & { isPending: boolean }) | null> {
  const [webhook] = await sql.entities<WebhookEntity, { isPending: boolean }>(
    WebhookEntity,
    `SELECT *, EXISTS (SELECT FROM webhook_deliveries d WHERE d.id = $3 AND d.status = 'PENDING') AS "isPending"
       FROM webhooks w WHERE id = $1 AND lease = $2 AND status = 'ENABLED'
        AND (rest_until IS NULL OR rest_until <= now()) AND ${hasActiveKey('w')}`,
    [id, lease, deliveryId],
  );
  return webhook ?? null;
}

/** Locks the webhook if this worker leases it. */
async function lockLeased(sql: Sql, { id, lease }: Leased): Promise<WebhookEntity | null> {
  const [webhook] = await sql.entities(
    WebhookEntity,
    'SELECT * FROM webhooks WHERE id = $1 AND lease = $2 FOR NO KEY UPDATE',
    [id, lease],
  );
  return webhook ?? null;
}

function isSlow({ durationMs }: WebhookAttemptRow): boolean {
  return durationMs > slowAttemptMs;
}

function attemptsWith(delivery: WebhookDeliveryEntity, attempt: WebhookAttemptRow): string {
  return JSON.stringify([attempt, ...delivery.attempts].slice(0, maxAttempts));
}

/**
 * Records a success.
 * @param wasDown - whether a webhook with so many failed attempts in a row was unreachable: then all of its deliveries are due
 * @returns whether this worker still leased the webhook
 */
export async function recordDelivered(
  sql: Sql,
  webhook: Leased,
  delivery: WebhookDeliveryEntity,
  attempt: WebhookAttemptRow,
  wasDown: (tries: number) => boolean,
): Promise<boolean> {
  const before = await lockLeased(sql, webhook);
  if (!before) return false;
  await sql.rows(
    `UPDATE webhook_deliveries
        SET status = 'DELIVERED', next_attempt_at = NULL, failing_since = NULL, tries = 0, attempts = $2::jsonb
      WHERE id = $1 AND status = 'PENDING'`,
    [delivery.id, attemptsWith(delivery, attempt)],
  );
  if (wasDown(before.tries)) {
    await sql.rows(
      `UPDATE webhook_deliveries SET next_attempt_at = now()
        WHERE webhook_id = $1 AND status = 'PENDING' AND next_attempt_at > now()`,
      [webhook.id],
    );
  }
  await sql.rows(
    `UPDATE webhooks SET tries = 0, failing_since = NULL, rest_until = NULL, succeeded_at = now(), is_slow = $2
      WHERE id = $1`,
    [webhook.id, isSlow(attempt)],
  );
  return true;
}

/** The delays after a failure, in milliseconds. */
export interface FailureDelays {
  /** Until the next attempt of the delivery, by its failed attempts. */
  readonly retryMs: (tries: number) => number;
  /** Until the next attempt of any delivery, by the failed attempts in a row; 0: none. */
  readonly restMs: (tries: number) => number;
}

/**
 * Records a failure. The last attempt is made 24 hours after the first, or later if fewer than 6 were made.
 * @returns the webhook before it, and whether it is enabled and has failed for 24 hours and in 6 attempts or more; null if this worker no longer leased it
 */
export async function recordFailed(
  sql: Sql,
  webhook: Leased,
  delivery: WebhookDeliveryEntity,
  attempt: WebhookAttemptRow,
  { retryMs, restMs }: FailureDelays,
): Promise<{ before: WebhookEntity; isOver: boolean } | null> {
  const before = await lockLeased(sql, webhook);
  if (!before) return null;
  await sql.rows(
    `UPDATE webhook_deliveries d
        SET tries = d.tries + 1, failing_since = coalesce(d.failing_since, now()), attempts = $2::jsonb,
            status = CASE WHEN f.is_over THEN 'FAILED' ELSE 'PENDING' END, failed_at = CASE WHEN f.is_over THEN now() END,
            next_attempt_at = CASE WHEN f.is_over THEN NULL WHEN f.is_late THEN now() + $3 * interval '1 ms'
              ELSE least(now() + $3 * interval '1 ms', coalesce(d.failing_since, now()) + $4 * interval '1 ms') END
       FROM (SELECT id, l.is_late, l.is_late AND tries + 1 >= $5 AS is_over FROM webhook_deliveries
              CROSS JOIN LATERAL (SELECT coalesce(failing_since <= now() - $4 * interval '1 ms', false) AS is_late) l
              WHERE id = $1) f
      WHERE d.id = f.id AND d.status = 'PENDING'`,
    [
      ...[delivery.id, attemptsWith(delivery, attempt), retryMs(delivery.tries + 1), maxFailingMs],
      minFailedAttempts,
    ],
  );
  const [changed] = await sql.rows<{ isOver: boolean }>(
    `UPDATE webhooks
        SET tries = tries + 1, is_slow = $6, rest_until = now() + $2::float8 * interval '1 ms',
            failing_since = CASE WHEN failing_since IS NULL THEN now()
              ELSE failing_since + greatest(now() - rest_until - $4 * interval '1 ms', interval '0') END
      WHERE id = $1
      RETURNING failing_since <= now() - $3 * interval '1 ms' AND tries >= $5 AND status = 'ENABLED' AS "isOver"`,
    [webhook.id, restMs(before.tries + 1), maxFailingMs, maxGapMs, minFailedAttempts, isSlow(attempt)],
  );
  return { before, isOver: changed!.isOver };
}

/** Delay of the next attempt to read the secret of a webhook, in milliseconds. */
const unsignedRetryMs = 300_000;

/**
 * Returns a webhook whose secret could not be read: nothing was sent, and it is no failure of the endpoint. The log of the
 * delivery has one entry of it.
 */
export async function releaseUnsigned(
  sql: Sql,
  webhook: Leased,
  delivery: WebhookDeliveryEntity,
  attempt: WebhookAttemptRow,
): Promise<void> {
  if (!(await lockLeased(sql, webhook))) return;
  await sql.rows(
    `UPDATE webhook_deliveries SET attempts = $2::jsonb
      WHERE id = $1 AND status = 'PENDING' AND attempts -> 0 ->> 'excerpt' IS DISTINCT FROM $3`,
    [delivery.id, attemptsWith(delivery, attempt), attempt.excerpt],
  );
  await sql.rows(
    `UPDATE webhooks SET lease = NULL, rest_until = now() + $2 * interval '1 ms',
            due_at = now() + $2 * interval '1 ms' WHERE id = $1`,
    [webhook.id, unsignedRetryMs],
  );
}

/** Disables a locked webhook. Its pending deliveries have failed until it is enabled. */
export async function disableWebhook(sql: Sql, id: string, reason: string): Promise<void> {
  await sql.rows(
    `UPDATE webhooks SET status = 'DISABLED', disabled_reason = $2, due_at = NULL, lease = NULL WHERE id = $1`,
    [id, reason],
  );
  await sql.rows(
    `UPDATE webhook_deliveries SET status = 'FAILED', next_attempt_at = NULL, failing_since = NULL
      WHERE webhook_id = $1 AND status = 'PENDING'`,
    [id],
  );
}

/** Returns a webhook; it is due with its next delivery. */
export async function releaseWebhook(sql: Sql, webhook: Leased): Promise<void> {
  // Locks in a separate statement, so that the next one sees deliveries that were inserted before.
  if (!(await lockLeased(sql, webhook))) return;
  await sql.rows(
    `UPDATE webhooks w
        SET lease = NULL, due_at = CASE WHEN n.at IS NOT NULL THEN greatest(n.at, w.rest_until) END
       FROM (SELECT min(next_attempt_at) AS at FROM ${firstOfStreams('$1')} d) n
      WHERE w.id = $1`,
    [webhook.id],
  );
}

const deliveriesPerPrune = 5_000;

/**
 * Deletes a batch of old deliveries that are not pending.
 * @returns the number of deleted deliveries
 */
export async function pruneDeliveries(sql: Sql, olderThanMs: number): Promise<number> {
  const pruned = await sql.rows(
    `DELETE FROM webhook_deliveries WHERE id IN
       (SELECT id FROM webhook_deliveries WHERE status <> 'PENDING' AND created_at < now() - $1 * interval '1 ms'
         ORDER BY created_at LIMIT $2) AND status <> 'PENDING' RETURNING 1`,
    [olderThanMs, deliveriesPerPrune],
  );
  return pruned.length;
}

/**
 * Deletes deliveries of an owner: of one webhook that was deleted, or of all. Run it until it returns 0.
 * @returns the number of deleted deliveries, at most `limit`
 */
export async function deleteDeliveriesOf(
  sql: Sql,
  { owner, webhookId = null }: { owner: string; webhookId?: string | null },
  limit: number,
): Promise<number> {
  const deleted = await sql.rows(
    `DELETE FROM webhook_deliveries WHERE id IN
       (SELECT id FROM webhook_deliveries d WHERE owner = $1 AND ($2::uuid IS NULL OR webhook_id = $2)
           AND NOT EXISTS (SELECT FROM webhooks w WHERE w.id = d.webhook_id) ORDER BY id LIMIT $3) RETURNING 1`,
    [owner, webhookId, limit],
  );
  return deleted.length;
}
