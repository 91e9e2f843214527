import { activeKeys } from '../auth/api-key.repository';
import type { Sql } from '../core/sql';
import { WebhookEntity } from './webhook.entity';

// A webhook belongs to the API key that decided last where its events are sent, and ends with it.

/**
 * SQL: the webhook belongs to no API key, or to one that has not ended.
 * @param webhook - SQL for its row
 */
export function hasActiveKey(webhook: string): string {
  return `(${webhook}.key_id IS NULL
      OR EXISTS (SELECT FROM api_keys WHERE api_keys.id = ${webhook}.key_id AND ${activeKeys}))`;
}

/** Makes a locked webhook belong to an API key; null: only to its owner. */
export async function assignKey(sql: Sql, id: string, keyId: string | null): Promise<void> {
  await sql.rows('UPDATE webhooks SET key_id = $2 WHERE id = $1', [id, keyId]);
}

/**
 * Makes the webhooks of an API key belong to another one.
 * @returns their number
 */
export async function moveWebhooks(sql: Sql, from: string, to: string): Promise<number> {
  const moved = await sql.rows('UPDATE webhooks SET key_id = $2 WHERE key_id = $1 RETURNING 1', [from, to]);
  return moved.length;
}

/** The ids of enabled webhooks whose API keys were revoked or have expired, at most `limit`. Costs an index lookup for each such key. */
export async function findWebhooksOfEndedKeys(sql: Sql, limit: number): Promise<string[]> {
  const found = await sql.rows<{ id: string }>(
    `SELECT w.id FROM api_keys JOIN webhooks w ON w.key_id = api_keys.id AND w.status = 'ENABLED'
      WHERE NOT (${activeKeys}) LIMIT $1`,
    [limit],
  );
  return found.map(({ id }) => id);
}

/** The enabled webhook, locked until the transaction ends, if its API key has ended. */
export async function lockWebhookOfEndedKey(sql: Sql, id: string): Promise<WebhookEntity | null> {
  const [webhook] = await sql.entities(
    WebhookEntity,
    `SELECT * FROM webhooks w WHERE id = $1 AND status = 'ENABLED' AND NOT ${hasActiveKey('w')} FOR NO KEY UPDATE`,
    [id],
  );
  return webhook ?? null;
}
