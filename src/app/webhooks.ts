import type { Config } from '../config';
import type { LeasedTable } from '../core/claim-statement';
import type { Logger } from '../core/logger';
import { OwnerShares } from '../core/owner-shares';
import type { Transactions } from '../core/sql';
import type { DatabaseClock } from '../database/database-clock';
import type { Wakeups } from '../events/wakeups';
import { createGuard } from '../upstream/guard';
import { HttpExchange } from '../upstream/http-exchange';
import { WebhookDeliveryWork } from '../webhooks/webhook-delivery.work';
import { WebhookFollowWork } from '../webhooks/webhook-follow.work';
import { WebhookKeysWork } from '../webhooks/webhook-keys.work';
import { WebhookSecrets } from '../webhooks/webhook-secrets';
import { WebhookSender } from '../webhooks/webhook-sender';
import type { WebhookEntity } from '../webhooks/webhook.entity';
import { leasedWebhooks } from '../webhooks/webhook.repository';
import { WebhookService } from '../webhooks/webhook.service';
import type { JobMetrics } from './metrics/job-metrics';

/** How many slow attempts may be open for each slot: so many that hanging endpoints of many owners leave slots to others. */
const maxSlowPerSlot = 16;

/** The topic that is announced when a webhook was changed. */
export const webhooksTopic = 'webhooks';

/** What {@link makeWebhooks} uses. */
interface WebhookDeps {
  config: Config;
  database: Transactions;
  wakeups: Pick<Wakeups, 'announce'>;
  /** The first one encrypts the secrets of webhooks. */
  signingSecrets: readonly string[];
  clock: DatabaseClock;
}

/** Creates the services of webhooks. */
export function makeWebhooks({ config, database, wakeups, signingSecrets, clock }: WebhookDeps): {
  service: WebhookService;
  sender: WebhookSender;
} {
  const secrets = new WebhookSecrets(signingSecrets);
  // Not that of photos: endpoints are sent requests, and their owners see the answers.
  const guard = createGuard({ allow: config.WEBHOOK_URL_ALLOW, setting: 'WEBHOOK_URL_ALLOW', ports: [443] });
  // Each call has a connection of its own.
  const sender = new WebhookSender(new HttpExchange(1), guard, secrets, clock);
  const service = new WebhookService({
    ...{ database, secrets, sender },
    maxWebhooks: config.MAX_WEBHOOKS_PER_OWNER,
    maxReplays: config.MAX_BULK_OBJECTS,
    timeoutMs: config.WEBHOOK_TIMEOUT,
    onDue: () => {
      wakeups.announce({ work: true, topics: [webhooksTopic] });
    },
  });
  return { service, sender };
}

/** The work that sends events to webhooks. */
export interface WebhookWork {
  readonly follow: WebhookFollowWork;
  readonly deliveries: WebhookDeliveryWork;
  /** To endpoints whose last attempt failed or was slow: in slots of their own, so that they do not delay the others. */
  readonly failing: WebhookDeliveryWork;
  /** Disables the webhooks of API keys that have ended. */
  readonly keys: WebhookKeysWork;
  /** Encrypts the secrets of all webhooks with the first signing secret. */
  readonly renewSecrets: () => Promise<void>;
}

/**
 * Creates the work that sends events to webhooks.
 * @param onDue - called AFTER deliveries were added
 */
export function createWebhookWork(
  {
    config,
    logger,
    database,
    wakeups,
    metrics,
  }: Pick<WebhookDeps, 'config' | 'database' | 'wakeups'> & {
    logger: Logger;
    metrics: Pick<JobMetrics, 'webhookGap' | 'webhookAttempt'>;
  },
  { webhookSender: sender }: { webhookSender: WebhookSender },
  onDue: () => void,
): WebhookWork {
  const onNotice = (streamId: string): void => wakeups.announce({ streams: [streamId] });
  const keys = new WebhookKeysWork({ database, logger, onNotice });
  const { MAX_WEBHOOK_DELIVERIES: maxDeliveries, OWNER_WEIGHTS: weights } = config;
  const failingSlots = new OwnerShares(Math.ceil(maxDeliveries / 2), weights);
  const slots = new OwnerShares(maxDeliveries, weights);
  const slowSlots = new OwnerShares(maxSlowPerSlot * maxDeliveries, weights);
  const deliveriesTo = (
    webhooks: LeasedTable<WebhookEntity>,
    slots: OwnerShares,
    slowSlots: OwnerShares,
  ): WebhookDeliveryWork =>
    new WebhookDeliveryWork({
      ...{ webhooks, database, sender, keys, logger, slots, slowSlots, onNotice, weights },
      leaseMs: config.LEASE,
      timeoutMs: config.WEBHOOK_TIMEOUT,
      onAttempt: metrics.webhookAttempt,
    });
  return {
    follow: new WebhookFollowWork({ database, logger, onGap: metrics.webhookGap, onDue }),
    deliveries: deliveriesTo(leasedWebhooks.due, slots, slowSlots),
    failing: deliveriesTo(leasedWebhooks.failing, failingSlots, failingSlots),
    keys,
    renewSecrets: () => sender.renewSecrets(database),
  };
}
