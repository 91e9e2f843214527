import {
  emptyBatch,
  joinBatches,
  type Claimed,
  type LeasedRows,
  type StartedBatch,
} from '../core/leased-rows';
import type { Logger } from '../core/logger';
import { OwnerShares } from '../core/owner-shares';
import type { UpstreamBudget } from '../upstream/budget.repository';
import type { AvatarProvider } from '../upstream/provider';
import type { JobKind, JobRow } from './job';
import type { JobRepository, JobWork } from './job.repository';

export interface SubmissionQueueDeps {
  store: JobRepository;
  provider: Pick<AvatarProvider, 'name'>;
  budget: UpstreamBudget;
  logger: Logger;
  /** How long a row is leased to a worker, in milliseconds. */
  leaseMs: number;
}

/** Handlers for each kind of row. */
export interface SubmissionHandlers {
  /** A QUEUED row for which a call has been taken from the budget. */
  submit: (row: Claimed<JobRow>) => Promise<void>;
  /** A QUEUED row whose deadline has passed. */
  expire: (row: Claimed<JobRow>) => Promise<void>;
  /** A row whose call has ended without a known outcome. */
  settle: (row: Claimed<JobRow>) => Promise<void>;
}

/** Maximum concurrent paid calls per process and kind of job. */
const maxCalls = 16;

/** Maximum time between two reads of the budget, in milliseconds: another process may have ended a pause. */
const maxRestMs = 2_000;

/**
 * Chooses the jobs of one kind to submit next, round-robin between owners; slow calls of one owner leave slots for
 * the others. Takes calls from the budget first and claims only that many rows: rows without a call are not written
 * and keep their position.
 */
export class SubmissionQueue {
  private readonly slots = new OwnerShares(maxCalls);
  private readonly queued: LeasedRows<JobRow>;
  private readonly overdue: LeasedRows<JobRow>;
  private readonly unsettled: LeasedRows<JobRow>;
  private readonly only: { provider: string };

  constructor(
    private readonly deps: SubmissionQueueDeps,
    kind: JobKind,
  ) {
    const rows = (work: JobWork): LeasedRows<JobRow> => deps.store.rowsFor(kind, work, deps);
    this.queued = rows('submit');
    this.overdue = rows('expire');
    this.unsettled = rows('settle');
    this.only = { provider: deps.provider.name };
  }

  /**
   * Starts due rows while slots are free.
   * @param isClosed - whether no new paid call may be made now
   */
  async processBatch(
    handlers: SubmissionHandlers,
    isClosed: boolean,
    signal: AbortSignal,
  ): Promise<StartedBatch> {
    await this.slots.whenFree(signal);
    if (signal.aborted) return emptyBatch;
    const settling = await this.unsettled.start(this.slots, { only: this.only }, handlers.settle);
    if (isClosed) return settling;
    return joinBatches(settling, await this.submit(handlers));
  }

  private async submit({ submit, expire }: SubmissionHandlers): Promise<StartedBatch> {
    const { queued, overdue, slots, only } = this;
    const due = await queued.countDue(slots.free, only);
    if (due === 0) return emptyBatch;
    const { granted, waitMs } = await this.deps.budget.take('submit', due);
    const submitting = await queued.start(slots, { limit: granted, only }, submit);
    const unused = granted - submitting.started;
    if (unused > 0) await this.deps.budget.release('submit', unused);
    if (granted === due) return submitting;
    const expiring = await overdue.start(slots, { only }, expire);
    return { ...joinBatches(submitting, expiring), restMs: Math.min(waitMs, maxRestMs) };
  }
}
