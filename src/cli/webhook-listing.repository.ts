import { toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import type { Cell } from './printout';

/** A webhook with the numbers of its deliveries; of its URL only the host, since the rest may be secret. */
export type WebhookFacts = Record<string, Cell>;

/** Lists webhooks, newest first. */
export async function listWebhooks(
  sql: Sql,
  { owner, status }: { owner: string | null; status: string | null },
): Promise<WebhookFacts[]> {
  const rows = await sql.rows<WebhookFacts>(
    `SELECT w.id, w.owner, w.status, w.disabled_reason AS "disabledReason", w.failing_since AS "failingSince",
            substring(w.url FROM '://([^/?#]*)') AS host, w.created_at AS "createdAt", w.key_id AS "keyId",
            (SELECT count(*)::int FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.status = 'PENDING') AS pending,
            (SELECT count(*)::int FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.status = 'FAILED') AS failed
       FROM webhooks w WHERE ($1::text IS NULL OR w.owner = $1) AND ($2::text IS NULL OR w.status = $2)
      ORDER BY w.id DESC`,
    [owner, status],
  );
  return rows.map((row) => ({ ...row, id: toGlobalId('Webhook', row.id as string) }));
}

/** The owner of a webhook; null without a webhook with the UUID. */
export async function ownerOfWebhook(sql: Sql, id: string): Promise<string | null> {
  const [row] = await sql.rows<{ owner: string }>('SELECT owner FROM webhooks WHERE id = $1', [id]);
  return row?.owner ?? null;
}
