/** Whose data are meant, and which: all that belonged to the owner at a moment. */
export interface Person {
  readonly owner: string;
  /** The moment, as the database wrote it, to the microsecond. What was made later is not meant. */
  readonly until: string;
}

/**
 * The owner of what is left once a person's data have been erased: entries of the audit log, ends of streams. Nobody can
 * be called so: no token's `sub` and no key's owner may look like one that a key acts for, and no key's owner is empty.
 */
export const erasedOwner = '@/erased';

/** How many rows are read in one statement. */
const portion = 500;

/**
 * Reads what may be long, one statement after the other, without a transaction around them.
 * @param read - gives at most `limit` rows, those that follow the last one that was read
 */
export async function* inBatches<Row>(
  read: (last: Row | null, limit: number) => Promise<Row[]>,
): AsyncGenerator<Row, undefined> {
  for (let rows = await read(null, portion); ; rows = await read(rows.at(-1)!, portion)) {
    yield* rows;
    if (rows.length < portion) return;
  }
}
