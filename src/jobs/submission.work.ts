import { admitWrite } from '../accounts/write-admission.repository';
import { elapsedSince } from '../core/clock';
import { earliestDue, type DueQuery } from '../core/due';
import { failpoint } from '../core/failpoint';
import {
  emptyBatch,
  joinBatches,
  type Claimed,
  type LeasedRows,
  type StartedBatch,
} from '../core/leased-rows';
import { levelOf } from '../core/outage';
import { UpstreamError, type Accepted } from '../upstream/provider';
import { BudgetedRows } from './budgeted-rows';
import { neverSubmittedFailure } from './failure';
import { endJob } from './job-end';
import { loggedId } from './job-log';
import { cancellationMove, failureMove, isTooLate } from './job-move';
import type { JobSteps, Preparation } from './job-steps';
import { tracedJob } from './job-traces';
import type { JobRow } from './job.kind';
import { openAttempt } from './submission.repository';
import {
  beforeDeadline,
  bestEffort,
  CallNotMade,
  UnacceptedCalls,
  type CallContext,
} from './unaccepted-calls';
import { UncertainJobs } from './uncertain-jobs';

/** The delay before a new paid call while the id of an earlier one is not yet in the database, or its own could not be stored. */
const backlogDelayMs = 2_000;

/**
 * The submission protocol, the only code that makes paid calls, for trainings and generations: intent, attempt,
 * commit, call, store.
 *
 * A row becomes SUBMITTING with a new attempt number, and that is committed, before the call. The id in the answer
 * is written to the journal and then to the database. An interruption in between leaves the row SUBMITTING, and it
 * is never submitted again automatically: when its lease ends it becomes UNCERTAIN, until evidence, the owner or
 * the end of the grace period settles it.
 */
export class SubmissionWork {
  private readonly uncertain: UncertainJobs;
  private readonly unaccepted: UnacceptedCalls;
  /** Rows that wait for their call. */
  private readonly queued: BudgetedRows;
  /** Rows whose call has no known outcome. */
  private readonly unsettled: LeasedRows<JobRow>;
  /** The jobs whose calls this process is making, or is storing the answers of. */
  private readonly calling = new Set<string>();

  constructor(
    private readonly deps: CallContext,
    private readonly steps: JobSteps,
  ) {
    this.uncertain = new UncertainJobs(deps, steps);
    this.unaccepted = new UnacceptedCalls(deps, steps);
    this.queued = new BudgetedRows(deps, steps.kind, 'submit', deps.maxSubmissions);
    this.unsettled = deps.jobs.rowsFor(steps.kind, 'settle', deps);
  }

  /**
   * Claims rows that are due before or during their paid call and advances them by one step, within slots and
   * budget. Jobs that get no call from the budget until their queue deadline are ended by {@link OverdueWork}.
   */
  async processBatch(signal: AbortSignal): Promise<StartedBatch> {
    const { queued, unsettled } = this;
    await queued.slots.whenFree(signal);
    if (signal.aborted) return emptyBatch;
    const only = { provider: this.deps.provider.name };
    const settling = await unsettled.start(queued.slots, { only }, (row) =>
      this.attempt(row, () => this.settle(row)),
    );
    if (!this.deps.recorder.mayCall()) return settling;
    const submitting = await queued.start((row, elapsedMs) =>
      this.attempt(row, () => this.submit(row, elapsedMs, signal)),
    );
    return joinBatches(settling, submitting);
  }

  /** When the next job is due to be submitted or settled. */
  get due(): DueQuery {
    return earliestDue(this.queued.due, this.unsettled.due({ provider: this.deps.provider.name }));
  }

  private async attempt(row: JobRow, work: () => Promise<void>): Promise<void> {
    const { noun } = this.steps.kind;
    const logger = this.deps.logger.child({ id: loggedId(this.steps.kind, row), attempt: row.attempt });
    try {
      await work();
    } catch (error) {
      // When the lease ends, a worker, possibly in this process, continues from the stored state.
      logger[levelOf(error, 'warn')](
        { err: error },
        `${noun} could not be updated; it is retried when its lease ends`,
      );
    }
  }

  private settle(row: JobRow): Promise<void> {
    // The lease of the call has ended: its process died or hangs between the start of the call and its answer.
    if (row.status === 'SUBMITTING') return this.deps.recorder.unknown(this.steps, row);
    return this.uncertain.settle(row);
  }

  private async submit(row: Claimed<JobRow>, elapsedMs: () => number, signal: AbortSignal): Promise<void> {
    const { jobs, leaseMs } = this.deps;
    const { claimedAt } = row;
    const hold = { from: ['QUEUED'], lease: row.lease };
    let preparation = await this.prepare(row, claimedAt, signal).catch(async (error: unknown) => {
      await this.returnCall(row);
      throw error;
    });
    // The process was suspended meanwhile: the next claim examines the deadlines of the job again.
    if (preparation.go === 'submit' && elapsedMs() > leaseMs) preparation = { go: 'wait', ms: 0 };
    if (preparation.go !== 'submit') await this.returnCall(row);
    if (preparation.go === 'cancel')
      return endJob(jobs, this.steps, row, cancellationMove(this.steps.kind, row, hold));
    if (preparation.go === 'fail')
      return endJob(jobs, this.steps, row, failureMove(this.steps.kind, row, hold, preparation.failure));
    if (preparation.go === 'wait') return this.wait(row, preparation);
    const { call } = preparation;
    await tracedJob(`submit ${this.steps.kind.noun}`, this.steps.kind, row, () =>
      this.makeCall(row, claimedAt, call),
    );
  }

