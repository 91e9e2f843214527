import type { ChangeSource } from '../core/push-source';
import type { Followed, Following } from './follow';

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

/** How a source of changes sends them. */
export interface Presentation<Past, Row, Found extends Row | null, Shown> {
  /** Reads the object; changes of an object that is undefined are skipped, and an error ends the stream. */
  readonly find: (past: Past) => Found | undefined | Promise<Found | undefined>;
  /** The value that is sent for a change. */
  readonly show: (change: PresentChange<Past, Row | Found>) => Shown;
}

/**
 * Adds to each change its object, which is read after the change was taken from the stream. The objects of the current
 * state have been read already.
 */
export function withPresent<Past, Row, Found extends Row | null, Shown>(
  following: Following<Change<Past, Row>>,
  presentation: Presentation<Past, Row, Found, Shown>,
): PresentChanges<Past, Row, Found, Shown> {
  return new PresentChanges(following, presentation);
}

class PresentChanges<Past, Row, Found extends Row | null, Shown> implements ChangeSource<
  Followed<Change<Past, Row>>,
  Shown
> {
  constructor(
    readonly changes: Following<Change<Past, Row>>,
    private readonly presentation: Presentation<Past, Row, Found, Shown>,
  ) {}

  complete(change: Followed<Change<Past, Row>>): Shown | undefined | Promise<Shown | undefined> {
    const { past, row } = change.item;
    const present = row ?? this.presentation.find(past);
    return present instanceof Promise
      ? present.then((found) => this.shown(change, found))
      : this.shown(change, present);
  }

  async next(): Promise<IteratorResult<Shown, undefined>> {
    try {
      for (;;) {
        const { value } = await this.changes.next();
        if (!value) return { value: undefined, done: true };
        const shown = await this.complete(value);
        if (shown !== undefined) return { value: shown, done: false };
      }
    } catch (error) {
      await this.return();
      throw error;
    }
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    return this.changes.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private shown(
    { item: { past }, cursor, isSnapshot, occurredAt }: Followed<Change<Past, Row>>,
    row: Row | Found | undefined,
  ): Shown | undefined {
    return row === undefined
      ? undefined
      : this.presentation.show({ past, row, cursor, isSnapshot, occurredAt });
  }
}
