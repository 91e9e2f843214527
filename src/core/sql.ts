/**
 * A way to run SQL: the database, or an open transaction. Whatever must happen together takes one of these as its
 * first argument, so that the caller decides where the transaction begins and ends.
 */
export interface Sql {
  /** Runs one statement with `$1`-parameters and gives its rows, also for INSERT, UPDATE and DELETE … RETURNING. */
  rows<Row>(text: string, parameters?: readonly unknown[]): Promise<Row[]>;
}

/** The database outside of a transaction. */
export interface Transactions extends Sql {
  /** Commits what `work` did, or, if it throws, none of it. Never held open across a call to the outside. */
  transaction<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>;
}
