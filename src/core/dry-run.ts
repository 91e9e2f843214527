import type { Transactions } from './sql';

/** Ends a transaction whose changes are not wanted. */
class RolledBack extends Error {
  constructor(readonly result: unknown) {
    super('The transaction is rolled back, since it is a dry run.');
  }
}

/** The database with transactions that return their results and are then rolled back. */
export function dryRunOf(database: Transactions): Transactions {
  return {
    engine: database.engine,
    rows: (...statement) => database.rows(...statement),
    entities: (...statement) => database.entities(...statement),
    transaction: async (work) => {
      try {
        return await database.transaction(async (sql) => {
          throw new RolledBack(await work(sql));
        });
      } catch (error) {
        if (error instanceof RolledBack) return error.result as Awaited<ReturnType<typeof work>>;
        throw error;
      }
    },
  };
}
