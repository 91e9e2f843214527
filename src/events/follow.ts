import { decodeEventCursor, encodeEventCursor, invalidCursor, snapshotUnfinished } from './cursor';
import type { EventFeed } from './feed';
import { isTombstone, type StoredEvent } from './stored-event';
import type { EventSubscription } from './subscription';

/** What is there now, read in one statement, so that the items are exactly what the events up to `sequence` told. */
export interface Present<T> {
  /** The stream's last sequence. */
  sequence: number;
  /** The oldest sequence that is kept, or `sequence + 1` if none is. */
  oldest: number;
  items: T[];
  /** Whether there is nothing more to wait for. */
  ended: boolean;
}

/** What is followed, and how it is told. */
export interface FollowOptions<T> {
  streamId: string;
  /**
   * The generation that is followed, where it is not the stream's own subject: the following ends when it is deleted.
   * @defaultValue the stream's subject alone ends it
   */
  subjectId?: string;
  /** The last cursor that the client has seen. */
  after?: string | null;
  /**
   * Reads what is there now; called once, at once. Null: the subject is not there (any more), and the following ends.
   * What it throws comes out of `opened` and `next()`.
   */
  present: () => Promise<Present<T> | null>;
  /**
   * The item that tells of an event, or null if the client is not told of it. Called for DELETED events too, but never
   * for events that were erased. All subscribers are given the same event object, so what is costly to make of it can
   * be kept by it in a WeakMap. What it throws ends the following with that error.
   */
  read: (event: StoredEvent) => T | null;
  /** Whether nothing comes after an item. Not asked of the past: there, `ended` of the present decides. */
  isLast: (item: T) => boolean;
}

/** One thing told to a client. */
export interface Followed<T> {
  item: T;
  /**
   * Where the client stands once it has this. In a snapshot of several items only the last has the place; the ones
   * before it say that the snapshot is not whole, and resuming from them gives a new one.
   */
  cursor: string;
  /** Whether it is the present and not a change. */
  isSnapshot: boolean;
}

/** A following that has begun. Take from it one at a time; `return()` frees everything at once, at any time. */
export interface Following<T> extends AsyncIterableIterator<Followed<T>, undefined> {
  /**
   * Resolves when the present has been read. Rejects with what `present` threw, or with DomainError INVALID_CURSOR:
   * whoever awaits it before handing the iterator on can still answer with an error instead of a broken stream.
   */
  readonly opened: Promise<void>;
  return(): Promise<IteratorReturnResult<undefined>>;
}

/**
 * Tells a client of a stream from this call on, whether or not anybody takes yet. Without `after`: the present, then
 * every later event. With `after`: every event since, in order; or the present if those are no longer kept. Each once,
 * none left out: the subscription begins at the very place at which the present was read.
 *
 * Ends after the last item, after the subject was deleted, or at once where nothing can come.
 * @throws DomainError INVALID_CURSOR, field `after`: it is none, or of another stream. One that the stream has never
 * come to is found later, and comes out of `opened` and `next()`.
 */
export function follow<T>(feed: Pick<EventFeed, 'subscribe'>, options: FollowOptions<T>): Following<T> {
  const place =
    options.after == null ? snapshotUnfinished : decodeEventCursor(options.after, options.streamId);
  return new Follower(feed, options, place);
}

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

class Follower<T> implements Following<T> {
  readonly opened: Promise<void>;
  private subscription: EventSubscription | null = null;
  private snapshot: Followed<T>[] = [];
  /** The stream's last sequence when the present was read; what is up to it is the past. */
  private presentSequence = 0;
  private isPastTheEnd = false;
  private isOpened = false;
  private isOver = false;
  private leave: () => void = () => undefined;

  constructor(
    private readonly feed: Pick<EventFeed, 'subscribe'>,
    private readonly options: FollowOptions<T>,
    place: number,
  ) {
    this.opened = new Promise((resolve, reject) => {
      this.leave = resolve;
      this.open(place).then(resolve, reject);
    });
    // Whoever takes hears of it; that nobody waits for it is no unhandled rejection.
    this.opened.catch(() => undefined);
  }

  next(): Promise<IteratorResult<Followed<T>, undefined>> {
    return this.isOpened ? this.take() : this.takeFirst();
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.snapshot = [];
    this.finish();
    return Promise.resolve(done);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private async open(place: number): Promise<void> {
    const present = await this.options.present();
    if (this.isOver) return;
    if (!present) {
      this.finish();
      return;
    }
    if (place > present.sequence) throw invalidCursor();
    if (place === snapshotUnfinished || place + 1 < present.oldest) this.beginWithPresent(present);
    else this.beginAt(place, present);
    this.isOpened = true;
  }

  private beginWithPresent(present: Present<T>): void {
    const last = present.items.at(-1);
    const ended = present.ended || (last !== undefined && this.options.isLast(last));
    this.snapshot = snapshotOf(this.options.streamId, present);
    this.beginAt(present.sequence, { ...present, ended });
  }

  private beginAt(place: number, { sequence, ended }: Present<T>): void {
    this.presentSequence = sequence;
    this.isPastTheEnd = ended;
    if (ended && place === sequence) this.finish();
    else this.subscription = this.feed.subscribe(this.options.streamId, place);
  }

  private async takeFirst(): Promise<IteratorResult<Followed<T>, undefined>> {
    if (this.isOver) return done;
    try {
      await this.opened;
    } catch (error) {
      this.finish();
      throw error;
    }
    return this.take();
  }

  private async take(): Promise<IteratorResult<Followed<T>, undefined>> {
    const now = this.snapshot.shift();
    if (now) return { value: now, done: false };
    try {
      while (this.subscription) {
        const { value: event } = await this.subscription.next();
        if (!event) break;
        const followed = this.read(event);
        if (followed) return { value: followed, done: false };
      }
    } catch (error) {
      this.finish();
      throw error;
    }
    this.finish();
    return done;
  }

  private read(event: StoredEvent): Followed<T> | null {
    const { streamId, read } = this.options;
    const item = isTombstone(event) ? null : read(event);
    if (this.isEnd(event, item)) this.finish();
    if (item === null) return null;
    return { item, cursor: encodeEventCursor(streamId, event.sequence), isSnapshot: false };
  }

  private isEnd(event: StoredEvent, item: T | null): boolean {
    const { streamId, subjectId, isLast } = this.options;
    const isOfSubject = event.subjectId === streamId || event.subjectId === subjectId;
    if (event.kind === 'DELETED' && !isTombstone(event) && isOfSubject) return true;
    // An end in the past may have been followed by a new attempt: the present knows.
    if (event.sequence <= this.presentSequence)
      return this.isPastTheEnd && event.sequence === this.presentSequence;
    return item !== null && isLast(item);
  }

  /** Frees what it holds, except for a snapshot that is still to be taken. */
  private finish(): void {
    this.isOver = this.snapshot.length === 0;
    void this.subscription?.return();
    this.subscription = null;
    this.leave();
  }
}

function snapshotOf<T>(streamId: string, { sequence, items }: Present<T>): Followed<T>[] {
  const unfinished = encodeEventCursor(streamId, snapshotUnfinished);
  const cursor = encodeEventCursor(streamId, sequence);
  return items.map((item, index) => ({
    item,
    cursor: index === items.length - 1 ? cursor : unfinished,
    isSnapshot: true,
  }));
}
