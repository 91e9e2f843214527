import { Batcher } from '../core/batcher';
import { elapsedSince, pause } from '../core/clock';
import type { DueQuery } from '../core/due';
import { emptyBatch, type Claimed, type LeasedRows, type StartedBatch } from '../core/leased-rows';
import { OwnerShares } from '../core/owner-shares';
import type { CallKind } from '../upstream/budget.repository';
import type { JobContext } from './job-context';
import type { JobKind, JobRow } from './job.kind';

/** A row whose call was not made. */
interface Unsent {
  readonly row: Claimed<JobRow>;
  /** How long the upstream wants no calls, in milliseconds; null: it requested no pause. */
  readonly pauseMs: number | null;
}

/** Maximum time between two reads of the budget, in milliseconds: another process may have ended a pause. */
const maxRestMs = 2_000;
/** Minimum time between two reads of the budget if no row could use the granted call, in milliseconds. */
const minRestMs = 250;
/** With fewer free slots than this share, a claim of polls waits for more. */
const minFreeShare = 0.5;

/**
 * Jobs of one kind that each need one call to the upstream, round-robin between owners; slow calls of one owner leave
 * slots for the others. Takes calls from the budget first and claims only that many rows: rows without a call are not
 * written and keep their position.
 */
export class BudgetedRows {
  readonly slots: OwnerShares;
  private readonly rows: LeasedRows<JobRow>;
  /** The jobs of the configured provider. */
  private readonly only: { provider: string };
  /** Rows whose granted call is a trial. */
  private readonly trials = new WeakSet<object>();
  private readonly unsent = new Batcher<Unsent>((batch) => this.giveBack(batch));

  /** @param maxCalls - maximum concurrent calls of this process */
  constructor(
    private readonly deps: Pick<
      JobContext,
      'jobs' | 'provider' | 'budget' | 'leaseMs' | 'logger' | 'weights' | 'pollBatchWaitMs' | 'pollPauseMs'
    >,
    kind: JobKind,
    private readonly call: CallKind,
    private readonly maxCalls: number,
  ) {
    this.slots = new OwnerShares(maxCalls, deps.weights);
    this.rows = deps.jobs.rowsFor(kind, call, deps);
    this.only = { provider: deps.provider.name };
  }

  /** When the next job is due. */
  get due(): DueQuery {
    return this.rows.due(this.only);
  }

  /**
   * Resolves when a slot is free, or the signal is aborted. If few are free, it waits a moment for more, so that calls
   * that end at about the same time are replaced by one claim.
   */
  async whenFree(signal: AbortSignal): Promise<void> {
    await this.slots.whenFree(signal);
    if (this.slots.free < this.maxCalls * minFreeShare) await pause(this.deps.pollBatchWaitMs, signal);
  }

  /** Returns a row whose call was aborted; it is due at once. */
  async release(row: Claimed<JobRow>): Promise<void> {
    if (this.trials.has(row)) await this.deps.budget.release(this.call, 0, true);
    await this.rows.release(row, 0);
  }

  /** Returns the call of a row to the budget. */
  returnCall(row: JobRow): Promise<void> {
    return this.deps.budget.release(this.call, 1, this.trials.has(row));
  }

  /**
   * Returns a row whose call was not made, and the call to the budget. The row is due at once, or when the pause has ended
   * that the upstream requested.
   * @param pauseMs - the pause; null: none was requested
   */
  returnUnsent(row: Claimed<JobRow>, pauseMs: number | null): Promise<void> {
    return this.unsent.add({ row, pauseMs });
  }

  private async giveBack(batch: readonly Unsent[]): Promise<void> {
    const { budget } = this.deps;
    const pauses = batch.flatMap(({ pauseMs }) => pauseMs ?? []);
    // Before the rows, which are claimed again at once otherwise.
    if (pauses.length > 0) await budget.pause(Math.max(...pauses));
    await budget.release(
      this.call,
      batch.length,
      batch.some(({ row }) => this.trials.has(row)),
    );
    await Promise.all(batch.map(({ row }) => this.rows.release(row, 0)));
  }

  /**
   * Starts `work` on due rows while slots are free. One call has been taken from the budget for each.
   * @param work - `elapsedMs` returns how long ago the row was claimed at most, in milliseconds
   */
  async start(
    work: (row: Claimed<JobRow>, elapsedMs: () => number) => Promise<unknown>,
  ): Promise<StartedBatch> {
    const { rows, slots, call, only } = this;
    const { budget, pollPauseMs } = this.deps;
    const due = await rows.countDue(slots.free, only);
    if (due === 0) return emptyBatch;
    const { granted, waitMs, isTrial } = await budget.take(call, due);
    const elapsedMs = elapsedSince();
    const batch = await rows.start(slots, { limit: granted, only }, (row) => {
      if (isTrial) this.trials.add(row);
      return work(row, elapsedMs);
    });
    const unused = granted - batch.work.length;
    if (unused > 0) await budget.release(call, unused, isTrial);
    if (granted === due) return batch;
    // A trial call that is returned is granted again at once; meanwhile all owners of due rows use their share of the slots.
    const isStuck = granted > 0 && batch.work.length === 0;
    const restMs = Math.min(Math.max(waitMs, isStuck ? minRestMs : 0), maxRestMs);
    return { ...batch, restMs: call === 'submit' ? restMs : Math.max(restMs, pollPauseMs) };
  }
}
