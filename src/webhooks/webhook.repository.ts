import type { DataSubject } from '../core/data-subject';
import type { ListTable } from '../core/list-statements';
import { holdLock, type Sql } from '../core/sql';
import { dueWebhooks, failingWebhooks, WebhookEntity } from './webhook.entity';
import type { WebhookEventType, WebhookStatus } from './webhook.state';

/** The lists of webhooks. */
export const webhookTable: ListTable<WebhookEntity, object> = {
  entity: WebhookEntity,
  table: 'webhooks',
  indexed: {},
  conditionsOf: () => [],
};

/** Webhooks with deliveries, those that fail or are slow apart. Each is leased as a whole. */
export const leasedWebhooks = {
  due: { entity: WebhookEntity, table: 'webhooks', rows: dueWebhooks },
  failing: { entity: WebhookEntity, table: 'webhooks', rows: failingWebhooks },
} as const;

/** SQL that selects an owner's webhook by its id, or several by `ANY`. */
export function selectWebhook(id: string, owner: string): string {
  return `SELECT * FROM webhooks WHERE id = ${id} AND owner = ${owner}`;
}

/** The owner's webhooks with the given ids, in any order. */
export function findWebhooks(sql: Sql, owner: string, ids: readonly string[]): Promise<WebhookEntity[]> {
  return sql.entities(WebhookEntity, selectWebhook('ANY($1)', '$2'), [ids, owner]);
}

/** The owner's webhook, locked until the transaction ends. */
export async function lockWebhook(sql: Sql, owner: string, id: string): Promise<WebhookEntity | null> {
  const [webhook] = await sql.entities(WebhookEntity, `${selectWebhook('$1', '$2')} FOR NO KEY UPDATE`, [
    id,
    owner,
  ]);
  return webhook ?? null;
}

/** The number of the owner's webhooks. Until the transaction ends, no other one counts them. */
export async function countWebhooks(sql: Sql, owner: string): Promise<number> {
  await holdLock(sql, 'webhooks', owner);
  const [row] = await sql.rows<{ count: number }>(
    'SELECT count(*)::int AS count FROM webhooks WHERE owner = $1',
    [owner],
  );
  return row!.count;
}

/** A webhook to insert. */
export interface NewWebhook extends Pick<
  WebhookEntity,
  'id' | 'owner' | 'url' | 'description' | 'eventTypes' | 'secret' | 'keyId' | 'ownerStreamId'
> {
  /** The last event that is not sent to it. */
  readonly position: number;
}

/** Inserts a webhook. */
export async function insertWebhook(sql: Sql, webhook: NewWebhook): Promise<WebhookEntity> {
  const { id, owner, url, description, eventTypes, secret, keyId, ownerStreamId, position } = webhook;
  const [inserted] = await sql.entities(
    WebhookEntity,
    `INSERT INTO webhooks (id, owner, url, description, event_types, secret, key_id, owner_stream_id, position)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING *`,
    [id, owner, url, description, eventTypes, secret, keyId, ownerStreamId, position],
  );
  return inserted!;
}

/** What to change; undefined: nothing. */
export interface WebhookChange {
  readonly url?: string;
  /** Null: none. */
  readonly description?: string | null;
  readonly eventTypes?: readonly WebhookEventType[];
  readonly status?: WebhookStatus;
}

/** Changes a locked webhook, except whether it is enabled. */
export async function changeWebhook(sql: Sql, id: string, change: WebhookChange): Promise<WebhookEntity> {
  const { url = null, description, eventTypes = null } = change;
  const [changed] = await sql.entities(
    WebhookEntity,
    `UPDATE webhooks SET url = coalesce($2, url), event_types = coalesce($3, event_types),
            description = CASE WHEN $4 THEN $5 ELSE description END
      WHERE id = $1 RETURNING *`,
    [id, url, eventTypes, description !== undefined, description ?? null],
  );
  if (url !== null) {
    await endFailing(sql, id);
    await retryNow(sql, id);
  }
  return changed!;
}

/** Starts to count the failed attempts of a locked webhook again. */
export async function endFailing(sql: Sql, id: string): Promise<void> {
  await sql.rows('UPDATE webhooks SET tries = 0, failing_since = NULL WHERE id = $1', [id]);
}

/** Makes the pending deliveries of a locked webhook due, since what they failed for may be repaired. */
async function retryNow(sql: Sql, id: string): Promise<void> {
  await sql.rows(
    `UPDATE webhook_deliveries SET next_attempt_at = now()
      WHERE webhook_id = $1 AND status = 'PENDING' AND next_attempt_at > now()`,
    [id],
  );
  await endRest(sql, id);
}

/** Sends to a locked webhook without waiting until its rest is over. */
async function endRest(sql: Sql, id: string): Promise<void> {
  await sql.rows('UPDATE webhooks SET rest_until = NULL WHERE id = $1', [id]);
  await makeDue(sql, id);
}

