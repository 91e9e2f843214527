import type { LeasedTable } from '../core/claim-statement';
import { backoffMs, elapsedSince } from '../core/clock';
import type { DueQuery } from '../core/due';
import { failpoint } from '../core/failpoint';
import { toGlobalId } from '../core/ids';
import {
  LeasedRows,
  emptyBatch,
  type Claimed,
  type LeaseOptions,
  type StartedBatch,
} from '../core/leased-rows';
import type { OwnerShares } from '../core/owner-shares';
import type { Slot } from '../core/slot';
import type { Transactions } from '../core/sql';
import {
  findDueDeliveries,
  readLeased,
  recordDelivered,
  recordFailed,
  releaseUnsigned,
  releaseWebhook,
  slowAttemptMs,
} from './webhook-delivery.repository';
import { disableWithNotice } from './webhook-disabling';
import type { WebhookKeysWork } from './webhook-keys.work';
import type { MadeAttempt, SentAttempt, WebhookSender } from './webhook-sender';
import type { WebhookAttemptRow, WebhookDeliveryEntity, WebhookEntity } from './webhook.entity';

/** The delay after the first failed attempt of a delivery, and the maximum delay, in milliseconds. */
const firstRetryMs = 5_000;
const maxRetryMs = 2 * 3_600_000;

/** After so many failed attempts in a row, an endpoint rests between attempts, at most this time, in milliseconds. */
const failuresBeforeRest = 3;
const maxRestMs = 300_000;

/** How long a worker sends to one endpoint before the next one has its turn, in milliseconds, and in deliveries. */
const maxTurnMs = 5_000;
const deliveriesPerTurn = 20;

/** Maximum number of webhooks remembered as logged. */
const maxLoggedUnreadable = 10_000;

export interface WebhookDeliveryWorkDeps extends LeaseOptions {
  /** The webhooks to send to. */
  webhooks: LeasedTable<WebhookEntity>;
  database: Transactions;
  sender: Pick<WebhookSender, 'send'>;
  /** Disables webhooks whose API keys have ended. */
  keys: Pick<WebhookKeysWork, 'disable'>;
  /** Maximum duration of an attempt, in milliseconds. */
  timeoutMs: number;
  /** One for each endpoint that is sent to at a time. */
  slots: OwnerShares;
  /** An attempt that becomes slow moves there. */
  slowSlots: OwnerShares;
  /** Called AFTER a notice to an owner was added, with the id of its stream. */
  onNotice: (streamId: string) => void;
  /** Called AFTER an attempt was recorded. */
  onAttempt: (outcome: MadeAttempt['outcome']) => void;
}

const delays = {
  retryMs: (tries: number): number => backoffMs(tries, firstRetryMs, maxRetryMs),
  restMs: (tries: number): number =>
    tries < failuresBeforeRest ? 0 : backoffMs(tries - failuresBeforeRest + 1, firstRetryMs, maxRestMs),
};

/**
 * Sends the deliveries of webhooks. A webhook is leased by one worker, which sends one delivery at a time: a slow endpoint uses
 * one slot, which is one for slow endpoints after a moment, while those have one left. If the process is killed after an answer,
 * the delivery is sent again, with the same id.
 */
export class WebhookDeliveryWork {
  private readonly rows: LeasedRows<WebhookEntity>;
  /** Webhooks whose secret could not be read, which was logged. */
  private readonly unreadable = new Set<string>();

  constructor(private readonly deps: WebhookDeliveryWorkDeps) {
    this.rows = new LeasedRows(deps.database, deps.webhooks, deps);
  }

  /** When the next delivery is due. */
  get due(): DueQuery {
    return this.rows.due();
  }

  /**
   * Starts sending to endpoints with due deliveries, round-robin between owners.
   * @param signal - aborts the attempts, which do not count
   */
  async processBatch(signal: AbortSignal): Promise<StartedBatch> {
    const { slots } = this.deps;
    await slots.whenFree(signal);
    if (signal.aborted) return emptyBatch;
    return this.rows.start(slots, {}, (webhook, slot) => this.sendDue(webhook, slot, signal));
  }

  private async sendDue(webhook: Claimed<WebhookEntity>, slot: Slot, signal: AbortSignal): Promise<void> {
    const { database } = this.deps;
    const endMs = performance.now() + maxTurnMs;
    const isOver = (): boolean => signal.aborted || performance.now() >= endMs;
    for (let left = deliveriesPerTurn; left > 0 && !isOver();) {
      // The first of each stream; then the next ones of streams whose first was delivered.
      const deliveries = await findDueDeliveries(database, webhook.id, left);
      if (deliveries.length === 0) break;
      left -= deliveries.length;
      for (const delivery of deliveries) {
        if (isOver()) break;
        if (!(await this.sendOne(webhook, delivery, slot, signal))) return;
      }
    }
    await database.transaction((sql) => releaseWebhook(sql, webhook));
  }

