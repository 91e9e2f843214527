import type { Engine, LockName } from './engine';

/**
 * Runs SQL, in the database or in an open transaction. Functions that must be part of a transaction take this as their
 * first argument, so that the caller decides where the transaction begins and ends.
 */
export interface Sql {
  /** How the database does what engines do differently. */
  readonly engine: Engine;

  /** Runs one statement with `$1` parameters. Returns its rows, also for INSERT, UPDATE and DELETE … RETURNING. */
  rows<Row>(text: string, parameters?: readonly unknown[]): Promise<Row[]>;

  /**
   * {@link Sql.rows} for a statement that returns all columns of an entity, as plain objects with the entity's property
   * names. Other columns keep their names (`now() AS "readAt"`) and are described by `Extra`.
   * @throws Error if a column of the entity is missing
   */
  entities<Entity extends object, Extra = unknown>(
    entity: EntityClass<Entity>,
    text: string,
    parameters?: readonly unknown[],
  ): Promise<(Entity & Extra)[]>;
}

/** The class of a table's rows. */
export type EntityClass<Entity> = new () => Entity;

/** Options of a transaction. */
export interface TransactionOptions {
  /** Whether its statements may take any time.
   *  @defaultValue false */
  readonly isLong?: boolean;
}

/** The database outside a transaction. */
export interface Transactions extends Sql {
  /**
   * Runs `work` in a transaction: commits, or rolls back if it throws. `work` is retried after a serialization conflict,
   * so it must have no side effects outside the database. It must not make external calls.
   */
  transaction<Result>(work: (sql: Sql) => Promise<Result>, options?: TransactionOptions): Promise<Result>;
}

/** Reads that are expensive and rare, such as counts over all owners. They may be made on a replica. */
export interface CostlyReads {
  /** Begins a read of one or more statements, which show everything that was committed before this call. */
  begin(): Promise<Sql>;
}

/**
 * Waits until no other transaction holds this lock, and holds it until the end of the transaction. Must be a statement before
 * those that read what the lock protects, so that they see what the others have committed.
 * @param key - what is locked, for example an owner
 */
export async function holdLock(sql: Sql, name: LockName, key: string): Promise<void> {
  const held = await sql.rows(sql.engine.lock(name), [key]);
  if (held.length === 0) throw new Error(`The lock ${name} has no row for its key in the table locks.`);
}

/** A statement that returns one row with one text. */
export interface ReadStatement {
  readonly text: string;
  /** Whether it reads few rows, so that others may wait for its end. */
  readonly isShort: boolean;
}

/** Statements that are repeated with other parameters. PostgreSQL keeps those that are used often prepared. */
export interface PreparedStatements {
  /**
   * Runs a statement, and returns its text.
   * @param owner - for whom: those that wait are run for one owner after the other
   */
  text(statement: ReadStatement, parameters: readonly unknown[], owner: string): Promise<string | null>;
}

/**
 * SQL: a condition that always holds. If a row was checked by it, the transaction's commit does not wait until it is
 * durable; if PostgreSQL crashes at once, the transaction may be undone as a whole. Only for what may be lost without
 * harm. Later commits that wait make it durable as well.
 */
export const commitsWithoutWaiting = `set_config('synchronous_commit', 'off', true) = 'off'`;

/**
 * SQL: a condition that always holds. Once a row was checked by it, the transaction is rolled back and its session ended
 * if it is idle for longer, in milliseconds: a suspended process cannot commit it later.
 */
export function limitsIdleTime(maxMs: number): string {
  return `set_config('idle_in_transaction_session_timeout', '${maxMs}', true) <> ''`;
}

/**
 * SQL: a condition that always holds. Once a row was checked by it, this transaction does not wait longer for each lock, in
 * milliseconds: the statement fails, as while the database is unavailable.
 */
export function limitsLockWait(maxMs: number): string {
  return `set_config('lock_timeout', '${maxMs}', true) <> ''`;
}

/** SQL: a list of text literals, for constants of the program such as states. */
export function textList(constants: readonly string[]): string {
  return `'${constants.join("', '")}'`;
}

/** Converts a property name to a column name: `providerRef` becomes `provider_ref`. */
export function snakeName(name: string): string {
  let snake = snakeNames.get(name);
  if (snake === undefined) {
    snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    snakeNames.set(name, snake);
  }
  return snake;
}

/** The column names of properties, which are constants of the program. */
const snakeNames = new Map<string, string>();

/** Groups rows by their key, in the order of `keys`; a key without rows has an empty group. */
export function groupsOf<Row>(
  keys: readonly string[],
  rows: readonly Row[],
  keyOf: (row: Row) => string | null,
): Row[][] {
  const groups = new Map<string | null, Row[]>(keys.map((key) => [key, []]));
  for (const row of rows) groups.get(keyOf(row))?.push(row);
  return keys.map((key) => groups.get(key) ?? []);
}
