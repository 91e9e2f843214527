import type { Logger } from '../core/logger';
import type { Sql } from '../core/sql';
import { invalidCursor } from './cursor';
import { EventPages } from './event-pages';
import { Subscription, type EventSubscription, type SubscriptionSource } from './subscription';
import type { Wakeups } from './wakeups';

/** What {@link EventFeed} is made of. */
export interface EventFeedOptions {
  sql: Sql;
  wakeups: Pick<Wakeups, 'onStreams'>;
  logger: Logger;
  /**
   * How often all followed streams are looked at without having been woken, in milliseconds: the longest that an event
   * is late when its wake was lost.
   * @defaultValue 5_000 // 5 seconds
   */
  sweepMs?: number;
}

/** The shared reading of one stream. */
interface Tail {
  readonly streamId: string;
  readonly subscriptions: Set<Subscription>;
  /** The last event given to those who are live; null until the first subscriber has come to the stream's end. */
  position: number | null;
  isReading: boolean;
  /** Woken since the last reading began. */
  isWoken: boolean;
}

const defaultSweepMs = 5_000;

/**
 * Feeds all subscribers of a process. Each stream that is followed is read once when it is woken, however many
 * subscribers it has here, and all woken streams are read together. A subscriber that begins further back reads its
 * own pages, at its own pace, until it has come to where the shared reading is.
 */
export class EventFeed {
  private readonly tails = new Map<string, Tail>();
  private readonly pages: EventPages;
  private running: { unlisten: () => void; timer: NodeJS.Timeout } | null = null;
  private sweeping: Promise<void> | null = null;
  private isSweepDue = false;
  private isStopped = false;
  private readonly source: SubscriptionSource = {
    catchUp: (subscription) => {
      this.catchUp(subscription);
    },
    forget: (subscription) => {
      this.forget(subscription);
    },
  };

  constructor(private readonly options: EventFeedOptions) {
    this.pages = new EventPages(options.sql, options.logger);
  }

  /** How many subscriptions are open. */
  get subscriberCount(): number {
    let count = 0;
    for (const tail of this.tails.values()) count += tail.subscriptions.size;
    return count;
  }

  /** Begins to be woken. A second time does nothing. */
  start(): void {
    if (this.running || this.isStopped) return;
    const { wakeups, sweepMs = defaultSweepMs } = this.options;
    const unlisten = wakeups.onStreams((ids) => {
      this.wake(ids);
    });
    this.running = { unlisten, timer: setInterval(() => this.sweep(), sweepMs) };
  }

  /** Ends every subscription as done, for good; those who hold a cursor lose nothing. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.running?.unlisten();
    clearInterval(this.running?.timer);
    this.running = null;
    for (const tail of this.tails.values()) for (const each of tail.subscriptions) void each.return();
    await this.pages.stop();
    await this.sweeping;
  }

  /**
   * Follows a stream from now on, whether or not anybody takes the events yet.
   * @param afterSequence - the last event that the subscriber has seen; 0 for all that is kept
   */
  subscribe(streamId: string, afterSequence: number): EventSubscription {
    const subscription = new Subscription(streamId, afterSequence, this.source);
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

  private catchUp(subscription: Subscription): void {
    const tail = this.tails.get(subscription.streamId);
    subscription.phase = 'catching-up';
    if (tail) void this.readPast(tail, subscription);
  }

  private forget(subscription: Subscription): void {
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

  /** Reads the stream to its end, for all who are live. */
  private async advance(tail: Tail): Promise<void> {
    tail.isWoken = true;
    if (tail.isReading || tail.position === null) return;
    tail.isReading = true;
    do tail.isWoken = false;
    while (await this.readOn(tail, tail.position));
    tail.isReading = false;
  }

  /** @returns whether the stream has more, or may have, and somebody wants it */
  private async readOn(tail: Tail, position: number): Promise<boolean> {
    const page = await this.pages.read(tail.streamId, position);
    for (const each of tail.subscriptions) if (each.phase === 'live') each.take(page);
    const head = page.head ?? position;
    tail.position = page.events.at(-1)?.sequence ?? Math.max(position, head);
    return (tail.isWoken || tail.position < head) && tail.subscriptions.size > 0;
  }

  /** Reads pages for one subscriber, until it is live or has something to take. */
  private async readPast(tail: Tail, subscription: Subscription): Promise<void> {
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

  /** Finds the streams that have more than was read of them, whether or not they were woken. */
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
