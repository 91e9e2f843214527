import { randomUUID } from 'node:crypto';
import { claimStatement, equals, isDue, type LeasedTable } from './claim-statement';
import { pause } from './clock';
import type { DueQuery } from './due';
import type { Logger } from './logger';
import { levelOf } from './outage';
import type { OwnerShares } from './owner-shares';
import { equalWeights, type OwnerWeights } from './owner-weights';
import { Slot } from './slot';
import { commitsWithoutWaiting, limitsLockWait, type Sql } from './sql';

/** The delay of a deferred row, and how long it keeps its slot, in milliseconds. */
const deferredMs = 3_000;
const deferredSlotMs = 1_000;

/** How long a renewal waits for a row that another transaction locks if it cannot be skipped, in milliseconds. */
const maxRenewalWaitMs = 1_000;

/** Identifies a claim. It is stored in the column `lease`, and every write of the worker requires that it is still there. */
export type FencingToken = string;

/** The columns of every leased table. */
export interface LeasedRow {
  id: string;
  owner: string;
  lease: FencingToken | null;
}

/** A claimed row with its fencing token, and the database's time of the claim. */
export type Claimed<Row> = Row & { lease: FencingToken; claimedAt: Date };

/** What a claim returns with each row; the only row has no lease if the walk from owner to owner found none. */
interface ClaimColumns {
  claimedAt: Date;
  /** Where the next walk starts; null if there was none. */
  lastProbed: string | null;
  /** Which turn of its owner in a round it was: 1, 2 … up to the owner's weight. */
  turn: number;
}

export interface LeaseOptions {
  /** How long a lease lasts without renewal, in milliseconds. */
  leaseMs: number;
  logger: Logger;
  /** @defaultValue all owners have weight 1 */
  weights?: OwnerWeights;
}

/** Which rows to claim. */
export interface ClaimOptions {
  /** Maximum number of rows. */
  limit: number;
  /** Required values of columns. */
  only?: Readonly<Record<string, string>>;
  /** The worker's slots. Owners that use many get fewer rows than owners that use few. */
  slots?: Pick<OwnerShares, 'free' | 'byOwner'>;
}

/** The work that one run of a periodic task has started. */
export interface StartedBatch {
  /** The work on each claimed row; it may end after later runs. If there is any, the next run may follow immediately. */
  work: readonly Promise<unknown>[];
  /** Minimum pause before the next run, in milliseconds. Wake-ups do not shorten it. */
  restMs?: number;
}

/** The result of a run without due work. */
export const emptyBatch: StartedBatch = { work: [] };

/** Combines batches. */
export function joinBatches(...batches: readonly StartedBatch[]): StartedBatch {
  const rests = batches.flatMap(({ restMs }) => (restMs === undefined ? [] : [restMs]));
  return {
    work: batches.flatMap(({ work }) => work),
    ...(rests.length > 0 && { restMs: Math.min(...rests) }),
  };
}

/** The number of free slots if the caller has no limit on slots. */
const unlimitedSlots = 1e9;

/**
 * Leases each row to one worker at a time. The lease expires at the row's due time, so the rows of a crashed worker
 * become due again. The lease is also the fencing token that every write of the worker must check.
 *
 * Claims serve owners round-robin, and the rows of one owner in order: the n-th row of an owner precedes the (n+1)-th of
 * every other; owners with a weight have as many turns in each round. The cost of a claim is bounded regardless of the number of rows and owners: it reads the oldest due rows
 * and, if there are more, walks the index from owner to owner, starting after the owner that was served last.
 */
export class LeasedRows<Row extends LeasedRow> {
  private readonly held = new Map<string, string>();
  private readonly weights: OwnerWeights;
  private renewals: NodeJS.Timeout | null = null;
  /** Where the next round-robin pass starts. */
  private lastOwner = '';
  /** The turns in that round of an owner that has further ones. */
  private turns: Readonly<Record<string, number>> = {};

  constructor(
    private readonly sql: Sql,
    private readonly spec: LeasedTable<Row>,
    private readonly options: LeaseOptions,
  ) {
    this.weights = options.weights ?? equalWeights;
  }

  /** When the next row is due; a leased row, when its lease ends. */
  due(only: NonNullable<ClaimOptions['only']> = {}): DueQuery {
    const { table, rows } = this.spec;
    return {
      sql: (first) =>
        `(SELECT due_at FROM ${table} t WHERE ${rows} ${equals(Object.keys(only), first)} ORDER BY due_at LIMIT 1)`,
      parameters: Object.values(only),
    };
  }

  /** The number of due rows, at most `limit`. */
  async countDue(limit: number, only: ClaimOptions['only'] = {}): Promise<number> {
    const [result] = await this.sql.rows<{ due: number }>(
      `SELECT count(*)::int AS due FROM (
         SELECT FROM ${this.spec.table} t WHERE ${isDue(this.spec)} ${equals(Object.keys(only), 2)} LIMIT $1) due`,
      [limit, ...Object.values(only)],
    );
    return result!.due;
  }

