/** A data subject: everything that belonged to an owner at a point in time. */
export interface Person {
  readonly owner: string;
  /** The point in time in the database's notation, to the microsecond. Data created later are not included. */
  readonly until: string;
}

/**
 * The owner of the records that remain after an erasure: audit log entries and final events of streams. It cannot
 * collide with a real owner: a token's `sub` and a key's owner must not have the form `@…/…`, and a key's owner is never
 * empty.
 */
export const erasedOwner = '@/erased';

/** Rows per statement. */
const batchSize = 500;

/**
 * Reads a result of any size in batches, without a common transaction.
 * @param read - returns at most `limit` rows that follow `last`
 */
export async function* inBatches<Row>(
  read: (last: Row | null, limit: number) => Promise<Row[]>,
): AsyncGenerator<Row, undefined> {
  for (let rows = await read(null, batchSize); ; rows = await read(rows.at(-1)!, batchSize)) {
    yield* rows;
    if (rows.length < batchSize) return;
  }
}
