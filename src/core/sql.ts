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
  /**
   * Commits what `work` did, or, if it throws, none of it. `work` may be run again after a lost race, so it changes
   * nothing but the database. Never held open across a call to the outside.
   */
  transaction<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>;
}

/** A row as the program knows it: `provider_ref` becomes `providerRef`. */
export function camelRow<Row>(row: Record<string, unknown>): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [camelName(name), value])) as Row;
}

const camelNames = new Map<string, string>();

function camelName(name: string): string {
  let camel = camelNames.get(name);
  if (camel === undefined) {
    camel = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    camelNames.set(name, camel);
  }
  return camel;
}

/** A column's name for a property: `providerRef` becomes `provider_ref`. */
export function snakeName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
