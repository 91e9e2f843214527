import { newId, toGlobalId } from '../../src/core/ids';
import type { Transactions } from '../../src/core/sql';
import { appendEvents, openStream } from '../../src/events/event-log.repository';
import type { Client } from './client';
import type { Environment } from './environment';

/** A webhook as its owner sees it. */
export interface WebhookView {
  id: string;
  url: string;
  description: string | null;
  eventTypes: string[];
  status: string;
  disabledReason: string | null;
}

/** A delivery as its owner sees it. */
export interface DeliveryView {
  id: string;
  eventType: string;
  subjectId: string;
  status: string;
  nextAttemptAt: string | null;
  attempts: { startedAt: string; durationMs: number; httpStatus: number | null; excerpt: string }[];
}

const webhookFields = 'id url description eventTypes status disabledReason createdAt';
const deliveryFields =
  'id eventType subjectId status createdAt nextAttemptAt attempts { startedAt durationMs httpStatus excerpt }';

/** Creates a webhook. */
export async function createWebhook(
  client: Client,
  input: { url: string; eventTypes?: string[]; description?: string },
): Promise<{ webhook: WebhookView; secret: string }> {
  const query = `mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) { webhook { ${webhookFields} } secret } }`;
  return (await client.request<{ createWebhook: { webhook: WebhookView; secret: string } }>(query, { input }))
    .createWebhook;
}

/** Changes a webhook. */
export async function updateWebhook(
  client: Client,
  input: { id: string; status?: string; url?: string; description?: string | null },
): Promise<WebhookView> {
  const query = `mutation ($input: UpdateWebhookInput!) { updateWebhook(input: $input) { webhook { ${webhookFields} } } }`;
  return (await client.request<{ updateWebhook: { webhook: WebhookView } }>(query, { input })).updateWebhook
    .webhook;
}

/** The viewer's webhooks. */
export async function webhooksOf(client: Client): Promise<WebhookView[]> {
  const { webhooks } = await client.request<{ webhooks: { nodes: WebhookView[] } }>(
    `{ webhooks(first: 100) { nodes { ${webhookFields} } } }`,
  );
  return webhooks.nodes;
}

/** The log of a webhook, the oldest first. */
export async function deliveriesOf(client: Client, id: string, statuses?: string[]): Promise<DeliveryView[]> {
  const query = `query ($id: ID!, $statuses: [WebhookDeliveryStatus!]) {
    node(id: $id) { ... on Webhook { deliveries(first: 100, statuses: $statuses) { nodes { ${deliveryFields} } totalCount } } } }`;
  const { node } = await client.request<{ node: { deliveries: { nodes: DeliveryView[] } } }>(query, {
    id,
    statuses,
  });
  return node.deliveries.nodes.reverse();
}

/** What a replay did. */
export interface ReplayResult {
  matchedCount: number;
  changedCount: number;
  hasMore: boolean;
  failures: { id: string; code: string }[];
}

/** Replays deliveries. */
export async function replay(client: Client, webhookId: string, select: object): Promise<ReplayResult> {
  const query = `mutation ($input: ReplayWebhookDeliveriesInput!) {
    replayWebhookDeliveries(input: $input) { result { matchedCount changedCount hasMore failures { id code } } } }`;
  const data = await client.request<{ replayWebhookDeliveries: { result: ReplayResult } }>(query, {
    input: { webhookId, select },
  });
  return data.replayWebhookDeliveries.result;
}

/** Appends events of a model as they are when its status changes. Returns its global id. */
export async function emitModel(
  database: Transactions,
  owner: string,
  statuses: readonly string[],
  modelId = newId(),
): Promise<string> {
  await database.transaction(async (sql) => {
    const existing = await sql.rows('SELECT 1 FROM streams WHERE id = $1', [modelId]);
    if (existing.length === 0) await openStream(sql, modelId, owner);
    await appendEvents(
      sql,
      statuses.map((status) => ({
        streamId: modelId,
        kind: 'MODEL' as const,
        subjectId: modelId,
        payload: { id: modelId, owner, status, attempt: 1, failureCode: null, failureRetryable: null },
      })),
    );
  });
  return toGlobalId('AvatarModel', modelId);
}

/** Announces work, as a mutation does: rows were changed without the gateway. */
export async function wake(client: Client, webhookId: string): Promise<void> {
  await updateWebhook(client, { id: webhookId });
}

/** Advances the clock of all webhooks and deliveries. */
export async function passTime(gateway: Environment, ms: number): Promise<void> {
  const by = `- $1 * interval '1 ms'`;
  await gateway.rows(
    `UPDATE webhook_deliveries SET next_attempt_at = next_attempt_at ${by}, failing_since = failing_since ${by},
            failed_at = failed_at ${by}, created_at = created_at ${by}, replayed_at = replayed_at ${by}`,
    [ms],
  );
  await gateway.rows(
    `UPDATE webhooks SET rest_until = rest_until ${by}, failing_since = failing_since ${by}, succeeded_at = succeeded_at ${by},
            due_at = CASE WHEN lease IS NULL THEN due_at ${by} ELSE due_at END`,
    [ms],
  );
}

/** The number of attempts of each delivery, the oldest first. */
export async function attemptsOf(client: Client, id: string): Promise<number[]> {
  return (await deliveriesOf(client, id)).map((delivery) => delivery.attempts.length);
}
