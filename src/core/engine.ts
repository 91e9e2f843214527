/** Rows of which a statement claims some. */
export interface ClaimableRows {
  readonly table: string;
  /** SQL: which rows are due, by columns of the table alone. The claim must make it false for the rows that it changes. */
  readonly where: string;
  /** SQL: which of them are first. */
  readonly orderBy: string;
  /** SQL: the maximum number of rows. */
  readonly limit: string | number;
}

/** What only one transaction at a time may do for the same key, such as an owner. */
export const lockNames = ['quota', 'erasure', 'client-tokens', 'webhooks', 'restore', 'register'] as const;

/** One of {@link lockNames}. */
export type LockName = (typeof lockNames)[number];

/**
 * What database engines do differently, as SQL. Everything else is the same for all of them. Processes on one database must
 * use the same engine, since the locks of different ones do not exclude each other.
 */
export interface Engine {
  readonly name: EngineName;
  /** Whether sessions can be notified. Otherwise processes read periodically what others have changed. */
  readonly notifies: boolean;
  /** Whether gateways may change the schema when they start. Otherwise they wait until `likeness migrate` has done it. */
  readonly migratesAtStart: boolean;

  /**
   * SQL: the condition of an UPDATE or DELETE that claims rows by their column `id`. Of concurrent statements with this
   * condition, only one changes each row.
   */
  claims(rows: ClaimableRows): string;

  /**
   * SQL: follows `FOR UPDATE` of rows that this transaction will change. Those that others have locked are skipped. Empty if
   * the engine cannot: the statement waits for them, and returns those that still match then.
   */
  readonly skipLocked: 'SKIP LOCKED' | '';

  /** SQL: waits until no other transaction has this lock for the key $1, and holds it until the end of the transaction. */
  lock(name: LockName): string;

  /** The SQL function that admits the writes of an owner. It shares the lock `erasure` with other writes. */
  readonly admitWrite: string;
}

/** The values of DATABASE_ENGINE. */
export const engineNames = ['postgresql', 'portable'] as const;

/** One of {@link engineNames}. */
export type EngineName = (typeof engineNames)[number];
