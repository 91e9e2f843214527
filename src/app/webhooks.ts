import { Counter, Gauge, type Registry } from 'prom-client';
import type { Config } from '../config';
import type { LeasedTable } from '../core/claim-statement';
import type { Logger } from '../core/logger';
import type { Sql, Transactions } from '../core/sql';
import type { Wakeups } from '../events/wakeups';
import { createGuard } from '../upstream/guard';
import { HttpExchange } from '../upstream/http-exchange';
import { WebhookDeliveryWork } from '../webhooks/webhook-delivery.work';
import { WebhookFollowWork } from '../webhooks/webhook-follow.work';
import { WebhookSecrets } from '../webhooks/webhook-secrets';
import { WebhookSender } from '../webhooks/webhook-sender';
import type { WebhookEntity } from '../webhooks/webhook.entity';
import { countWebhooksByStatus, leasedWebhooks } from '../webhooks/webhook.repository';
import { WebhookService } from '../webhooks/webhook.service';

/** What {@link makeWebhooks} uses. */
interface WebhookDeps {
  config: Config;
  database: Transactions;
  wakeups: Pick<Wakeups, 'announce'>;
  /** The first one encrypts the secrets of webhooks. */
  signingSecrets: readonly string[];
}

/** Creates the services of webhooks. */
export function makeWebhooks({ config, database, wakeups, signingSecrets }: WebhookDeps): {
  service: WebhookService;
  sender: WebhookSender;
} {
  const secrets = new WebhookSecrets(signingSecrets);
  // Not that of photos: endpoints are sent requests, and their owners see the answers.
  const guard = createGuard({ allow: config.WEBHOOK_URL_ALLOW, setting: 'WEBHOOK_URL_ALLOW', ports: [443] });
  // Each call has a connection of its own.
  const sender = new WebhookSender(new HttpExchange(1), guard, secrets);
  const service = new WebhookService({
    ...{ database, secrets, sender },
    maxWebhooks: config.MAX_WEBHOOKS_PER_OWNER,
    maxReplays: config.MAX_BULK_OBJECTS,
    timeoutMs: config.WEBHOOK_TIMEOUT,
    onDue: () => {
      wakeups.announce({ work: true });
    },
  });
  return { service, sender };
}

/** Counts what the work of webhooks does. */
export interface WebhookMetrics {
  /** A webhook has missed events. */
  webhookGap: () => void;
  /** An event was sent to a webhook. */
  webhookAttempt: (outcome: 'delivered' | 'failed') => void;
}

/** The work that sends events to webhooks. */
export interface WebhookWork {
  readonly follow: WebhookFollowWork;
  readonly deliveries: WebhookDeliveryWork;
  /** To endpoints whose last attempt failed: in slots of their own, so that they do not delay the others. */
  readonly failing: WebhookDeliveryWork;
  /** Encrypts the secrets of all webhooks with the first signing secret. */
  readonly renewSecrets: () => Promise<void>;
}

/** Creates the work that sends events to webhooks. */
export function createWebhookWork(
  {
    config,
    logger,
    database,
    metrics,
  }: Pick<WebhookDeps, 'config' | 'database'> & { logger: Logger; metrics: WebhookMetrics },
  { webhookSender: sender }: { webhookSender: WebhookSender },
): WebhookWork {
  const deliveriesTo = (webhooks: LeasedTable<WebhookEntity>, maxDeliveries: number): WebhookDeliveryWork =>
    new WebhookDeliveryWork({
      ...{ webhooks, database, sender, logger, maxDeliveries },
      leaseMs: config.LEASE,
      weights: config.OWNER_WEIGHTS,
      timeoutMs: config.WEBHOOK_TIMEOUT,
      onAttempt: metrics.webhookAttempt,
    });
  const slots = config.MAX_WEBHOOK_DELIVERIES;
  return {
    follow: new WebhookFollowWork({ database, logger, onGap: metrics.webhookGap }),
    deliveries: deliveriesTo(leasedWebhooks.due, slots),
    failing: deliveriesTo(leasedWebhooks.failing, Math.ceil(slots / 2)),
    renewSecrets: () => sender.renewSecrets(database),
  };
}

/** Creates the counters, and the gauges that are read from the database on each scrape. */
export function createWebhookMetrics(sql: Sql, registry: Registry): WebhookMetrics {
  const registers = [registry];
  gaugesOfWebhooks(sql, registry);
  const gaps = new Counter({
    name: 'likeness_webhook_gaps_total',
    help: 'Times that a webhook has missed events, because they were no longer stored.',
    registers,
  });
  const attempts = new Counter({
    name: 'likeness_webhook_attempts_total',
    help: 'Attempts to deliver an event to a webhook, by outcome: delivered or failed.',
    labelNames: ['outcome'],
    registers,
  });
  return {
    webhookGap: () => {
      gaps.inc();
    },
    webhookAttempt: (outcome) => {
      attempts.inc({ outcome });
    },
  };
}

function gaugesOfWebhooks(sql: Sql, registry: Registry): void {
  const oldest = new Gauge({
    name: 'likeness_webhook_oldest_pending_seconds',
    help: 'The age of the oldest pending delivery of an enabled webhook; 0 without any.',
    registers: [registry],
  });
  const gauge = new Gauge({
    name: 'likeness_webhooks',
    help: 'Webhooks by status: ENABLED, PAUSED, DISABLED.',
    labelNames: ['status'],
    registers: [registry],
    async collect() {
      const { byStatus, oldestPendingSeconds } = await countWebhooksByStatus(sql);
      gauge.reset();
      for (const { status, count } of byStatus) gauge.set({ status }, count);
      oldest.set(oldestPendingSeconds);
    },
  });
}
