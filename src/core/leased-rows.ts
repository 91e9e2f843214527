import { randomUUID } from 'node:crypto';
import type { Logger } from './logger';
import type { OwnerShares } from './owner-shares';
import { camelRow, type Sql } from './sql';
import { emptyBatch, type StartedBatch } from './started-batch';

/**
 * A kind of work on the rows of a table, which has the columns `id`, `owner`, `due_at` and `lease`. It needs two partial
 * indexes with {@link LeasedTable.rows} as their predicate: one on the order, one on `(owner, due_at)`; where the order is
 * not `due_at`, also one on `(owner, order, due_at)`.
 */
export interface LeasedTable {
  readonly table: string;
  /** SQL: which rows this kind of work is about, beside being due. */
  readonly rows: string;
  /** Which of an owner's due rows comes first.
   *  @defaultValue due_at */
  readonly order?: 'due_at' | 'expires_at' | 'deadline_at';
  /** Whether owners beyond the oldest due rows are looked for.
   *  @defaultValue true */
  readonly inTurn?: boolean;
  /** SQL: what a claim changes besides lease and due time. */
  readonly set?: string;
  /** SQL: what a claim returns besides the row's columns. */
  readonly returning?: string;
}

/** What every leased row has. */
export interface LeasedRow {
  id: string;
  owner: string;
  lease: string | null;
}

/** A claimed row with its fencing token, and the database's time of the claim. */
export type Claimed<Row> = Row & { lease: string; claimedAt: Date };

/** How rows are leased. */
export interface LeaseOptions {
  /** How long a worker holds a row without a sign of life, in milliseconds. */
  leaseMs: number;
  logger: Logger;
}

/** Which rows a worker wants. */
export interface ClaimOptions {
  /** The most rows. */
  limit: number;
  /** Columns that must have these values. */
  only?: Readonly<Record<string, string>>;
  /** The worker's slots: owners that use many get less than owners that use few. */
  slots?: Pick<OwnerShares, 'free' | 'byOwner'>;
}

/** Free slots where there are none to count: every owner may have all rows. */
const noBound = 1e9;

/** How many owners without due rows a claim may look at before it leaves the rest to the next claim. */
const maxProbes = 1_000;

/**
 * Rows of which each is lent to one worker at a time. The lease's end is the row's due time, so rows of a worker that
 * dies are due again; the lease itself is the fencing token, which every write of the worker must require.
 *
 * Claims take owners in turn, and within an owner what is due longest: the n-th row of one owner comes after the n-th of
 * every other that has due rows. The cost of a claim is bounded, however many rows one owner has and however many owners
 * there are: it looks at the oldest due rows and, if there are more than those, goes from owner to owner along the index,
 * beginning after the owner served last.
 */
export class LeasedRows<Row extends LeasedRow> {
  private readonly held = new Map<string, string>();
  private renewals: NodeJS.Timeout | null = null;
  /** The owner that was served last. */
  private lastOwner = '';

  constructor(
    private readonly sql: Sql,
    private readonly spec: LeasedTable,
    private readonly options: LeaseOptions,
  ) {}

  /** How many rows are due, counted to `limit`. */
  async countDue(limit: number, only: ClaimOptions['only'] = {}): Promise<number> {
    const [found] = await this.sql.rows<{ due: number }>(
      `SELECT count(*)::int AS due FROM (
         SELECT FROM ${this.spec.table} t WHERE ${this.isDue} ${equals(only, 2)} LIMIT $1) due`,
      [limit, ...Object.values(only)],
    );
    return found!.due;
  }

  /** Lends due rows to the caller, none of them to two, in the order in which they should be worked on. */
  async claim({ limit, only = {}, slots }: ClaimOptions): Promise<Claimed<Row>[]> {
    if (limit <= 0) return [];
    const answer = await this.sql.rows<Record<string, unknown> & { id: string | null; last_probed: string }>(
      this.claimStatement(only),
      [
        randomUUID(),
        this.options.leaseMs,
        limit,
        2 * limit + 16,
        this.lastOwner,
        ...(slots ? [JSON.stringify(Object.fromEntries(slots.byOwner)), slots.free] : ['{}', noBound]),
        ...Object.values(only),
      ],
    );
    const rows = answer.filter(({ id }) => id !== null).map((row) => camelRow<Claimed<Row>>(row));
    const served = answer[0]?.last_probed ?? rows.at(-1)?.owner;
    if (served !== undefined) this.lastOwner = served;
    return rows;
  }

  /**
   * Claims for the free slots and starts `work` on each row, which is held until that has ended.
   * @param work - its errors are the pass's
   */
  async start(
    slots: OwnerShares,
    { limit = Infinity, only }: Partial<Omit<ClaimOptions, 'slots'>>,
    work: (row: Claimed<Row>) => Promise<unknown>,
  ): Promise<StartedBatch> {
    const rows = await this.claim({ limit: Math.min(limit, slots.free), only, slots });
    if (rows.length === 0) return emptyBatch;
    const running = rows.map(async (row) => {
      slots.take(row.owner, 1);
      try {
        await this.hold(row, () => work(row));
      } finally {
        slots.release(row.owner, 1);
      }
    });
    return { started: rows.length, ended: allEnded(running) };
  }

  /**
   * Renews the row's lease until `work` has ended. A renewal that fails is only logged: when the lease does end, another
   * worker takes the row and the fencing token refuses this one's late writes.
   */
  async hold<Result>(row: { id: string; lease: string }, work: () => Promise<Result>): Promise<Result> {
    this.held.set(row.lease + row.id, row.lease);
    this.renewals ??= setInterval(() => void this.renewHeld(), this.options.leaseMs / 3).unref();
    try {
      return await work();
    } finally {
      this.held.delete(row.lease + row.id);
      if (this.held.size === 0) this.stopRenewals();
    }
  }

