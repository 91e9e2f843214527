import type { DueQuery } from '../core/due';
import { isLockTimeout } from '../core/errors';
import { failpoint } from '../core/failpoint';
import { toGlobalId, newId } from '../core/ids';
import type { Logger } from '../core/logger';
import type { Transactions } from '../core/sql';
import type { StoredEvent } from '../events/event';
import { numberEvents } from '../events/owner-numbers.repository';
import { createOwnerStream, openOwnerStream, readOwnerPages } from '../events/owner-stream.repository';
import { deletedIn, mayEnterStatus, webhookEventOf, type WebhookEvent } from './webhook-events';
import {
  countPending,
  dropDeliveries,
  findWebhooksBehind,
  followLater,
  insertDeliveries,
  lockPosition,
  lockToMove,
  moveToStream,
  nextFollow,
  parametersOf,
  statesBefore,
  type WebhookBehind,
} from './webhook-follow.repository';
import { NewStreams, Postponed } from './webhook-search';

/** Maximum number of pending deliveries of a webhook; replayed ones may be more. Its other events wait in the owner's stream. */
const maxPending = 1_000;

/** An event with its number in the stream of its owner. */
type PositionedEvent = WebhookEvent & { readonly position: number };

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

/**
 * Creates the deliveries of webhooks from the streams of their owners. A webhook's position advances in the transaction that
 * inserts the deliveries, so that each event is taken exactly once, by any process.
 */
export class WebhookFollowWork {
  /** When a webhook has new events. */
  readonly due: DueQuery;
  private readonly streams = new NewStreams();
  private readonly postponed = new Postponed();

  constructor(private readonly deps: WebhookFollowWorkDeps) {
    const { streams, postponed } = this;
    this.due = {
      sql: (first) => {
        streams.search();
        return nextFollow(first);
      },
      get parameters() {
        return [...parametersOf({ streams: streams.searched, except: postponed.ids }), postponed.nextMs];
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
    const { nextMs, ids: except } = this.postponed;
    const isAgain = nextMs !== null && nextMs <= 0;
    if (isAgain) this.streams.add('all');
    const streams = this.streams.take();
    const webhooks = await findWebhooksBehind(this.deps.database, { streams, except }, webhooksPerRun);
    if (isAgain) this.postponed.keep(new Set(webhooks.map(({ id }) => id)));
    // Further events of the same owners may be left.
    if (webhooks.length > 0) this.streams.add(streams ?? 'all');
    return webhooks;
  }

  /** A failure delays this webhook only. */
  private async tryToFollow(webhook: WebhookBehind): Promise<void> {
    const { database, logger } = this.deps;
    try {
      await failpoint('webhook:found');
      await this.follow(webhook);
      this.postponed.delete(webhook.id);
    } catch (error) {
      const isLocked = isLockTimeout(error);
      if (isLocked) this.postponed.add(webhook.id);
      logger[isLocked ? 'info' : 'warn'](
        { err: error, webhookId: toGlobalId('Webhook', webhook.id) },
        'the events of a webhook could not be read; retrying',
      );
      // It would wait for the same lock.
      if (isLocked && database.engine.skipLocked === '') return;
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
    const inserted = await this.insert(webhook, last, await this.deliveriesOf(events));
    if (inserted === null) return;
    if (inserted > 0) this.deps.onDue();
    if (missing > 0) this.reportGap(webhook, missing);
  }

  /** The next events of a webhook's owner, and the position after them. */
  private async read({
    ownerStreamId,
    position,
  }: WebhookBehind): Promise<{ events: readonly StoredEvent[]; last: number }> {
    const { database } = this.deps;
    const held = await numberEvents(database, [ownerStreamId]);
    for (const error of held.values()) throw error;
    const place = { streamId: ownerStreamId, after: position };
    const [page] = await readOwnerPages(database, [place], eventsPerRead);
    const events = page?.events ?? [];
    // Without events, skipped numbers may be left.
    return { events, last: events.at(-1)?.sequence ?? page?.head ?? position };
  }

  private async deliveriesOf(events: readonly StoredEvent[]): Promise<PositionedEvent[]> {
    const before = await statesBefore(this.deps.database, events.filter(mayEnterStatus));
    return events.flatMap((event) => {
      const found = webhookEventOf(event, before.get(event) ?? null);
      return found ? { ...found, position: event.sequence } : [];
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

  /**
   * Advances the webhook to `last`, or as far as it may have pending deliveries.
   * @returns the number of inserted deliveries; null if it was not advanced
   */
  private insert(
    webhook: WebhookBehind,
    last: number,
    events: readonly PositionedEvent[],
  ): Promise<number | null> {
    // Ids sort by time; of one millisecond they are sorted here.
    const ids = events.map(() => newId()).sort();
    return this.deps.database.transaction(async (sql) => {
      const locked = await lockPosition(sql, webhook);
      if (!locked) return null;
      // Its types as they are now: events after a change of them may have been read.
      const { lastNumber, eventTypes } = locked;
      const wanted = events.filter(({ type }) => eventTypes.includes(type));
      const free = wanted.length === 0 ? 0 : maxPending - (await countPending(sql, webhook.id, maxPending));
      const [next] = wanted.slice(free);
      if (next && free === 0) {
        await followLater(sql, webhook.id, laterMs);
        return null;
      }
      const deliveries = wanted.slice(0, free).map((event, index) => ({ ...event, id: ids[index]! }));
      const position = next ? next.position - 1 : last;
      await insertDeliveries(sql, webhook, { lastNumber, position }, deliveries);
      return deliveries.length;
    });
  }

  /** After a restore of the database into another server, streams of owners begin again. */
  private async moveToPresentStream(webhook: WebhookBehind): Promise<void> {
    const { database } = this.deps;
    const { owner } = webhook;
    const isThere = await database.transaction(async (sql) => {
      // An erasure deletes the webhooks before the stream.
      if (!(await lockToMove(sql, webhook.id))) return false;
      await createOwnerStream(sql, owner);
      return true;
    });
    if (!isThere) return;
    const stream = await openOwnerStream(database, owner);
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