  /** Leases due rows to the caller, in processing order. Concurrent claims never return the same row. */
  async claim({ limit, only = {}, slots }: ClaimOptions): Promise<Claimed<Row>[]> {
    if (limit <= 0) return [];
    const answer = await this.sql.entities<Row, ClaimColumns>(
      this.spec.entity,
      claimStatement(this.sql.engine, this.spec, Object.keys(only), limit),
      [
        randomUUID(),
        this.options.leaseMs,
        limit,
        2 * limit + 16,
        this.lastOwner,
        ...(slots ? [JSON.stringify(Object.fromEntries(slots.byOwner)), slots.free] : ['{}', unlimitedSlots]),
        ...[this.weights.json, JSON.stringify(this.turns)],
        ...Object.values(only),
      ],
    );
    const rows = answer.filter((row): row is typeof row & Claimed<Row> => row.lease !== null);
    this.advance(rows, answer[0]?.lastProbed ?? null);
    return rows;
  }

  /** Decides which owner the next claim starts with: the last one, if it has turns left. */
  private advance(rows: readonly (LeasedRow & ClaimColumns)[], lastProbed: string | null): void {
    const last = rows.at(-1);
    const hasTurns = last !== undefined && last.turn < this.weights.of(last.owner);
    const before = hasTurns ? rows.findLast(({ owner }) => owner !== last.owner) : last;
    this.lastOwner = lastProbed ?? before?.owner ?? this.lastOwner;
    if (last) this.turns = hasTurns ? { [last.owner]: last.turn } : {};
  }

  /**
   * Claims rows for the free slots and starts `work` on each, in a slot. The lease of a row is renewed until its work has ended.
   */
  async start(
    slots: OwnerShares,
    { limit = Infinity, only }: Partial<Omit<ClaimOptions, 'slots'>>,
    work: (row: Claimed<Row>, slot: Slot) => Promise<unknown>,
  ): Promise<StartedBatch> {
    const rows = await this.claim({ limit: Math.min(limit, slots.free), only, slots });
    const running = rows.map(async (row) => {
      const slot = Slot.take(slots, row.owner);
      try {
        await this.hold(row, () => work(row, slot));
      } finally {
        slot.release();
      }
    });
    // Callers that await the work get its errors; until then they are not unhandled.
    for (const each of running) each.catch(() => undefined);
    return { work: running };
  }

  /**
   * Renews the row's lease until `work` has ended. A failed renewal is only logged: if the lease expires, another worker
   * claims the row, and the fencing token rejects late writes of this one. A row that another transaction locks is left to the
   * next renewal, so that it does not delay those of others.
   */
  async hold<Result>(row: Pick<Claimed<Row>, 'id' | 'lease'>, work: () => Promise<Result>): Promise<Result> {
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
   * Returns a row without having processed it.
   * @param set - SQL: additional assignments
   */
  async release(
    { id, lease }: Pick<Claimed<Row>, 'id' | 'lease'>,
    dueInMs: number,
    set?: string,
  ): Promise<void> {
    await this.sql.rows(
      `UPDATE ${this.spec.table} SET lease = NULL, due_at = now() + $3 * interval '1 ms'${set ? `, ${set}` : ''}
        WHERE id = $1 AND lease = $2 AND due_at IS NOT NULL`,
      [id, lease, dueInMs],
    );
  }

  /**
   * Returns a row whose work must wait for its share of a resource, without having processed it.
   * @param set - SQL: additional assignments
   */
  async defer(row: Pick<Claimed<Row>, 'id' | 'lease'>, signal: AbortSignal, set?: string): Promise<void> {
    await this.release(row, signal.aborted ? 0 : deferredMs, set);
    // Keeps the slot for a while; otherwise all of the owner's rows would be claimed at once.
    await pause(deferredSlotMs, signal);
  }

  private async renewHeld(): Promise<void> {
    const held = [...this.held].map(([key, lease]) => ({ id: key.slice(lease.length), lease }));
    if (this.sql.engine.skipLocked) await this.renew(() => this.renewUnlocked(held));
    else await Promise.all(held.map((row) => this.renew(() => this.renewOne(row))));
  }

  private async renew(renewal: () => Promise<unknown>): Promise<void> {
    const { table } = this.spec;
    try {
      await renewal();
    } catch (error) {
      this.options.logger[levelOf(error, 'warn')]({ err: error, table }, 'leases could not be renewed');
    }
  }

  private renewUnlocked(held: readonly Pick<Claimed<Row>, 'id' | 'lease'>[]): Promise<unknown> {
    const { table } = this.spec;
    return this.sql.rows(
      `UPDATE ${table} t SET due_at = now() + $3 * interval '1 ms'
           FROM (SELECT r.id FROM ${table} r JOIN unnest($1::uuid[], $2::uuid[]) AS held (id, lease)
                     ON r.id = held.id AND r.lease = held.lease
                  WHERE r.due_at IS NOT NULL FOR NO KEY UPDATE OF r SKIP LOCKED) free
          WHERE ${commitsWithoutWaiting} AND t.id = free.id`,
      [held.map(({ id }) => id), held.map(({ lease }) => lease), this.options.leaseMs],
    );
  }

  private renewOne({ id, lease }: Pick<Claimed<Row>, 'id' | 'lease'>): Promise<unknown> {
    return this.sql.rows(
      `UPDATE ${this.spec.table} SET due_at = now() + $3 * interval '1 ms'
        WHERE id = $1 AND lease = $2 AND due_at IS NOT NULL AND ${commitsWithoutWaiting} AND ${limitsLockWait(maxRenewalWaitMs)}`,
      [id, lease, this.options.leaseMs],
    );
  }

  private stopRenewals(): void {
    clearInterval(this.renewals ?? undefined);
    this.renewals = null;
  }
}
