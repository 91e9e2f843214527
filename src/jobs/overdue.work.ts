import type { Sql } from '../core/sql';
import { failure, neverSubmittedFailure, timedOut, type JobFailure } from './failure';
import type { JobContext } from './job-context';
import { loggedId } from './job-log';
import { cancellationMove, failureMove, isTooLate, type JobMove } from './job-move';
import { lockOverdue, type ReadJob } from './job-row.repository';
import type { JobSteps } from './job-steps';
import type { JobKind, JobRow } from './job.kind';
import { watchedFailureMove } from './late-watch';
import { withCurrentProgress } from './pace';
import { closeAttempt } from './submission.repository';
import { minForeignGraceMs } from './uncertain-jobs';

const hourMs = 3_600_000;
/** How long failed jobs of another provider stay under the late watch, in case it is configured again. */
const foreignRetentionMs = 30 * 24 * hourMs;

/**
 * Ends jobs whose deadline has passed, without a call to the upstream. So no state outlasts its deadline while
 * calls are paused, the budget is spent, or the job's provider is no longer configured. Submitted jobs continue
 * under the late watch.
 */
export class OverdueWork {
  constructor(
    private readonly deps: Pick<
      JobContext,
      'jobs' | 'provider' | 'budget' | 'logger' | 'graceMs' | 'pollTimeoutMs' | 'leaseMs'
    >,
    private readonly steps: JobSteps,
  ) {}

  /**
   * Ends the overdue jobs.
   * @returns the number of changed rows
   */
  async processBatch(): Promise<number> {
    const { jobs, provider, pollTimeoutMs, leaseMs } = this.deps;
    // Leaves time for a poll that is in flight.
    const limits = { provider: provider.name, marginMs: pollTimeoutMs + leaseMs };
    const { kind } = this.steps;
    const changed = await jobs.change(kind, async (sql) =>
      this.end(sql, await lockOverdue(sql, kind, limits)),
    );
    return changed.length;
  }

  private async end(sql: Sql, rows: readonly ReadJob[]): Promise<JobRow[]> {
    const { jobs, logger } = this.deps;
    const { kind } = this.steps;
    const isQueued = rows.some(({ status }) => status === 'QUEUED');
    const pauseReason = isQueued ? await this.deps.budget.pauseReason(sql) : null;
    const neverSubmitted = neverSubmittedFailure(pauseReason);
    const moves = rows.map((row) => this.moveOf(row, neverSubmitted));
    const moved = moves.length > 0 ? await jobs.moveWithin(sql, kind, moves) : [];
    const isEnded = new Set(moves.filter(({ appendsEvent }) => appendsEvent).map(({ id }) => id));
    for (const row of moved.filter(({ id }) => isEnded.has(id))) {
      if (row.status === 'UNCERTAIN') await closeAttempt(sql, kind, row, 'UNKNOWN');
      else await this.steps.ended(sql, row);
      logger.warn(
        { id: loggedId(kind, row), provider: row.provider, status: row.status },
        `an overdue ${kind.noun} was moved to its next state`,
      );
    }
    return moved;
  }

  private moveOf(row: ReadJob, neverSubmitted: JobFailure): JobMove {
    switch (row.status) {
      case 'QUEUED':
        if (isTooLate(row, row.readAt)) return cancellationMove(this.steps.kind, row, { from: ['QUEUED'] });
        return this.endQueued(this.steps.kind, row, neverSubmitted);
      case 'SUBMITTING':
        return this.makeUncertain(row);
      case 'UNCERTAIN':
        return endUncertain(this.steps.kind, row);
      case 'FAILED':
      case 'PARTIAL':
        return postponeWatch(row);
      default:
        return this.endRunning(row);
    }
  }

  private isForeign({ provider }: JobRow): boolean {
    return provider !== this.deps.provider.name;
  }

  private endQueued(kind: JobKind, row: ReadJob, neverSubmitted: JobFailure): JobMove {
    const why = this.isForeign(row) ? notConfigured(row, 'Nothing was charged.') : neverSubmitted;
    return failureMove(kind, row, { from: ['QUEUED'] }, why);
  }

  private endRunning(job: ReadJob): JobMove {
    const { steps } = this;
    const row = withCurrentProgress(steps.kind, job, job.readAt.getTime());
    if (!this.isForeign(row)) return watchedFailureMove(steps, row, timedOut, row.readAt);
    const retentionMs = Math.max(steps.retentionMs, foreignRetentionMs);
    const why = notConfigured(row, 'If it is configured again, a late success is still taken.');
    return watchedFailureMove(
      { kind: steps.kind, pollPlan: steps.pollPlan, retentionMs },
      row,
      why,
      row.readAt,
    );
  }

  private makeUncertain(row: ReadJob): JobMove {
    const set = { status: 'UNCERTAIN', lastError: 'the process ended during the call' };
    const dueInMs = Math.max(this.deps.graceMs, minForeignGraceMs);
    return { id: row.id, from: ['SUBMITTING'], attempt: row.attempt, set, dueInMs, appendsEvent: true };
  }
}

/** Evidence is not evaluated: nothing is submitted again for a provider that is not configured. */
function endUncertain(kind: JobKind, row: ReadJob): JobMove {
  const why = failure('SUBMISSION_UNKNOWN', 'It may have been charged. Contact the operator.');
  return failureMove(kind, row, { from: ['UNCERTAIN'], attempt: row.attempt }, why);
}

/** A failed job of another provider cannot be polled; it stays under the late watch until its deadline. */
function postponeWatch(row: ReadJob): JobMove {
  const leftMs = (row.deadlineAt?.getTime() ?? 0) - row.readAt.getTime();
  const dueInMs = leftMs > 0 ? Math.min(leftMs, hourMs) : null;
  return { id: row.id, from: [row.status], set: {}, dueInMs, appendsEvent: false };
}

function notConfigured({ provider }: JobRow, advice: string): JobFailure {
  return failure('PROVIDER_NOT_CONFIGURED', `It is "${provider}". ${advice} Contact the operator.`);
}