  /**
   * Gives a row back that was not worked on.
   * @param set - SQL: what else changes
   */
  async release({ id, lease }: { id: string; lease: string }, dueInMs: number, set?: string): Promise<void> {
    await this.sql.rows(
      `UPDATE ${this.spec.table} SET lease = NULL, due_at = now() + $3 * interval '1 ms'${set ? `, ${set}` : ''}
        WHERE id = $1 AND lease = $2 AND due_at IS NOT NULL`,
      [id, lease, dueInMs],
    );
  }

  private async renewHeld(): Promise<void> {
    const { table } = this.spec;
    try {
      const ids = [...this.held].map(([key, lease]) => key.slice(lease.length));
      await this.sql.rows(
        `UPDATE ${table} t SET due_at = now() + $3 * interval '1 ms'
           FROM unnest($1::uuid[], $2::uuid[]) AS held (id, lease)
          WHERE t.id = held.id AND t.lease = held.lease AND t.due_at IS NOT NULL`,
        [ids, [...this.held.values()], this.options.leaseMs],
      );
    } catch (error) {
      this.options.logger.warn({ err: error, table }, 'leases could not be renewed');
    }
  }

  private stopRenewals(): void {
    clearInterval(this.renewals ?? undefined);
    this.renewals = null;
  }

  private get isDue(): string {
    return `t.due_at <= now() AND ${this.spec.rows}`;
  }

  /**
   * $1 lease, $2 its length, $3 limit, $4 how many of the oldest rows are looked at, $5 the owner served last, $6 what
   * owners have in use, $7 free slots, then the values of `only`.
   *
   * - `oldest`: what is due longest, whoever owns it. Unless that is as many as were looked at, it is all there is.
   * - `turn`: otherwise, owner by owner from the one served last and around, until enough have due rows. (A loose index
   *   scan: each step reads one entry of the index on owner and due time.)
   * - `placed`: the rows in order, each with its number among its owner's, those in use counted first.
   * - `claimed`: LATERAL with its own lock reads rows one by one in that order and skips what others have locked.
   */
  private claimStatement(only: Readonly<Record<string, string>>): string {
    const { table, rows, order = 'due_at', inTurn = true, set, returning } = this.spec;
    const due = `${this.isDue} ${equals(only, 8)}`;
    const ours = `${rows} ${equals(only, 8)}`;
    return `
WITH RECURSIVE oldest AS MATERIALIZED (
  SELECT id, owner, ${order} AS rank FROM ${table} t WHERE ${due} ORDER BY ${order} LIMIT $4),
turn (owner, due_at, found, probes, is_around) AS (
  SELECT $5::text, NULL::timestamptz, 0, 0, false WHERE ${inTurn} AND (SELECT count(*) FROM oldest) = $4
  UNION ALL
  SELECT next.owner, next.due_at, turn.found + (next.due_at <= now())::int, turn.probes + 1, next.is_around
    FROM turn, LATERAL (
      (SELECT t.owner, t.due_at, turn.is_around FROM ${table} t
        WHERE t.owner > turn.owner AND ${ours} ORDER BY t.owner, t.due_at LIMIT 1)
      UNION ALL
      (SELECT t.owner, t.due_at, true FROM ${table} t
        WHERE NOT turn.is_around AND ${ours} ORDER BY t.owner, t.due_at LIMIT 1)
      LIMIT 1) next
   WHERE turn.found < $3 AND turn.probes < ${maxProbes} AND NOT (next.is_around AND next.owner > $5)),
owners AS MATERIALIZED (SELECT owner FROM turn WHERE due_at <= now()),
candidates AS (
  SELECT id, owner, rank FROM oldest WHERE NOT EXISTS (SELECT FROM owners WHERE owners.owner = oldest.owner)
  UNION ALL
  SELECT theirs.* FROM owners, LATERAL (
    SELECT t.id, t.owner, t.${order} FROM ${table} t WHERE t.owner = owners.owner AND ${due}
     ORDER BY t.${order} LIMIT (SELECT ceil(2.0 * $3 / count(*)) FROM owners)) theirs),
numbered AS (
  SELECT id, owner, rank, coalesce(($6::jsonb ->> owner)::int, 0) + row_number() OVER (PARTITION BY owner ORDER BY rank) AS number
    FROM candidates),
placed AS (
  SELECT id, number, row_number() OVER (ORDER BY number, owner <= $5, owner, rank) AS place FROM numbered),
claimed AS (
  UPDATE ${table} SET lease = $1, due_at = now() + $2 * interval '1 ms'${set ? `, ${set}` : ''}
   WHERE id = ANY (ARRAY(
     SELECT free.id
       FROM (SELECT id FROM placed WHERE number <= $7::float8 - place + 1 ORDER BY place) placed,
            LATERAL (SELECT t.id FROM ${table} t WHERE t.id = placed.id AND ${due} FOR UPDATE SKIP LOCKED) free
      LIMIT $3))
  RETURNING *${returning ? `, ${returning}` : ''})
SELECT claimed.*, now() AS claimed_at, last.owner AS last_probed
  FROM (SELECT owner FROM turn ORDER BY probes DESC LIMIT 1) last FULL JOIN claimed ON true LEFT JOIN placed USING (id)
 ORDER BY placed.place`;
  }
}

/** Waits for all; then throws the first error. */
async function allEnded(running: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(running)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

/** SQL that is true of rows with these values, which are the parameters from number `first` on. */
function equals(only: Readonly<Record<string, string>>, first: number): string {
  return Object.keys(only)
    .map((column, index) => `AND ${column} = $${first + index}`)
    .join(' ');
}
