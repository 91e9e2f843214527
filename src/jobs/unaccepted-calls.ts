import { backoffMs } from '../core/clock';
import type { Logger } from '../core/logger';
import { levelOf } from '../core/outage';
import { UpstreamError } from '../upstream/provider';
import { refusedFailure } from './failure';
import type { JobContext } from './job-context';
import { endJob, type EndedCall } from './job-end';
import { loggedId } from './job-log';
import { failureMove, type JobMove } from './job-move';
import type { JobSteps } from './job-steps';
import { unsettledStates } from './job.entity';
import { queueDeadlineMs, type JobRow } from './job.kind';
import type { PaidCallRecorder } from './paid-call-recorder';
import { retryWhileUnavailable } from './retry-while-unavailable';
import type { FailedCall } from './submission.repository';
import type { UpstreamAccountWork } from './upstream-account.work';

/** What the work on paid calls uses in addition, to record their answers. */
export interface CallContext extends JobContext {
  recorder: PaidCallRecorder;
  account: UpstreamAccountWork;
}

/**
 * The initial wait, in addition to the upstream's Retry-After, after "later" or after a call that could not be
 * sent. It doubles with each failure of the job; with jitter it is always more than a second.
 */
const firstWaitMs = { LATER: 1_500, NOT_SENT: 5_000 };
const maxWaitMs = 300_000;

/** The process was suspended before the call, so the call was not made. */
export class CallNotMade extends UpstreamError {}

/** What follows from a paid call that was refused, postponed, not sent, or whose outcome is unknown. */
export class UnacceptedCalls {
  constructor(
    private readonly deps: Pick<CallContext, 'jobs' | 'budget' | 'logger' | 'recorder' | 'account'>,
    private readonly steps: JobSteps,
  ) {}

  /** Handles an answer that does not accept the call of a SUBMITTING row. */
  async handle(row: JobRow, claimedAt: Date, call: FailedCall): Promise<void> {
    const { error } = call;
    if (error.outcome !== 'REFUSED') await this.recordFailure(row, error);
    this.deps.logger[levelOf(error, 'warn')](
      {
        id: loggedId(this.steps.kind, row),
        attempt: row.attempt,
        outcome: error.outcome,
        status: error.status,
        correlationId: error.notice.correlationId,
      },
      error instanceof CallNotMade
        ? 'a paid call was not made, since the process was suspended before it'
        : `the upstream did not accept a ${this.steps.kind.noun}`,
    );
    const hold = { from: unsettledStates, attempt: row.attempt };
    switch (error.outcome) {
      case 'LATER':
      case 'NOT_SENT': {
        const tries = row.tries + 1;
        const retryAfterMs = error.retryAfterMs ?? 0;
        const waitMs = retryAfterMs + backoffMs(tries, firstWaitMs[error.outcome], maxWaitMs);
        const set = { status: 'QUEUED', tries, lastError: error.message };
        const move = { ...hold, set, dueInMs: beforeDeadline(row, claimedAt, waitMs), appendsEvent: true };
        return this.end(row, move, { outcome: 'NOT_EXECUTED', ...call });
      }
      case 'REFUSED':
        return this.refused(row, claimedAt, call);
      case 'UNKNOWN':
        return this.deps.recorder.unanswered(this.steps, row, call);
    }
  }

  /** Records a call without an answer, or with "later", for the calls of other jobs. */
  private async recordFailure({ id }: JobRow, error: UpstreamError): Promise<void> {
    const { account, budget } = this.deps;
    await bestEffort(this.deps.logger, () => account.answered(false));
    // It says nothing about the upstream.
    if (error instanceof CallNotMade) return;
    const failures = [{ jobId: id, isUnreachable: error.outcome === 'NOT_SENT' }];
    await bestEffort(this.deps.logger, () =>
      error.outcome === 'LATER' ? budget.pause(error.retryAfterMs ?? 0) : budget.failed('submit', failures),
    );
  }

  /**
   * A refusal of the account pauses submissions and requeues the job at its position; any other refusal fails the
   * job.
   */
  private async refused(row: JobRow, claimedAt: Date, call: FailedCall): Promise<void> {
    const { error } = call;
    const { account, budget } = this.deps;
    const hold = { from: unsettledStates, attempt: row.attempt };
    await bestEffort(this.deps.logger, () => budget.answered('submit', error.notice));
    if (await account.refused(error, row.tries)) {
      const set = { status: 'QUEUED', tries: row.tries + 1, lastError: error.message };
      const move = { ...hold, set, dueInMs: msSinceQueued(row, claimedAt), appendsEvent: true };
      return this.end(row, move, { outcome: 'NOT_EXECUTED', ...call });
    }
    await bestEffort(this.deps.logger, () => account.answered(false));
    const why = refusedFailure(error.refusal, error.message);
    return this.end(row, failureMove(this.steps.kind, row, hold, why), { outcome: 'REFUSED', ...call });
  }

  private end(row: JobRow, move: Omit<JobMove, 'id'>, call: EndedCall): Promise<void> {
    return retryWhileUnavailable(() => endJob(this.deps.jobs, this.steps, row, move, call));
  }
}

/** The job's row matters more than the budget: an error of the budget must not hide the answer. */
export async function bestEffort(logger: Logger, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    logger[levelOf(error, 'warn')]({ err: error }, 'the budget could not be updated');
  }
}

/** The delay of a requeued job, at most 0: it is due since it was queued, so it keeps its position. */
function msSinceQueued({ deadlineAt }: JobRow, now: Date): number {
  return deadlineAt ? Math.min(0, deadlineAt.getTime() - queueDeadlineMs - now.getTime()) : 0;
}

/** Limits a delay to the row's deadline, so that the job ends on time. */
export function beforeDeadline({ deadlineAt }: JobRow, now: Date, ms: number): number {
  return deadlineAt ? Math.min(ms, Math.max(0, deadlineAt.getTime() - now.getTime())) : ms;
}
