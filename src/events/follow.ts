import type { Listener, PushSource } from '../core/push-source';
import {
  cursorAhead,
  decodeEventCursor,
  encodeEventCursor,
  incompleteSnapshot,
  isTombstone,
  oncePerEvent,
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

/** A source of items. Call `next()` sequentially. */
export type Following<T> = PushSource<Followed<T>>;

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
  if (current && place > current.sequence) throw cursorAhead();
  return new Follower(feed, options, current, place);
}

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

class Follower<T> implements Following<T>, Listener<StoredEvent> {
  private listener: Listener<Followed<T>> | null = null;
  private subscription: EventSubscription | null = null;
  private snapshot: Followed<T>[] = [];
  /** The stream's last sequence when the current state was read. */
  private presentSequence = 0;
  private isStateFinal = false;

  private readonly streamId: string;
  private readonly subjectId: string | undefined;
  private readonly readEvent: FollowOptions<T>['read'];
  private readonly isLast: FollowOptions<T>['isLast'];

  constructor(
    private readonly feed: Pick<EventFeed, 'subscribe'>,
    options: FollowOptions<T>,
    present: CurrentState<T> | null,
    place: number,
  ) {
    // The options themselves are not kept, because `present` refers to the current state.
    this.streamId = options.streamId;
    this.subjectId = options.subjectId;
    this.readEvent = options.read;
    this.isLast = options.isLast;
    if (!present) return;
    if (place === incompleteSnapshot || place + 1 < present.oldest) this.beginWithState(present);
    else this.beginAt(place, present);
  }

  attach(listener: Listener<Followed<T>>): boolean {
    if (this.snapshot.length > 0 || !this.subscription?.attach(this)) return false;
    this.listener = listener;
    return true;
  }

  detach(): void {
    this.subscription?.detach();
  }

  onItem(event: StoredEvent): void {
    const { listener } = this;
    try {
      const followed = this.read(event);
      if (followed) listener?.onItem(followed);
      if (!this.subscription) listener?.onEnd(null);
    } catch (error) {
      this.finish();
      listener?.onEnd(error);
    }
  }

  onEnd(failure: unknown): void {
    this.subscription = null;
    this.listener?.onEnd(failure);
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.snapshot = [];
    this.listener = null;
    this.finish();
    return Promise.resolve(done);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private beginWithState(present: CurrentState<T>): void {
    const last = present.items.at(-1);
    const ended = present.ended || (last !== undefined && this.isLast(last));
    this.snapshot = snapshotOf(this.streamId, present);
    this.beginAt(present.sequence, { ...present, ended });
  }

  private beginAt(place: number, { sequence, ended }: CurrentState<T>): void {
    this.presentSequence = sequence;
    this.isStateFinal = ended;
    if (ended && place === sequence) return;
    this.subscription = this.feed.subscribe(this.streamId, place);
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
    const item = isTombstone(event) ? null : this.readEvent(event);
    if (this.isEnd(event, item)) this.finish();
    if (item === null) return null;
    return {
      item,
      cursor: cursorOf(event),
      isSnapshot: false,
      occurredAt: event.createdAt,
    };
  }

  private isEnd(event: StoredEvent, item: T | null): boolean {
    const { streamId, subjectId } = this;
    const isOfSubject = event.subjectId === streamId || event.subjectId === subjectId;
    if (event.kind === 'DELETED' && !isTombstone(event) && isOfSubject) return true;
    // A final item before the current state may have been followed by a retry, so the current state decides.
    if (event.sequence <= this.presentSequence)
      return this.isStateFinal && event.sequence === this.presentSequence;
    return item !== null && this.isLast(item);
  }

  /** Releases all resources except a snapshot that is not yet consumed. */
  private finish(): void {
    void this.subscription?.return();
    this.subscription = null;
  }
}

const cursorOf = oncePerEvent(({ streamId, sequence }) => encodeEventCursor(streamId, sequence));

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