  /** @returns whether this worker still leases the webhook */
  private async sendOne(
    webhook: Claimed<WebhookEntity>,
    delivery: WebhookDeliveryEntity,
    slot: Slot,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { database, leaseMs } = this.deps;
    const elapsedMs = elapsedSince();
    // The owner may have changed, paused or deleted it, its API key may have ended, and the endpoint may rest.
    const present = await readLeased(database, webhook, delivery.id);
    if (!present) {
      if (await this.deps.keys.disable(webhook.id)) return false;
      await database.transaction((sql) => releaseWebhook(sql, webhook));
      return false;
    }
    if (!present.isPending) return true;
    await failpoint('webhook:read');
    // A process that was suspended may have lost its lease, and what was read may be outdated.
    if (elapsedMs() > leaseMs) return false;
    const sent = await this.whileSlow(slot, () => this.send(present, delivery, signal));
    if (sent.outcome === 'deferred') {
      await this.rows.defer(webhook, signal);
      return false;
    }
    if (sent.outcome === 'unsigned') {
      await this.deferUnsigned(webhook, delivery, sent.attempt);
      return false;
    }
    this.unreadable.delete(webhook.id);
    return this.record(webhook, delivery, sent);
  }

  /** Moves the slot of an attempt that takes long, as soon as slow endpoints have one left for its owner. */
  private async whileSlow<Result>(slot: Slot, attempt: () => Promise<Result>): Promise<Result> {
    const timer = setInterval(() => {
      if (slot.moveTo(this.deps.slowSlots)) clearInterval(timer);
    }, slowAttemptMs);
    try {
      return await attempt();
    } finally {
      clearInterval(timer);
    }
  }

  private async send(
    webhook: WebhookEntity,
    delivery: WebhookDeliveryEntity,
    signal: AbortSignal,
  ): Promise<SentAttempt> {
    const message = { id: toGlobalId('WebhookDelivery', delivery.id), body: delivery.body };
    const sent = await this.deps.sender.send(webhook, message, this.deps.timeoutMs, signal);
    await failpoint('webhook:answered');
    return sent;
  }

  private async deferUnsigned(
    webhook: Claimed<WebhookEntity>,
    delivery: WebhookDeliveryEntity,
    attempt: WebhookAttemptRow,
  ): Promise<void> {
    const { database, logger } = this.deps;
    await database.transaction((sql) => releaseUnsigned(sql, webhook, delivery, attempt));
    if (this.unreadable.has(webhook.id)) return;
    if (this.unreadable.size < maxLoggedUnreadable) this.unreadable.add(webhook.id);
    logger.error(
      { webhookId: toGlobalId('Webhook', webhook.id) },
      'the secret of a webhook cannot be read; its deliveries wait',
    );
  }

  /** @returns whether this worker still leases the webhook */
  private async record(
    webhook: Claimed<WebhookEntity>,
    delivery: WebhookDeliveryEntity,
    { outcome, attempt }: MadeAttempt,
  ): Promise<boolean> {
    const { database, onAttempt } = this.deps;
    if (outcome === 'failed') return this.recordFailure(webhook, delivery, attempt);
    const isRecorded = await database.transaction((sql) =>
      recordDelivered(sql, webhook, delivery, attempt, (tries) => tries >= failuresBeforeRest),
    );
    if (isRecorded) onAttempt(outcome);
    return isRecorded;
  }

  private async recordFailure(
    webhook: Claimed<WebhookEntity>,
    delivery: WebhookDeliveryEntity,
    attempt: WebhookAttemptRow,
  ): Promise<boolean> {
    const { database, logger, onAttempt, onNotice } = this.deps;
    const recorded = await database.transaction(async (sql) => {
      const failed = await recordFailed(sql, webhook, delivery, attempt, delays);
      if (!failed) return null;
      return {
        notice: failed.isOver ? await disableWithNotice(sql, failed.before, disabledTexts(attempt)) : null,
      };
    });
    if (!recorded) return false;
    onAttempt('failed');
    if (!recorded.notice) return true;
    onNotice(recorded.notice.id);
    logger.warn(
      { webhookId: toGlobalId('Webhook', webhook.id) },
      'a webhook was disabled, because it has failed for 24 hours',
    );
    return false;
  }
}

/** Why a webhook is disabled, and what its owner can do. */
function disabledTexts({ httpStatus, excerpt }: WebhookAttemptRow): { reason: string; remedy: string } {
  const last = httpStatus === null ? excerpt : `HTTP ${httpStatus}.`;
  return {
    reason: `No delivery has succeeded for 24 hours. The last attempt: ${last}`,
    remedy: 'Repair the endpoint and enable the webhook with updateWebhook',
  };
}
