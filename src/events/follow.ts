import { mapIterator } from '../core/iterators';
import {
  decodeEventCursor,
  encodeEventCursor,
  invalidCursor,
  incompleteSnapshot,
  isTombstone,
  type StoredEvent,
} from './event';
import type { EventFeed } from './feed';
import type { EventSubscription } from './subscription';

/** The current state, read in one statement, so that it reflects exactly the events up to `sequence`. */
export interface CurrentState<T> {
  /** The stream's last sequence. */
  sequence: number;
  /** The oldest stored sequence, or `sequence + 1` if no event is stored. */
  oldest: number;
  items: T[];
  /** Whether no further events can follow. */
  ended: boolean;
}

/** Options of {@link follow}. */
export interface FollowOptions<T> {
  streamId: string;
  /**
   * The followed generation if it is not the stream's subject; the sequence ends when it is deleted.
   * @defaultValue only the deletion of the stream's subject ends the sequence
   */
  subjectId?: string;
  /** The last cursor that the client received. */
  after?: string | null;
  /**
   * Reads the current state; called once. Null: the subject does not exist, and the sequence ends.
   */
  present: () => Promise<CurrentState<T> | null>;
  /**
   * Converts an event to an item; null: the event is not sent to the client. Also called for DELETED events, but not for
   * tombstones. All subscribers share the event object, so that expensive results can be cached in a WeakMap. Its error
   * ends the sequence.
   */
  read: (event: StoredEvent) => T | null;
  /** Whether an item is the last one. Not called for events before the current state, where `ended` decides. */
  isLast: (item: T) => boolean;
}

/** An item with its cursor. */
export interface Followed<T> {
  item: T;
  /**
   * The cursor to resume after this item. In a snapshot of several items, only the last item's cursor resumes after the
   * snapshot; resuming from the others sends a new snapshot.
   */
  cursor: string;
  /** Whether the item is part of the current state instead of a change. */
  isSnapshot: boolean;
  /** When the change happened; null for the current state. */
  occurredAt: Date | null;
}

/** An iterator of items. Call `next()` sequentially; `return()` releases all resources immediately, at any time. */
export interface Following<T> extends AsyncIterableIterator<Followed<T>, undefined> {
  return(): Promise<IteratorReturnResult<undefined>>;
}

/**
 * Follows a stream. Without `after`: the current state, then every later event. With `after`: every event since the
 * cursor, in order, or the current state if those events have been pruned. No event is lost or repeated: the
 * subscription starts at the sequence at which the current state was read.
 *
 * Ends after the last item, after the deletion of the subject, or immediately if no event can follow.
 * @returns the iterator, when the current state has been read
 * @throws the error of `present`; DomainError INVALID_CURSOR, field `after`, if the cursor is malformed, belongs to
 * another stream or is beyond the end of the stream
 */
export async function follow<T>(
  feed: Pick<EventFeed, 'subscribe'>,
  options: FollowOptions<T>,
): Promise<Following<T>> {
  const { streamId, after, present } = options;
  const place = after == null ? incompleteSnapshot : decodeEventCursor(after, streamId);
  const current = await present();
  if (current && place > current.sequence) throw invalidCursor();
  return new Follower(feed, options, current, place);
}

/** The state of an object after a change, and the object as it is now. */
export interface Change<Past, Row> {
  /** The state after the change; in the current state, the object itself. */
  past: Past;
  /** Null until it is read; see {@link withPresent}. */
  row: Row | null;
}

/** A change with its object as it is when the change is sent. */
export interface PresentChange<Past, Row> extends Omit<Followed<Past>, 'item'> {
  past: Past;
  /** Never older than the change. */
  row: Row;
}

/**
 * Adds to each change its object, which is read after the change was taken from the stream. The objects of the current
 * state have been read already.
 * @param find - reads the object; changes of an object that is undefined are skipped, and an error ends the stream
 */
export function withPresent<Past, Row>(
  following: AsyncIterable<Followed<Change<Past, Row>>>,
  find: (past: Past) => Promise<Row | undefined>,
): AsyncIterableIterator<PresentChange<Past, Row>> {
  return mapIterator(following, async ({ item: { past, row }, ...followed }) => {
    const present = row ?? (await find(past));
    return present === undefined ? undefined : { ...followed, past, row: present };
  });
}

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

class Follower<T> implements Following<T> {
  private subscription: EventSubscription | null = null;
  private snapshot: Followed<T>[] = [];
  /** The stream's last sequence when the current state was read. */
  private presentSequence = 0;
  private isStateFinal = false;

  constructor(
    private readonly feed: Pick<EventFeed, 'subscribe'>,
    private readonly options: FollowOptions<T>,
    present: CurrentState<T> | null,
    place: number,
  ) {
    if (!present) return;
    if (place === incompleteSnapshot || place + 1 < present.oldest) this.beginWithState(present);
    else this.beginAt(place, present);
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.snapshot = [];
    this.finish();
    return Promise.resolve(done);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private beginWithState(present: CurrentState<T>): void {
    const last = present.items.at(-1);
    const ended = present.ended || (last !== undefined && this.options.isLast(last));
    this.snapshot = snapshotOf(this.options.streamId, present);
    this.beginAt(present.sequence, { ...present, ended });
  }

  private beginAt(place: number, { sequence, ended }: CurrentState<T>): void {
    this.presentSequence = sequence;
    this.isStateFinal = ended;
    if (ended && place === sequence) return;
    this.subscription = this.feed.subscribe(this.options.streamId, place);
  }

  async next(): Promise<IteratorResult<Followed<T>, undefined>> {
    const first = this.snapshot.shift();
    if (first) return { value: first, done: false };
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
    return {
      item,
      cursor: encodeEventCursor(streamId, event.sequence),
      isSnapshot: false,
      occurredAt: event.createdAt,
    };
  }

  private isEnd(event: StoredEvent, item: T | null): boolean {
    const { streamId, subjectId, isLast } = this.options;
    const isOfSubject = event.subjectId === streamId || event.subjectId === subjectId;
    if (event.kind === 'DELETED' && !isTombstone(event) && isOfSubject) return true;
    // A final item before the current state may have been followed by a retry, so the current state decides.
    if (event.sequence <= this.presentSequence)
      return this.isStateFinal && event.sequence === this.presentSequence;
    return item !== null && isLast(item);
  }

  /** Releases all resources except a snapshot that is not yet consumed. */
  private finish(): void {
    void this.subscription?.return();
    this.subscription = null;
  }
}

function snapshotOf<T>(streamId: string, { sequence, items }: CurrentState<T>): Followed<T>[] {
  const incomplete = encodeEventCursor(streamId, incompleteSnapshot);
  const cursor = encodeEventCursor(streamId, sequence);
  return items.map((item, index) => ({
    item,
    cursor: index === items.length - 1 ? cursor : incomplete,
    isSnapshot: true,
    occurredAt: null,
  }));
}
