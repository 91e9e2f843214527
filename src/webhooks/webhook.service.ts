import { audit } from '../accounts/audit.repository';
import { writeTransaction } from '../accounts/write-admission.repository';
import type { BulkFailure, BulkResult } from '../core/bulk-changes';
import { DomainError, notFound } from '../core/errors';
import { newId, nodeKinds, toGlobalId, uuidOf, type InputId } from '../core/ids';
import { rangeProblem, type CreatedRange } from '../core/list-conditions';
import { OwnedList } from '../core/owned-list';
import { OwnerShares } from '../core/owner-shares';
import type { WithoutTurn } from '../core/owner-turns';
import type { Sql, Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { createOwnerStream, openOwnerStream } from '../events/owner-stream.repository';
import { checkedIds, checkOverlap, checkWebhook, requireReader } from './webhook-checks';
import {
  deleteDeliveriesOf,
  deliveryTable,
  findDeliveries,
  type DeliveryFilter,
} from './webhook-delivery.repository';
import { messageOf } from './webhook-events';
import { countPending } from './webhook-follow.repository';
import { assignKey } from './webhook-keys.repository';
import { createdField, replayDeliveries } from './webhook-replay.repository';
import type { WebhookSecrets } from './webhook-secrets';
import type { WebhookSender } from './webhook-sender';
import type { WebhookAttemptRow, WebhookDeliveryEntity, WebhookEntity } from './webhook.entity';
import {
  changeWebhook,
  countWebhooks,
  deleteWebhook,
  enableWebhook,
  findWebhooks,
  insertWebhook,
  lockWebhook,
  pauseWebhook,
  replaceSecret,
  webhookTable,
  type WebhookChange,
} from './webhook.repository';
import { webhookEventTypes, type WebhookEventType } from './webhook.state';

/** The maximum duration of a test, in milliseconds: half of the time limit of an operation. */
const maxTestMs = 5_000;
/** Maximum number of concurrent tests of a process. */
const maxTests = 16;
/** No call replays deliveries beyond this number of pending ones. */
const maxPendingReplays = 5_000;
const deliveriesPerDeletion = 5_000;

/** A new webhook. */
export interface WebhookInput {
  readonly url: string;
  readonly description: string | null;
  /** Null: all. */
  readonly eventTypes: readonly WebhookEventType[] | null;
}

/** Which deliveries to replay; exactly one is given. */
export interface DeliverySelection {
  readonly ids: readonly InputId[] | null;
  readonly created: CreatedRange | null;
}

export interface WebhookServiceDeps {
  database: Transactions;
  secrets: WebhookSecrets;
  sender: WebhookSender;
  /** Maximum number of webhooks of an owner. */
  maxWebhooks: number;
  /** Maximum number of deliveries that a call replays. */
  maxReplays: number;
  /** Maximum duration of an attempt, in milliseconds. */
  timeoutMs: number;
  /** Called AFTER deliveries have become due. */
  onDue: () => void;
}

/** Webhooks of owners. Those of other owners are treated as not existing. */
export class WebhookService {
  /** Lists of webhooks. */
  readonly list: OwnedList<WebhookEntity, object>;
  /** Lists of deliveries. */
  readonly deliveries: OwnedList<WebhookDeliveryEntity, DeliveryFilter>;
  private readonly tests = new OwnerShares(maxTests);

  constructor(private readonly deps: WebhookServiceDeps) {
    this.list = new OwnedList(deps.database, webhookTable);
    this.deliveries = new OwnedList(deps.database, deliveryTable);
  }

  /** The viewer's webhooks with the given ids, in any order. */
  findMany(viewer: Viewer, ids: readonly string[]): Promise<WebhookEntity[]> {
    return findWebhooks(this.deps.database, viewer.owner, ids);
  }

  /** The viewer's deliveries with the given ids, in any order. */
  findDeliveries(viewer: Viewer, ids: readonly string[]): Promise<WebhookDeliveryEntity[]> {
    return findDeliveries(this.deps.database, viewer.owner, ids);
  }

  /**
   * Creates a webhook for all later events of the viewer. It belongs to the viewer's API key, if there is one, and ends with it.
   * @throws DomainError INVALID_INPUT, QUOTA_EXCEEDED; FORBIDDEN without the scope `read`
   */
  async create(viewer: Viewer, input: WebhookInput): Promise<{ webhook: WebhookEntity; secret: string }> {
    const { database, secrets, maxWebhooks } = this.deps;
    requireReader(viewer);
    this.check({ ...input, eventTypes: input.eventTypes ?? undefined });
    const { owner } = viewer;
    await writeTransaction(database, viewer, (sql) => createOwnerStream(sql, owner));
    const stream = await openOwnerStream(database, owner);
    const [id, secret] = [newId(), secrets.create()];
    const webhook = await writeTransaction(database, viewer, async (sql) => {
      if ((await countWebhooks(sql, owner)) >= maxWebhooks) throw tooMany(maxWebhooks);
      const created = await insertWebhook(sql, {
        ...{ id, owner, url: input.url, description: input.description, keyId: viewer.keyId ?? null },
        eventTypes: distinct(input.eventTypes ?? webhookEventTypes),
        secret: secrets.encrypt(secret, id),
        ownerStreamId: stream!.id,
        position: stream!.sequence,
      });
      await audit(sql, viewer, { action: 'createWebhook', subject: toGlobalId('Webhook', id) });
      return created;
    });
    return { webhook, secret };
  }

  /**
   * Changes a webhook. With a new URL, or when it is enabled, it belongs to the viewer's API key, or without one to its owner only.
   * @throws DomainError INVALID_INPUT, NOT_FOUND; FORBIDDEN if it would send events to a viewer without the scope `read`
   */
  async update(viewer: Viewer, target: InputId, change: WebhookChange): Promise<WebhookEntity> {
    const { onDue } = this.deps;
    const { status, eventTypes } = change;
    const isAssigned = change.url !== undefined || status === 'ENABLED';
    if (isAssigned) requireReader(viewer);
    this.check(change);
    const webhook = await this.changing(viewer, target, 'updateWebhook', async (sql, before) => {
      const { id } = before;
      if (isAssigned) await assignKey(sql, id, viewer.keyId ?? null);
      const changed = await changeWebhook(sql, id, {
        ...change,
        ...(eventTypes && { eventTypes: distinct(eventTypes) }),
      });
      if (status === undefined || status === before.status) return changed;
      return status === 'PAUSED' ? pauseWebhook(sql, id) : enableWebhook(sql, id);
    });
    onDue();
    return webhook;
  }

  /** Deletes a webhook and its deliveries. A delivery that is being sent is completed. Idempotent. */
  async delete(viewer: Viewer, id: string): Promise<void> {
    const { database } = this.deps;
    const { owner } = viewer;
    const isDeleted = await writeTransaction(database, viewer, async (sql) => {
      if (!(await deleteWebhook(sql, owner, id))) return false;
      await audit(sql, viewer, { action: 'deleteWebhook', subject: toGlobalId('Webhook', id) });
      return true;
    });
    if (!isDeleted) return;
    // If this is interrupted, the others are deleted at the end of their retention.
    while ((await deleteDeliveriesOf(database, { owner, webhookId: id }, deliveriesPerDeletion)) > 0);
  }

  /**
   * Replaces the secret.
   * @param overlapSeconds - how long deliveries are signed with the old secret too
   * @throws DomainError INVALID_INPUT, NOT_FOUND
   */
  async rotateSecret(
    viewer: Viewer,
    target: InputId,
    overlapSeconds: number,
  ): Promise<{ webhook: WebhookEntity; secret: string }> {
    checkOverlap(overlapSeconds);
    const { secrets } = this.deps;
    const secret = secrets.create();
    const webhook = await this.changing(viewer, target, 'rotateWebhookSecret', (sql, { id }) =>
      replaceSecret(sql, { id, secret: secrets.encrypt(secret, id), overlapSeconds }),
    );
    return { webhook, secret };
  }

  /**
   * Sends a message of the type `ping`, also to a webhook that is not enabled.
   * @param withoutTurn - runs the request to the endpoint. \@defaultValue it is only called
   * @throws DomainError NOT_FOUND; RATE_LIMITED while the viewer tests others
   */
  async test(
    viewer: Viewer,
    target: InputId,
    withoutTurn: WithoutTurn = (work) => work(),
  ): Promise<WebhookAttemptRow> {
    const { sender, timeoutMs } = this.deps;
    const [webhook] = await this.findMany(viewer, [uuidOf(target)]);
    if (!webhook) throw notFound(nodeKinds.Webhook, target.field);
    if (!this.tests.tryAcquire(viewer.owner, 1)) throw tooManyTests();
    try {
      const body = messageOf('ping', new Date(), { webhookId: toGlobalId('Webhook', webhook.id) });
      const limitMs = Math.min(timeoutMs, maxTestMs);
      const message = { id: `ping_${newId().replaceAll('-', '')}`, body };
      const { signal } = new AbortController();
      const sent = await withoutTurn(() => sender.send(webhook, message, limitMs, signal));
      if (sent.outcome === 'deferred') throw tooManyTests();
      return sent.attempt;
    } finally {
      this.tests.release(viewer.owner, 1);
    }
  }

  /**
   * Sends delivered and failed deliveries again: first those that were never replayed, the oldest first. Pending ones are left as they are.
   * @throws DomainError INVALID_INPUT, NOT_FOUND; QUOTA_EXCEEDED while as many are pending as a webhook may have
   */
  async replay(viewer: Viewer, target: InputId, { ids, created }: DeliverySelection): Promise<BulkResult> {
    const { maxReplays, onDue } = this.deps;
    const uuids = ids && checkedIds(ids);
    const problem = created && rangeProblem(created, createdField);
    if (problem) throw problem;
    const result = await this.changing(viewer, target, null, async (sql, { id }) => {
      const pending = await countPending(sql, id, maxPendingReplays);
      if (pending >= maxPendingReplays) throw tooManyPending(target.field);
      const limit = Math.min(maxReplays, maxPendingReplays - pending);
      const selection = uuids ? { ids: uuids } : { created: created ?? {} };
      return replayDeliveries(sql, id, selection, limit);
    });
    onDue();
    const known = new Set(result.matched);
    const { matchedCount, changedCount, hasMore } = result;
    return {
      ...{ matchedCount, changedCount, hasMore },
      failures: [...new Set(uuids ?? [])].filter((id) => !known.has(id)).map(unknownDelivery),
    };
  }

  private check(values: WebhookChange): void {
    checkWebhook(values, (url, field) => this.deps.sender.checkUrl(url, field));
  }

  /** Runs `work` on the viewer's webhook, locked. */
  private changing<Result>(
    viewer: Viewer,
    target: InputId,
    action: 'updateWebhook' | 'rotateWebhookSecret' | null,
    work: (sql: Sql, webhook: WebhookEntity) => Promise<Result>,
  ): Promise<Result> {
    const id = uuidOf(target);
    return writeTransaction(this.deps.database, viewer, async (sql) => {
      const webhook = await lockWebhook(sql, viewer.owner, id);
      if (!webhook) throw notFound(nodeKinds.Webhook, target.field);
      const result = await work(sql, webhook);
      if (action) await audit(sql, viewer, { action, subject: toGlobalId('Webhook', id) });
      return result;
    });
  }
}

/** The types without repetitions, in the order of the enum. */
function distinct(types: readonly WebhookEventType[]): WebhookEventType[] {
  return webhookEventTypes.filter((type) => types.includes(type));
}

function unknownDelivery(id: string): BulkFailure {
  const { code, message } = notFound(nodeKinds.WebhookDelivery);
  return { id: toGlobalId('WebhookDelivery', id), code, message };
}

function tooMany(maximum: number): DomainError {
  return new DomainError(
    'QUOTA_EXCEEDED',
    `You have ${maximum} webhooks, the maximum. Delete one before you create another.`,
    { details: { maximum } },
  );
}

function tooManyPending(field: string | undefined): DomainError {
  return new DomainError(
    'QUOTA_EXCEEDED',
    `The webhook has ${maxPendingReplays} pending deliveries, the maximum for a replay. Replay others when these have arrived.`,
    { field, details: { maximum: maxPendingReplays } },
  );
}

function tooManyTests(): DomainError {
  return new DomainError('RATE_LIMITED', 'Too many tests are in progress. Retry in a few seconds.', {
    details: { retryAfterSeconds: maxTestMs / 1_000 },
  });
}
