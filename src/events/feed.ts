import type { Logger } from '../core/logger';
import type { Sql } from '../core/sql';
import { invalidCursor } from './event';
import { EventPages } from './event-pages';
import { Subscription, type EventSubscription, type SubscriptionSource } from './subscription';
import type { Wakeups } from './wakeups';

/** Options of {@link EventFeed}. */
export interface EventFeedOptions {
  sql: Sql;
  wakeups: Pick<Wakeups, 'onStreams'>;
  logger: Logger;
  /**
   * How often all followed streams are checked without a wake-up, in milliseconds: the maximum delay of an event whose
   * wake-up was lost.
   * @defaultValue 5_000 // 5 seconds
   */
  sweepMs?: number;
}

/** The shared reader of one stream. */
interface Tail {
  readonly streamId: string;
  readonly subscriptions: Set<Subscription>;
  /** The last event sent to live subscriptions; null until the first subscription has caught up. */
  position: number | null;
  isReading: boolean;
  /** Whether a wake-up arrived since the last read began. */
  isWoken: boolean;
}

/**
 * Delivers events to all subscriptions of a process. On a wake-up, each followed stream is read once regardless of its
 * number of subscriptions, and woken streams are read together. A subscription that starts at an earlier event reads its
 * own pages, at its own pace, until it has caught up with the shared reader.
 */
export class EventFeed implements SubscriptionSource {
  private readonly tails = new Map<string, Tail>();
  private readonly pages: EventPages;
  private running: { unsubscribe: () => void; timer: NodeJS.Timeout } | null = null;
  private sweeping: Promise<void> | null = null;
  private isSweepDue = false;
  private isStopped = false;

  constructor(private readonly options: EventFeedOptions) {
    this.pages = new EventPages(options.sql, options.logger);
  }

  /** The number of open subscriptions. */
  get subscriberCount(): number {
    let count = 0;
    for (const tail of this.tails.values()) count += tail.subscriptions.size;
    return count;
  }

  /** Starts listening for wake-ups. Further calls have no effect. */
  start(): void {
    if (this.running || this.isStopped) return;
    const { wakeups, sweepMs = 5_000 } = this.options;
    const unsubscribe = wakeups.onStreams((ids) => this.wake(ids));
    this.running = { unsubscribe, timer: setInterval(() => this.sweep(), sweepMs) };
  }

  /** Ends all subscriptions permanently. Clients can resume with their cursors. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.running?.unsubscribe();
    clearInterval(this.running?.timer);
    this.running = null;
    for (const tail of this.tails.values()) for (const each of tail.subscriptions) void each.return();
    await this.pages.stop();
    await this.sweeping;
  }

  /**
   * Subscribes to a stream. Events are buffered from this call on.
   * @param afterSequence - the last event that the subscriber has received; 0 for all stored events
   */
  subscribe(streamId: string, afterSequence: number): EventSubscription {
    const subscription = new Subscription(streamId, afterSequence, this);
    if (this.isStopped) {
      subscription.end();
      return subscription;
    }
    const tail = this.tails.get(streamId) ?? newTail(streamId);
    this.tails.set(streamId, tail);
    tail.subscriptions.add(subscription);
    if (tail.position !== null && afterSequence >= tail.position) subscription.phase = 'live';
    else this.catchUp(subscription);
    return subscription;
  }

  /** {@inheritDoc SubscriptionSource.catchUp} */
  catchUp(subscription: Subscription): void {
    const tail = this.tails.get(subscription.streamId);
    subscription.phase = 'catching-up';
    if (tail) void this.readForOne(tail, subscription);
  }

  /** {@inheritDoc SubscriptionSource.forget} */
  forget(subscription: Subscription): void {
    const tail = this.tails.get(subscription.streamId);
    if (!tail?.subscriptions.delete(subscription)) return;
    if (tail.subscriptions.size === 0) this.tails.delete(tail.streamId);
  }

  private wake(ids: readonly string[] | 'all'): void {
    if (ids === 'all') {
      this.sweep();
      return;
    }
    for (const id of ids) {
      const tail = this.tails.get(id);
      if (tail) void this.advance(tail);
    }
  }

  /** Reads the stream to its end for all live subscriptions. */
  private async advance(tail: Tail): Promise<void> {
    tail.isWoken = true;
    if (tail.isReading || tail.position === null) return;
    tail.isReading = true;
    do tail.isWoken = false;
    while (await this.readNextPage(tail, tail.position));
    tail.isReading = false;
  }

  /** @returns whether the stream has, or may have, more events and still has subscriptions */
  private async readNextPage(tail: Tail, position: number): Promise<boolean> {
    const page = await this.pages.read(tail.streamId, position);
    for (const each of tail.subscriptions) if (each.phase === 'live') each.take(page);
    const head = page.head ?? position;
    tail.position = page.events.at(-1)?.sequence ?? Math.max(position, head);
    return (tail.isWoken || tail.position < head) && tail.subscriptions.size > 0;
  }

  /** Reads pages for one subscription until it is live or has buffered events. */
  private async readForOne(tail: Tail, subscription: Subscription): Promise<void> {
    do {
      const page = await this.pages.read(subscription.streamId, subscription.position);
      if (page.head !== null && subscription.position > page.head) subscription.fail(invalidCursor());
      subscription.take(page);
      if (subscription.phase === 'over') return;
      if (subscription.position >= (tail.position ?? page.head ?? 0)) {
        this.goLive(tail, subscription);
        return;
      }
    } while (subscription.isEmpty);
    subscription.phase = 'behind';
  }

  private goLive(tail: Tail, subscription: Subscription): void {
    subscription.phase = 'live';
    tail.position ??= subscription.position;
    if (tail.isWoken) void this.advance(tail);
  }

  private sweep(): void {
    this.isSweepDue = true;
    this.sweeping ??= this.sweepAll();
  }

  /** Finds streams with unread events, independently of wake-ups. */
  private async sweepAll(): Promise<void> {
    while (this.isSweepDue) {
      this.isSweepDue = false;
      const places = [];
      for (const { streamId, position } of this.tails.values()) {
        if (position !== null) places.push({ streamId, after: position });
      }
      this.wake(await this.pages.behind(places));
    }
    this.sweeping = null;
  }
}

function newTail(streamId: string): Tail {
  return { streamId, subscriptions: new Set(), position: null, isReading: false, isWoken: false };
}
