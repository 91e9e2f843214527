import type { Logger } from '../core/logger';
import type { Steps } from '../core/turns';
import { cursorAhead } from './event';
import type { EventPage, EventReader } from './event-page.repository';
import { EventPages } from './event-pages';
import { Subscription, type EventSubscription, type SubscriptionSource } from './subscription';
import type { Wakeups } from './wakeups';

/** Options of {@link EventFeed}. */
export interface EventFeedOptions {
  reader: EventReader;
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
  /** The last event sent, or being sent, to live subscriptions; null until the first subscription has caught up. */
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
    this.pages = new EventPages(options.reader, options.logger);
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
    if (tail) this.readForOne(tail, subscription);
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
      if (tail) this.advance(tail);
    }
  }

  /** Reads the stream to its end for all live subscriptions. */
  private advance(tail: Tail): void {
    tail.isWoken = true;
    if (!tail.isReading && tail.position !== null) this.readOn(tail, tail.position);
  }

  private readOn(tail: Tail, position: number): void {
    tail.isReading = true;
    tail.isWoken = false;
    this.pages.read(tail.streamId, position, (page) => this.deliver(tail, position, page));
  }

  /** Sends the page at `position` to the live subscriptions. */
  private *deliver(tail: Tail, position: number, page: EventPage): Steps {
    if (isBeyond(position, page)) {
      yield* this.refuse(tail);
      return;
    }
    const reached = endOf(page, position);
    // Set before the page is sent: a subscription that becomes live meanwhile may not receive it.
    tail.position = reached;
    for (const each of tail.subscriptions) {
      if (each.phase !== 'live') continue;
      this.send(each, page);
      yield;
    }
    tail.isReading = false;
    const isBehind = tail.isWoken || reached < (page.head ?? 0);
    if (isBehind && tail.subscriptions.size > 0) this.readOn(tail, reached);
  }

  /**
   * Ends the live subscriptions of a stream that has lost events, since other events will get their numbers: PostgreSQL has
   * failed over to a standby without its last commits.
   */
  private *refuse(tail: Tail): Steps {
    tail.position = null;
    tail.isReading = false;
    for (const each of tail.subscriptions) {
      if (each.phase !== 'live') continue;
      each.fail(cursorAhead());
      yield;
    }
  }

  /** Reads pages for one subscription until it is live or has buffered events. */
  private readForOne(tail: Tail, subscription: Subscription): void {
    const { streamId, position } = subscription;
    this.pages.read(streamId, position, (page) => this.deliverToOne(tail, subscription, page));
  }

  private *deliverToOne(tail: Tail, subscription: Subscription, page: EventPage): Steps {
    if (isBeyond(subscription.position, page)) subscription.fail(cursorAhead());
    this.send(subscription, page);
    if (subscription.phase === 'over') return;
    if (subscription.position >= (tail.position ?? page.head ?? 0)) this.goLive(tail, subscription);
    else if (subscription.isEmpty) this.readForOne(tail, subscription);
    else subscription.phase = 'behind';
    yield;
  }

  /** Listeners must not throw; if one does, the others receive their events. */
  private send(subscription: Subscription, page: EventPage): void {
    try {
      subscription.take(page);
    } catch (error) {
      this.options.logger.error({ err: error }, 'a listener of events threw an error');
      void subscription.return();
    }
  }

  private goLive(tail: Tail, subscription: Subscription): void {
    subscription.phase = 'live';
    tail.position ??= subscription.position;
    if (tail.isWoken) this.advance(tail);
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

/** The position after the page at `position`. */
function endOf({ events, head }: EventPage, position: number): number {
  return events.at(-1)?.sequence ?? Math.max(position, head ?? 0);
}

/** Whether a position is beyond the end of its stream. */
function isBeyond(position: number, { head }: EventPage): boolean {
  return head !== null && position > head;
}

function newTail(streamId: string): Tail {
  return { streamId, subscriptions: new Set(), position: null, isReading: false, isWoken: false };
}
