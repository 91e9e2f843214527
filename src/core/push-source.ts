/** Receives the items of a {@link PushSource}. Its methods must not throw. */
export interface Listener<Item> {
  onItem(item: Item): void;
  /**
   * Called once, after the last item.
   * @param failure - why it ended early; null if it is complete
   */
  onEnd(failure: unknown): void;
}

/** An iterator that can also push its items, which needs no promise for each of them. */
export interface PushSource<Item> extends AsyncIterableIterator<Item, undefined> {
  /**
   * Pushes further items to a listener until `detach`, instead of `next()`.
   * @returns false if items are waiting or it has ended; call `next()`, then try again
   */
  attach(listener: Listener<Item>): boolean;
  /** Further items wait for `next()`. */
  detach(): void;
  /** Releases all resources immediately, at any time, without calling the listener. */
  return(): Promise<IteratorReturnResult<undefined>>;
}

/** A change of its source. */
export interface Shareable {
  /** What has changed: the same object for all subscribers of a process that receive this change as an event. */
  readonly item: object;
  /** Whether it is part of the current state, which each subscriber has read itself. */
  readonly isSnapshot: boolean;
}

/** A source of changes that are completed before they are sent. */
export interface ChangeSource<Change extends Shareable, Completed> extends AsyncIterableIterator<
  Completed,
  undefined
> {
  /** The incomplete changes. Read either these or the source itself. */
  readonly changes: PushSource<Change>;
  /**
   * Adds what is read at the time of sending. The result is the value of the subscription's field, and the same for all
   * subscribers of one owner.
   * @returns undefined if the change is not sent
   */
  complete(change: Change): Completed | undefined | Promise<Completed | undefined>;
}

/** Whether a source of events is a {@link ChangeSource}. */
export function isChangeSource(source: object): source is ChangeSource<Shareable, unknown> {
  return 'changes' in source && 'complete' in source;
}