/** Makes a locked webhook due, after its rest. A worker that leases it finds the time itself. */
export async function makeDue(sql: Sql, id: string): Promise<void> {
  await sql.rows(
    `UPDATE webhooks SET due_at = CASE WHEN lease IS NULL THEN greatest(now(), rest_until) ELSE due_at END
      WHERE id = $1`,
    [id],
  );
}

/** Pauses a locked webhook. A delivery that is being sent is completed. */
export async function pauseWebhook(sql: Sql, id: string): Promise<WebhookEntity> {
  const [paused] = await sql.entities(
    WebhookEntity,
    `UPDATE webhooks SET status = 'PAUSED', disabled_reason = NULL WHERE id = $1 RETURNING *`,
    [id],
  );
  return paused!;
}

/**
 * Enables a locked webhook: it continues with what was pending when it was disabled and what was given up since its last
 * success, then with the deliveries never attempted and the events since, so that each stream is sent in order.
 */
export async function enableWebhook(sql: Sql, id: string): Promise<WebhookEntity> {
  await sql.rows(
    `UPDATE webhook_deliveries
        SET status = 'PENDING', next_attempt_at = now(), tries = 0, failing_since = NULL, failed_at = NULL
      WHERE webhook_id = $1 AND status = 'FAILED'
        AND (failing_since IS NULL OR failed_at > coalesce((SELECT succeeded_at FROM webhooks WHERE id = $1), '-infinity'))`,
    [id],
  );
  await retryNow(sql, id);
  const [enabled] = await sql.entities(
    WebhookEntity,
    `UPDATE webhooks SET status = 'ENABLED', disabled_reason = NULL, failing_since = NULL, tries = 0, follow_at = now()
      WHERE id = $1 RETURNING *`,
    [id],
  );
  return enabled!;
}

/** Replaces the secret of a locked webhook; the old one is used too until it expires. Pending deliveries may be sent now. */
export async function replaceSecret(
  sql: Sql,
  { id, secret, overlapSeconds }: { id: string; secret: string; overlapSeconds: number },
): Promise<WebhookEntity> {
  const [changed] = await sql.entities(
    WebhookEntity,
    `UPDATE webhooks SET old_secret = CASE WHEN $3 > 0 THEN secret END, secret = $2,
            old_secret_expires_at = now() + $3 * interval '1 s' WHERE id = $1 RETURNING *`,
    [id, secret, overlapSeconds],
  );
  await endFailing(sql, id);
  await endRest(sql, id);
  return changed!;
}

/** Deletes the owner's webhook with its pending deliveries. Others remain: see `deleteDeliveriesOf`. */
export async function deleteWebhook(sql: Sql, owner: string, id: string): Promise<boolean> {
  const deleted = await sql.rows('DELETE FROM webhooks WHERE id = $1 AND owner = $2 RETURNING 1', [
    id,
    owner,
  ]);
  await sql.rows(
    `DELETE FROM webhook_deliveries WHERE webhook_id = $1 AND owner = $2 AND status = 'PENDING'`,
    [id, owner],
  );
  return deleted.length > 0;
}

/**
 * Deletes the webhooks of a person. Run it before their deliveries are deleted, until it returns none.
 * @returns the ids of the deleted webhooks, at most `limit`
 */
export async function deleteWebhooksOf(
  sql: Sql,
  { owner, until }: DataSubject,
  limit: number,
): Promise<string[]> {
  const deleted = await sql.rows<{ id: string }>(
    `DELETE FROM webhooks WHERE id IN
       (SELECT id FROM webhooks WHERE owner = $1 AND created_at <= $2 ORDER BY id LIMIT $3) RETURNING id`,
    [owner, until, limit],
  );
  return deleted.map(({ id }) => id);
}

/** The state of all webhooks, for metrics. */
export interface WebhookCounts {
  readonly byStatus: readonly { readonly status: WebhookStatus; readonly count: number }[];
  /** The age of the oldest pending delivery of an enabled webhook, in seconds; 0 if no delivery is pending. */
  readonly oldestPendingSeconds: number;
}

/** Counts webhooks by status. */
export async function countWebhooksByStatus(sql: Sql): Promise<WebhookCounts> {
  const byStatus = await sql.rows<{ status: WebhookStatus; count: number }>(
    'SELECT status, count(*)::int AS count FROM webhooks GROUP BY status',
  );
  const [oldest] = await sql.rows<{ seconds: number | null }>(
    `SELECT extract(epoch FROM now() - min(d.created_at))::float8 AS seconds
       FROM webhooks w
      CROSS JOIN LATERAL (SELECT created_at FROM webhook_deliveries d
                           WHERE d.webhook_id = w.id AND d.status = 'PENDING' ORDER BY d.created_at LIMIT 1) d
      WHERE w.status = 'ENABLED' AND w.due_at IS NOT NULL`,
  );
  return { byStatus, oldestPendingSeconds: oldest?.seconds ?? 0 };
}
