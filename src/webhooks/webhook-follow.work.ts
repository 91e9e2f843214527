import type { DueQuery } from '../core/due';
import { newId } from '../core/ids';
import type { Logger } from '../core/logger';
import type { Transactions } from '../core/sql';
import type { StoredEvent } from '../events/event';
import {
  createOwnerStream,
  numberEvents,
  openOwnerStreams,
  readOwnerPages,
} from '../events/owner-stream.repository';
import { deletedIn, mayEnterStatus, webhookEventOf, type WebhookEvent } from './webhook-events';
import {
  countPending,
  dropDeliveries,
  findWebhooksBehind,
  followDue,
  followLater,
  insertDeliveries,
  lockPosition,
  moveToStream,
  statesBefore,
  type WebhookBehind,
} from './webhook-follow.repository';
import { lockWebhook } from './webhook.repository';

/** Maximum number of pending deliveries of a webhook; replayed ones may be more. Its other events wait in the owner's stream. */
const maxPending = 1_000;

const webhooksPerRun = 50;
const eventsPerRead = 200;
/** When the events of a webhook with too many pending deliveries, or after a failure, are read again, in milliseconds. */
const laterMs = 10_000;

export interface WebhookFollowWorkDeps {
  database: Transactions;
  logger: Logger;
  /** Called AFTER a webhook has missed events, which are not stored any longer. */
  onGap: () => void;
}

/**
 * Creates the deliveries of webhooks from the streams of their owners. A webhook's position advances in the transaction that
 * inserts the deliveries, so that each event is taken exactly once, by any process.
 */
export class WebhookFollowWork {
  /** When a webhook has new events. */
  readonly due: DueQuery = followDue;

  constructor(private readonly deps: WebhookFollowWorkDeps) {}

  /** Takes the next events of webhooks. Returns the number of webhooks that had some. */
  async processBatch(signal: AbortSignal): Promise<number> {
    const webhooks = await findWebhooksBehind(this.deps.database, webhooksPerRun);
    for (const webhook of webhooks) {
      if (signal.aborted) break;
      await this.tryToFollow(webhook);
    }
    return webhooks.length;
  }

  /** A failure delays this webhook only. */
  private async tryToFollow(webhook: WebhookBehind): Promise<void> {
    const { database, logger } = this.deps;
    try {
      await this.follow(webhook);
    } catch (error) {
      logger.warn(
        { err: error, webhookId: webhook.id },
        'the events of a webhook could not be read; retrying',
      );
      await followLater(database, webhook.id, laterMs);
    }
  }

  private async follow(webhook: WebhookBehind): Promise<void> {
    const { ownerStreamId, currentStreamId, position } = webhook;
    if (currentStreamId !== ownerStreamId) {
      await this.moveToPresentStream(webhook);
      return;
    }
    const { events, last } = await this.read(webhook);
    const missing = (events[0]?.sequence ?? last + 1) - position - 1;
    const deliveries = await this.deliveriesOf(events, webhook);
    const isAdvanced = await this.insert(webhook, last, events, deliveries);
    if (isAdvanced && missing > 0) this.reportGap(webhook, missing);
  }

  /** The next events of a webhook's owner, and the position after them. */
  private async read({
    ownerStreamId,
    position,
  }: WebhookBehind): Promise<{ events: readonly StoredEvent[]; last: number }> {
    const { database } = this.deps;
    await numberEvents(database, [ownerStreamId]);
    const place = { streamId: ownerStreamId, after: position };
    const [page] = await readOwnerPages(database, [place], eventsPerRead);
    const events = page?.events ?? [];
    // Without events, skipped numbers may be left.
    return { events, last: events.at(-1)?.sequence ?? page?.head ?? position };
  }

  private async deliveriesOf(
    events: readonly StoredEvent[],
    { eventTypes }: WebhookBehind,
  ): Promise<WebhookEvent[]> {
    const before = await statesBefore(this.deps.database, events.filter(mayEnterStatus));
    return events.flatMap((event) => {
      const made = webhookEventOf(event, before.get(event) ?? null);
      return made && eventTypes.includes(made.type) ? [made] : [];
    });
  }

  /** @returns whether the webhook was advanced to `position` */
  private insert(
    webhook: WebhookBehind,
    position: number,
    events: readonly StoredEvent[],
    deliveries: readonly WebhookEvent[],
  ): Promise<boolean> {
    // Ids sort by time; of one millisecond they are sorted here.
    const ids = deliveries.map(() => newId()).sort();
    return this.deps.database.transaction(async (sql) => {
      const locked = await lockPosition(sql, webhook);
      if (!locked) return false;
      await dropDeliveries(
        sql,
        webhook.id,
        events.flatMap((event) => deletedIn(event) ?? []),
      );
      if (deliveries.length > 0 && (await countPending(sql, webhook.id, maxPending)) >= maxPending) {
        await followLater(sql, webhook.id, laterMs);
        return false;
      }
      const { lastNumber } = locked;
      const inserted = deliveries.map((delivery, index) => ({ ...delivery, id: ids[index]! }));
      await insertDeliveries(sql, webhook, { lastNumber, position }, inserted);
      return true;
    });
  }

  /** After a restore of the database into another server, streams of owners begin again. */
  private async moveToPresentStream(webhook: WebhookBehind): Promise<void> {
    const { database } = this.deps;
    const { owner } = webhook;
    const isThere = await database.transaction(async (sql) => {
      // An erasure deletes the webhooks before the stream.
      if (!(await lockWebhook(sql, owner, webhook.id))) return false;
      await createOwnerStream(sql, owner);
      return true;
    });
    if (!isThere) return;
    const [stream] = await openOwnerStreams(database, [owner]);
    if (stream && (await moveToStream(database, webhook, stream.id))) this.reportGap(webhook, null);
  }

  private reportGap({ id }: WebhookBehind, missing: number | null): void {
    this.deps.onGap();
    this.deps.logger.warn(
      { webhookId: id, missing },
      'a webhook has missed events, which are no longer stored; it continues with the next ones',
    );
  }
}
