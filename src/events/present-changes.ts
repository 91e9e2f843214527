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

/**
 * Adds to each change its object, which is read after the change was taken from the stream. The objects of the current
 * state have been read already.
 * @param find - reads the object; changes of an object that is undefined are skipped, and an error ends the stream
 */
export function withPresent<Past, Row, Found extends Row | null>(
  following: Following<Change<Past, Row>>,
  find: Find<Past, Found>,
): PresentChanges<Past, Row, Found> {
  return new PresentChanges(following, find);
}

type Find<Past, Found> = (past: Past) => Found | undefined | Promise<Found | undefined>;

class PresentChanges<Past, Row, Found extends Row | null> implements ChangeSource<
  Followed<Change<Past, Row>>,
  PresentChange<Past, Row | Found>
> {
  constructor(
    readonly changes: Following<Change<Past, Row>>,
    private readonly find: Find<Past, Found>,
  ) {}

  complete(
    change: Followed<Change<Past, Row>>,
  ): PresentChange<Past, Row | Found> | undefined | Promise<PresentChange<Past, Row | Found> | undefined> {
    const { past, row } = change.item;
    const present = row ?? this.find(past);
    return present instanceof Promise
      ? present.then((found) => presentChange(change, found))
      : presentChange(change, present);
  }

  async next(): Promise<IteratorResult<PresentChange<Past, Row | Found>, undefined>> {
    try {
      for (;;) {
        const { value } = await this.changes.next();
        if (!value) return { value: undefined, done: true };
        const present = await this.complete(value);
        if (present) return { value: present, done: false };
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
}

function presentChange<Past, Row, Present>(
  { item: { past }, cursor, isSnapshot, occurredAt }: Followed<Change<Past, Row>>,
  row: Present | undefined,
): PresentChange<Past, Present> | undefined {
  return row === undefined ? undefined : { past, row, cursor, isSnapshot, occurredAt };
}
