import type { DueQuery } from '../core/due';
import { toGlobalId, newId } from '../core/ids';
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
  followLater,
  insertDeliveries,
  lockPosition,
  moveToStream,
  nextFollow,
  statesBefore,
  type SearchedStreams,
  type WebhookBehind,
} from './webhook-follow.repository';
import { lockWebhook } from './webhook.repository';

/** Maximum number of pending deliveries of a webhook; replayed ones may be more. Its other events wait in the owner's stream. */
const maxPending = 1_000;

const webhooksPerRun = 50;
const eventsPerRead = 200;
const deliveriesPerDrop = 500;
/** When the events of a webhook with too many pending deliveries, or after a failure, are read again, in milliseconds. */
const laterMs = 10_000;

export interface WebhookFollowWorkDeps {
  database: Transactions;
  logger: Logger;
  /** Called AFTER a webhook has missed events, which are not stored any longer. */
  onGap: () => void;
  /** Called AFTER deliveries were added, while the events of further webhooks may be read. */
  onDue: () => void;
}

/** How often the webhooks of all owners are searched for new events, whose notifications may have been lost. */
const searchAllEveryMs = 10_000;
/** With more streams with new events, all webhooks are searched. */
const maxNewStreams = 1_000;

/**
 * The streams whose owners' webhooks are searched for new events. A search that finds nothing forgets them: the events were
 * committed before their streams were added.
 */
class NewStreams {
  private ids = new Set<string>();
  private isAll = true;
  private searchedAllMs = -Infinity;
  private last: SearchedStreams = null;

  /** What the last look for due work has searched. */
  get searched(): SearchedStreams {
    return this.last;
  }

  add(ids: readonly string[] | 'all'): void {
    if (ids === 'all') this.isAll = true;
    else for (const id of ids) this.ids.add(id);
    if (this.ids.size > maxNewStreams) this.isAll = true;
    if (this.isAll) this.ids.clear();
  }

  /** Chooses what is searched now. */
  search(): void {
    const isAll = this.isAll || performance.now() - this.searchedAllMs >= searchAllEveryMs;
    if (isAll) this.searchedAllMs = performance.now();
    this.last = isAll ? null : [...this.ids];
    this.clear();
  }

  /** Returns and removes what was searched last, and what was added since. */
  take(): SearchedStreams {
    const taken = this.isAll || this.last === null ? null : [...new Set([...this.last, ...this.ids])];
    this.last = [];
    this.clear();
    return taken;
  }

  private clear(): void {
    this.ids = new Set();
    this.isAll = false;
  }
}

/**
 * Creates the deliveries of webhooks from the streams of their owners. A webhook's position advances in the transaction that
 * inserts the deliveries, so that each event is taken exactly once, by any process.
 */
export class WebhookFollowWork {
  /** When a webhook has new events. */
  readonly due: DueQuery;
  private readonly streams = new NewStreams();

  constructor(private readonly deps: WebhookFollowWorkDeps) {
    const { streams } = this;
    this.due = {
      sql: (first) => {
        streams.search();
        return nextFollow(`$${first}`);
      },
      get parameters() {
        return [streams.searched];
      },
    };
  }

  /** Call it when streams may have new events, so that their owners' webhooks are searched at the next look for due work. */
  onStreams(ids: readonly string[] | 'all'): void {
    this.streams.add(ids);
  }

  /** Takes the next events of webhooks. Returns the number of webhooks that had some. */
  async processBatch(signal: AbortSignal): Promise<number> {
    const webhooks = await this.find();
    for (const webhook of webhooks) {
      if (signal.aborted) break;
      await this.tryToFollow(webhook);
    }
    return webhooks.length;
  }

  /** The webhooks with new events, among those that the last look for due work has searched. */
  private async find(): Promise<WebhookBehind[]> {
    const searched = this.streams.take();
    const webhooks = await findWebhooksBehind(this.deps.database, searched, webhooksPerRun);
    // Further events of the same owners may be left.
    if (webhooks.length > 0) this.streams.add(searched ?? 'all');
    return webhooks;
  }

  /** A failure delays this webhook only. */
  private async tryToFollow(webhook: WebhookBehind): Promise<void> {
    const { database, logger } = this.deps;
    try {
      await this.follow(webhook);
    } catch (error) {
      logger.warn(
        { err: error, webhookId: toGlobalId('Webhook', webhook.id) },
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
    await this.drop(webhook, events);
    const missing = (events[0]?.sequence ?? last + 1) - position - 1;
    const deliveries = await this.deliveriesOf(events, webhook);
    const isAdvanced = await this.insert(webhook, last, deliveries);
    if (isAdvanced && deliveries.length > 0) this.deps.onDue();
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

  /**
   * Drops the deliveries about what was deleted, in short transactions, since the webhook is locked for its worker. They are
   * dropped again if this is interrupted before the webhook advances.
   */
  private async drop(webhook: WebhookBehind, events: readonly StoredEvent[]): Promise<void> {
    const deleted = events.flatMap((event) => deletedIn(event) ?? []);
    if (deleted.length === 0) return;
    const dropBatch = (): Promise<number> =>
      this.deps.database.transaction(async (sql) => {
        if (!(await lockPosition(sql, webhook))) return 0;
        return dropDeliveries(sql, webhook.id, deleted, deliveriesPerDrop);
      });
    while ((await dropBatch()) === deliveriesPerDrop);
  }

  /** @returns whether the webhook was advanced to `position` */
  private insert(
    webhook: WebhookBehind,
    position: number,
    deliveries: readonly WebhookEvent[],
  ): Promise<boolean> {
    // Ids sort by time; of one millisecond they are sorted here.
    const ids = deliveries.map(() => newId()).sort();
    return this.deps.database.transaction(async (sql) => {
      const locked = await lockPosition(sql, webhook);
      if (!locked) return false;
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
      { webhookId: toGlobalId('Webhook', id), missing },
      'a webhook has missed events, which are no longer stored; it continues with the next ones',
    );
  }
}
