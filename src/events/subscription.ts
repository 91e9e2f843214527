import { DomainError } from '../core/errors';
import type { Listener, PushSource } from '../core/push-source';
import { endsStream, type StoredEvent } from './event';
import type { EventPage } from './event-page.repository';

/**
 * The events of one stream after a position: in order, without gaps or duplicates, from the time it is created. Ends
 * after the DELETED event of the stream's subject, and when the feed stops.
 *
 * `next()` rejects once, or the listener is called, with DomainError SUBSCRIBER_TOO_SLOW if more than 1,000 events are buffered or events that it
 * needs have been pruned; with INVALID_CURSOR if the position is beyond the end of the stream. Then it has ended.
 */
export interface EventSubscription extends PushSource<StoredEvent> {
  /** Releases all resources immediately; a pending `next()` resolves as done. */
  return(): Promise<IteratorReturnResult<undefined>>;
}

/** Supplies a subscription with events. */
export interface SubscriptionSource {
  /** The subscription is behind the shared reader, its buffer is empty and `next()` is pending. */
  catchUp(subscription: Subscription): void;
  /** The subscription has ended. */
  forget(subscription: Subscription): void;
}

interface Waiter {
  resolve(result: IteratorResult<StoredEvent, undefined>): void;
  reject(error: unknown): void;
}

/** Maximum number of buffered events per subscription. */
const maxBufferedEvents = 1_000;

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * A subscription of {@link EventFeed}.
 *
 * - `catching-up`: a page of its own is being read. The initial phase; also entered from `behind`.
 * - `behind`: a page is buffered; the next page is read when it is consumed, so that memory is bounded.
 * - `live`: receives events from the shared reader. Entered when it has caught up.
 * - `over`: receives no further events; buffered events can still be consumed.
 */
export class Subscription implements EventSubscription {
  phase: 'catching-up' | 'behind' | 'live' | 'over' = 'catching-up';
  private bufferedEvents: StoredEvent[] = [];
  private waiters: Waiter[] = [];
  private listener: Listener<StoredEvent> | null = null;
  private failure: DomainError | null = null;

  /** @param position - the sequence of the last event received */
  constructor(
    readonly streamId: string,
    public position: number,
    private readonly source: SubscriptionSource,
  ) {}

  /** Whether all received events are consumed. */
  get isEmpty(): boolean {
    return this.bufferedEvents.length === 0;
  }

  next(): Promise<IteratorResult<StoredEvent, undefined>> {
    const event = this.bufferedEvents.shift();
    if (event) return Promise.resolve({ value: event, done: false });
    if (this.failure) {
      const { failure } = this;
      this.failure = null;
      return Promise.reject(failure);
    }
    if (this.phase === 'over') return Promise.resolve(done);
    const result = new Promise<IteratorResult<StoredEvent, undefined>>((resolve, reject) => {
      this.waiters.push({ resolve, reject });
    });
    if (this.phase === 'behind') this.source.catchUp(this);
    return result;
  }

  attach(listener: Listener<StoredEvent>): boolean {
    if (!this.isEmpty || this.failure || this.phase === 'over') return false;
    this.listener = listener;
    if (this.phase === 'behind') this.source.catchUp(this);
    return true;
  }

  detach(): void {
    this.listener = null;
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.bufferedEvents = [];
    this.failure = null;
    this.listener = null;
    this.end();
    return Promise.resolve(done);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Adds the new events of a page that starts at or before its position. */
  take(page: EventPage): void {
    for (const event of page.events) this.offer(event);
    if (this.phase === 'over') return;
    if (page.head === null) this.end();
    else if (this.position >= page.head) this.endIf(page.isEnded);
    else if (page.events.length === 0) this.fail(tooSlow());
  }

  /**
   * Ends the subscription.
   * @param failure - for its listener
   */
  end(failure: DomainError | null = null): void {
    if (this.phase === 'over') return;
    this.phase = 'over';
    this.source.forget(this);
    for (const waiter of this.waiters) waiter.resolve(done);
    this.waiters = [];
    const { listener } = this;
    this.listener = null;
    listener?.onEnd(failure);
  }

  /** Ends the subscription with an error and discards buffered events. */
  fail(failure: DomainError): void {
    if (this.phase === 'over') return;
    this.bufferedEvents = [];
    const waiter = this.waiters.shift();
    if (waiter) waiter.reject(failure);
    else if (!this.listener) this.failure = failure;
    this.end(failure);
  }

  private offer(event: StoredEvent): void {
    if (this.phase === 'over' || event.sequence <= this.position) return;
    const isEnd = endsStream(event);
    // The sequence may have a gap before the last event, because the deletion erased all events before it.
    if (event.sequence !== this.position + 1 && !isEnd) {
      this.fail(tooSlow());
      return;
    }
    this.position = event.sequence;
    this.give(event);
    this.endIf(isEnd);
  }

  private give(event: StoredEvent): void {
    if (this.listener) {
      this.listener.onItem(event);
      return;
    }
    const waiter = this.waiters.shift();
    if (waiter) waiter.resolve({ value: event, done: false });
    else if (this.bufferedEvents.length < maxBufferedEvents) this.bufferedEvents.push(event);
    else this.fail(tooSlow());
  }

  private endIf(isEnd: boolean): void {
    if (isEnd) this.end();
  }
}

function tooSlow(): DomainError {
  return new DomainError(
    'SUBSCRIBER_TOO_SLOW',
    'The client did not read events fast enough; the subscription was ended. Subscribe again with the last cursor in `after`.',
  );
}