  private async wait(
    row: Claimed<JobRow>,
    { ms, reason = row.lastError }: Preparation & { go: 'wait' },
  ): Promise<void> {
    const { kind } = this.steps;
    if (reason !== row.lastError)
      this.deps.logger.warn({ id: loggedId(kind, row), reason }, `${kind.noun} is not submitted yet`);
    const hold = { id: row.id, from: ['QUEUED'], lease: row.lease };
    const dueInMs = beforeDeadline(row, row.claimedAt, ms);
    await this.deps.jobs.move(kind, [{ ...hold, set: { lastError: reason }, dueInMs, appendsEvent: false }]);
  }

  private async makeCall(
    row: JobRow,
    claimedAt: Date,
    call: (signal: AbortSignal) => Promise<Accepted>,
  ): Promise<void> {
    const elapsedMs = elapsedSince();
    const calling = await this.begin(row, row.attempt + 1);
    if (!calling) return this.returnCall(row);
    this.calling.add(row.id);
    try {
      const answer = await this.callAndStore(calling, claimedAt, () => this.call(call, elapsedMs));
      if (answer instanceof CallNotMade) await this.returnCall(row);
    } finally {
      this.calling.delete(row.id);
    }
  }

  private async callAndStore(
    row: JobRow,
    claimedAt: Date,
    call: () => Promise<Accepted | UpstreamError>,
  ): Promise<Accepted | UpstreamError> {
    await failpoint('submission:before-call');
    const calledMs = performance.now();
    const answer = await call();
    const durationMs = Math.round(performance.now() - calledMs);
    const outcome = answer instanceof UpstreamError ? (answer.refusal ?? answer.outcome) : 'OK';
    this.deps.onSubmission(this.steps.kind.noun, outcome);
    await failpoint('submission:answered');
    if (answer instanceof UpstreamError)
      await this.unaccepted.handle(row, claimedAt, { error: answer, durationMs });
    else await this.accepted(row, answer, durationMs);
    return answer;
  }

  /** Whether the row can be submitted now. One call has been taken from the budget for it. */
  private async prepare(row: JobRow, claimedAt: Date, signal: AbortSignal): Promise<Preparation> {
    if (signal.aborted) return { go: 'wait', ms: 0 };
    // A failover has lost the intent to call. It is repeated when the answer is stored, or the outcome is unknown.
    if (this.calling.has(row.id)) return { go: 'wait', ms: backlogDelayMs };
    if (isTooLate(row, claimedAt)) return { go: 'cancel' };
    if (row.deadlineAt && row.deadlineAt <= claimedAt)
      return { go: 'fail', failure: neverSubmittedFailure(null) };
    if (!this.deps.recorder.mayCall()) return { go: 'wait', ms: backlogDelayMs };
    return this.steps.prepare(row, row.attempt + 1);
  }

  private returnCall(row: JobRow): Promise<void> {
    return bestEffort(this.deps.logger, () => this.queued.returnCall(row));
  }

  /**
   * Commits that the call is about to be made. From here on the row becomes QUEUED again only if the call was not
   * executed.
   */
  private async begin(row: JobRow, attempt: number): Promise<JobRow | null> {
    const { jobs, provider, leaseMs } = this.deps;
    const { steps } = this;
    const [moved] = await jobs.change(steps.kind, async (sql) => {
      // No paid call is made and no photo is served for an owner whose data are being erased.
      if ((await admitWrite(sql, { owner: row.owner })) !== 'ADMITTED') return [];
      const set = { status: 'SUBMITTING', attempt, lease: row.lease, tries: row.tries };
      const hold = { id: row.id, from: ['QUEUED'], lease: row.lease! };
      const [calling] = await jobs.moveWithin(sql, steps.kind, [
        { ...hold, set, dueInMs: leaseMs, appendsEvent: true, notes: [{ kind: 'SUBMITTED' }] },
      ]);
      const photoUrl = steps.fetchesPhotos(row) ? this.deps.publicUrl() : null;
      if (calling) await openAttempt(sql, steps.kind, calling, { account: provider.account, photoUrl });
      return calling ? [calling] : [];
    });
    return moved ?? null;
  }

  /** Makes the paid call. A shutdown of the process does not abort it, since its answer would be lost. */
  private async call(
    call: (signal: AbortSignal) => Promise<Accepted>,
    elapsedMs: () => number,
  ): Promise<Accepted | UpstreamError> {
    // A process that was suspended for this long may have lost its lease to another one.
    if (elapsedMs() > this.deps.leaseMs)
      return new CallNotMade('NOT_SENT', 'The process was suspended before the call, which was not made.');
    try {
      return await call(AbortSignal.timeout(this.deps.submitTimeoutMs));
    } catch (error) {
      if (error instanceof UpstreamError) return error;
      return new UpstreamError('UNKNOWN', 'The call ended with an unexpected error.', { cause: error });
    }
  }

  private async accepted(row: JobRow, { ref, notice }: Accepted, durationMs: number): Promise<void> {
    const { id, attempt, provider } = row;
    const { correlationId, creditsAvailable, httpStatus } = notice;
    await this.deps.recorder.accepted(row, {
      table: this.steps.kind.table,
      id,
      attempt,
      provider,
      account: this.deps.provider.account,
      ref,
      correlationId,
      creditsAvailable,
      httpStatus,
      durationMs,
    });
    const { account, budget, logger } = this.deps;
    logger.info(
      { id: loggedId(this.steps.kind, row), attempt, providerRef: ref, correlationId },
      `the upstream accepted a ${this.steps.kind.noun}`,
    );
    await bestEffort(logger, () => budget.answered('submit', notice));
    await bestEffort(logger, () => account.answered(true));
  }
}
