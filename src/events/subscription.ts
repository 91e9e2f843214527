import { DomainError } from '../core/errors';
import type { EventPage } from './event-pages';
import { endsStream, type StoredEvent } from './stored-event';

/**
 * The events of one stream after a place: in order, without gaps, each once. It is fed from the moment it is made.
 * Ends when the stream's subject is deleted, after the event that says so, and when the feed stops.
 *
 * `next()` rejects once with DomainError SUBSCRIBER_TOO_SLOW when 1,000 events wait to be taken, or when events that
 * it still needs have been pruned; with INVALID_CURSOR when the stream has never come to the place. Then it is over.
 */
export interface EventSubscription extends AsyncIterableIterator<StoredEvent, undefined> {
  /** Frees everything at once; a pending `next()` resolves as done. */
  return(): Promise<IteratorReturnResult<undefined>>;
}

/** Who feeds a subscription. */
export interface SubscriptionSource {
  /** It stands behind the shared reading of its stream, has nothing left, and somebody waits. */
  catchUp(subscription: Subscription): void;
  /** It is over. */
  forget(subscription: Subscription): void;
}

interface Waiter {
  resolve(result: IteratorResult<StoredEvent, undefined>): void;
  reject(error: unknown): void;
}

/** How many events may wait for one subscriber. */
const maxWaitingEvents = 1_000;

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * One subscriber's share of a feed.
 *
 * - `catching-up`: a page of its own is being read. From the beginning, or from `behind`.
 * - `behind`: it has a page to take; the next is read when it has taken that, so a long past costs no memory.
 * - `live`: the shared reading of the stream feeds it. Entered when it has all that the shared reading has passed.
 * - `over`: nothing comes any more, but what waits can be taken.
 */
export class Subscription implements EventSubscription {
  phase: 'catching-up' | 'behind' | 'live' | 'over' = 'catching-up';
  private waitingEvents: StoredEvent[] = [];
  private waiters: Waiter[] = [];
  private failure: DomainError | null = null;

  /** @param position - the sequence of the last event that it was given */
  constructor(
    readonly streamId: string,
    public position: number,
    private readonly source: SubscriptionSource,
  ) {}

  /** Whether all that it was given is taken. */
  get isEmpty(): boolean {
    return this.waitingEvents.length === 0;
  }

  next(): Promise<IteratorResult<StoredEvent, undefined>> {
    const event = this.waitingEvents.shift();
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

  return(): Promise<IteratorReturnResult<undefined>> {
    this.waitingEvents = [];
    this.failure = null;
    this.end();
    return Promise.resolve(done);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Gives it what it does not have yet of a page that was read from its place or from before. */
  take(page: EventPage): void {
    for (const event of page.events) this.offer(event);
    if (this.phase === 'over') return;
    if (page.head === null) this.end();
    else if (this.position >= page.head) this.endIf(page.isEnded);
    else if (page.events.length === 0) this.fail(tooSlow());
  }

  /** Nothing more will come. */
  end(): void {
    if (this.phase === 'over') return;
    this.phase = 'over';
    this.source.forget(this);
    for (const waiter of this.waiters) waiter.resolve(done);
    this.waiters = [];
  }

  /** Ends it with an error; what waited to be taken is dropped, so that its memory is free at once. */
  fail(failure: DomainError): void {
    if (this.phase === 'over') return;
    this.waitingEvents = [];
    const waiter = this.waiters.shift();
    if (waiter) waiter.reject(failure);
    else this.failure = failure;
    this.end();
  }

  private offer(event: StoredEvent): void {
    if (this.phase === 'over' || event.sequence <= this.position) return;
    const isEnd = endsStream(event);
    // Before the end of a stream there is a hole: all that was told of its subject is erased.
    if (event.sequence !== this.position + 1 && !isEnd) {
      this.fail(tooSlow());
      return;
    }
    this.position = event.sequence;
    this.give(event);
    this.endIf(isEnd);
  }

  private give(event: StoredEvent): void {
    const waiter = this.waiters.shift();
    if (waiter) waiter.resolve({ value: event, done: false });
    else if (this.waitingEvents.length < maxWaitingEvents) this.waitingEvents.push(event);
    else this.fail(tooSlow());
  }

  private endIf(isEnd: boolean): void {
    if (isEnd) this.end();
  }
}

function tooSlow(): DomainError {
  return new DomainError(
    'SUBSCRIBER_TOO_SLOW',
    'Events came faster than this subscription took them, so it was ended. Subscribe again with the last cursor in `after`.',
  );
}
