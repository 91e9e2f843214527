/**
 * Maps the items of a source, one at a time; items mapped to undefined are skipped. An error of `map` ends the source.
 * Not a generator function, because its `return` would wait for the next item before releasing the source.
 */
export function mapIterator<Item, Result>(
  source: AsyncIterable<Item>,
  map: (item: Item) => Result | undefined | Promise<Result | undefined>,
): AsyncIterableIterator<Result> {
  const items = source[Symbol.asyncIterator]();
  const done = { done: true, value: undefined } as const;
  const mapped = async (item: Item): Promise<Result | undefined> => {
    try {
      return await map(item);
    } catch (error) {
      await items.return?.();
      throw error;
    }
  };
  return {
    async next() {
      for (;;) {
        const item = await items.next();
        if (item.done) return done;
        const value = await mapped(item.value);
        if (value !== undefined) return { done: false, value };
      }
    },
    async return() {
      await items.return?.();
      return done;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

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

/**
 * Does something with each item, at most `width` at once. After a failure it begins no further one.
 * @throws the first error, when nothing runs any longer
 */
export async function eachOf<Item>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (const item of rest) {
      await work(item).catch((error: unknown) => failures.push(error));
      if (failures.length > 0) return;
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  if (failures.length > 0) throw failures[0];
}
