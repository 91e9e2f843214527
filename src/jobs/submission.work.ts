import { failpoint } from '../core/failpoint';
import type { Logger } from '../core/logger';
import type { Transactions } from '../core/sql';
import type { UpstreamBudget } from '../upstream/budget';
import { UpstreamError, type Accepted, type AvatarProvider } from '../upstream/provider';
import { failure, failureColumns, refusedFailure, type Failure } from './failure';
import type { JobMove, JobRow, JobSteps } from './job';
import type { JobStore } from './job.store';
import { keepingLease } from './lease';
import type { Settlement } from './settlement';
import { closeAttempt, openAttempt, readAttempt } from './submission.ledger';

/** What the submission protocol is made of. */
export interface SubmissionParts {
  database: Transactions;
  store: JobStore;
  settlement: Settlement;
  provider: AvatarProvider;
  budget: UpstreamBudget;
  logger: Logger;
  /** How long a worker holds a row without a sign of life, in milliseconds. */
  leaseMs: number;
  /** The most time for one paid call, in milliseconds. */
  submitTimeoutMs: number;
  /** How long the outcome of a submission may stay unknown, in milliseconds. */
  graceMs: number;
}

/** Paid calls that are made at once by one process. */
const atOnce = 8;
/** How long to wait with a new paid call while an id of an earlier one is not yet in the database. */
const sheddingMs = 2_000;
/** How long to wait with a call that could not be sent at all. */
const notSentMs = 5_000;

/**
 * The submission protocol, the one place where money is spent: intent, attempt, commit, call, store. For trainings
 * and generations alike.
 *
 * A row becomes SUBMITTING under a fresh attempt number, and that is committed, before the call. The answer's id goes
 * to the journal and then to the database. Whatever ends in between leaves SUBMITTING behind, which is never sent
 * again by itself: when its lease ends it becomes UNCERTAIN, and evidence, a person or the end of the grace period
 * settles it.
 */
export class SubmissionWork {
  constructor(private readonly parts: SubmissionParts) {}

  /**
   * Takes what is due before or around its paid call and moves it one step.
   * @returns how many rows were in hand
   */
  async pass(steps: JobSteps, signal: AbortSignal): Promise<number> {
    const { store, provider, leaseMs } = this.parts;
    const claim = await store.claim(steps.line, {
      statuses: ['QUEUED', 'SUBMITTING', 'UNCERTAIN'],
      provider: provider.name,
      limit: atOnce,
      leaseMs,
    });
    const ids = claim.rows.map((row) => row.id);
    await keepingLease(
      {
        everyMs: leaseMs / 3,
        renew: () => store.renew(steps.line, claim.lease, ids, leaseMs),
        logger: this.parts.logger,
      },
      () => Promise.all(claim.rows.map((row) => this.step(steps, row, signal))),
    );
    return claim.rows.length;
  }

  private async step(steps: JobSteps, row: JobRow, signal: AbortSignal): Promise<void> {
    const logger = this.parts.logger.child({ [`${steps.line.noun}Id`]: row.id, attempt: row.attempt });
    try {
      if (row.status === 'QUEUED') await this.submit(steps, row, signal);
      else if (row.status === 'SUBMITTING')
        // Its lease has ended: somebody died, or hangs, between the begin of the call and its answer.
        await this.parts.settlement.unknown(steps, row);
      else await this.settle(steps, row);
    } catch (error) {
      // The lease ends and somebody, perhaps this process, takes the row up again from its stored state.
      logger.warn(
        { err: error },
        `${steps.line.noun} could not be moved on; it is taken up again when its lease ends`,
      );
    }
  }

  private async submit(steps: JobSteps, row: JobRow, signal: AbortSignal): Promise<void> {
    const wait = (ms: number) =>
      this.move(steps, row, { from: ['QUEUED'], lease: row.lease!, set: {}, dueInMs: ms, tell: false });
    if (signal.aborted) return wait(0);
    if (this.parts.settlement.isBehind) return wait(sheddingMs);
    const attempt = row.attempt + 1;
    const preparation = await steps.prepare(row, attempt);
    if (preparation.go === 'wait') return wait(preparation.ms);
    if (preparation.go === 'fail')
      return this.fail(steps, row, { from: ['QUEUED'], lease: row.lease! }, preparation.failure);
    const grant = await this.parts.budget.take('submit', 1);
    if (grant.granted === 0) return wait(grant.waitMs);

    const calling = await this.begin(steps, row, attempt);
    if (!calling) return;
    await failpoint('submission:before-call');
    const answer = await this.call(preparation.call);
    await failpoint('submission:answered');
    if (answer instanceof UpstreamError) await this.notAccepted(steps, calling, answer);
    else await this.accepted(steps, calling, answer);
  }

  /** Commits that the call is about to be made. From here on the row is never QUEUED again without a reason. */
  private async begin(steps: JobSteps, row: JobRow, attempt: number): Promise<JobRow | null> {
    const { database, store, provider, leaseMs } = this.parts;
    const moved = await database.transaction(async (sql) => {
      const set = { status: 'SUBMITTING', attempt, lease: row.lease, tries: row.tries };
      const [calling] = await store.moveWithin<JobRow>(sql, steps.line, [
        { id: row.id, from: ['QUEUED'], lease: row.lease!, set, dueInMs: leaseMs, tell: true },
      ]);
      if (calling) await openAttempt(sql, steps.line, calling, provider.account);
      return calling ?? null;
    });
    if (moved) store.wake(steps.line, [moved]);
    return moved;
  }

  /** Makes the paid call. Not ended by a stop of the process: its answer is worth more than a quick end. */
  private async call(call: (signal: AbortSignal) => Promise<Accepted>): Promise<Accepted | UpstreamError> {
    try {
      return await call(AbortSignal.timeout(this.parts.submitTimeoutMs));
    } catch (error) {
      if (error instanceof UpstreamError) return error;
      return new UpstreamError('UNKNOWN', 'The call ended in a way that nobody foresaw.', { cause: error });
    }
  }

  private async accepted(steps: JobSteps, row: JobRow, { ref, notice }: Accepted): Promise<void> {
    const { id, attempt, provider } = row;
    const { correlationId } = notice;
    await this.parts.settlement.accepted(steps, {
      table: steps.line.table,
      id,
      attempt,
      provider,
      ref,
      correlationId,
    });
    await this.quietly(() => this.parts.budget.answered(notice));
  }

  private async notAccepted(steps: JobSteps, row: JobRow, error: UpstreamError): Promise<void> {
    const { budget, database } = this.parts;
    this.parts.logger.warn(
      {
        id: row.id,
        attempt: row.attempt,
        outcome: error.outcome,
        status: error.status,
        correlationId: error.notice.correlationId,
      },
      `the upstream did not take a ${steps.line.noun}: ${error.message}`,
    );
    switch (error.outcome) {
      case 'LATER':
      case 'NOT_SENT': {
        const waitMs = error.retryAfterMs ?? notSentMs;
        await this.quietly(() => (error.outcome === 'LATER' ? budget.pause(waitMs) : budget.failed()));
        await database.transaction((sql) => closeAttempt(sql, steps.line, row, 'NOT_EXECUTED', error));
        return this.move(steps, row, {
          from: ['SUBMITTING', 'UNCERTAIN'],
          attempt: row.attempt,
          set: { status: 'QUEUED', tries: row.tries + 1, lastError: error.message },
          dueInMs: waitMs,
          tell: true,
        });
      }
      case 'REFUSED':
        await this.quietly(() => budget.answered(error.notice));
        await database.transaction((sql) => closeAttempt(sql, steps.line, row, 'REFUSED', error));
        return this.fail(
          steps,
          row,
          { from: ['SUBMITTING', 'UNCERTAIN'], attempt: row.attempt },
          refusedFailure(error.refusal, error.message),
        );
      case 'UNKNOWN':
        await this.quietly(() => budget.failed());
        return this.parts.settlement.unknown(steps, row, error);
    }
  }

  /** The grace period is over, or nearly: looks whether evidence came in. */
  private async settle(steps: JobSteps, row: JobRow): Promise<void> {
    const attempt = await readAttempt(this.parts.database, steps.line, row);
    const leftMs = this.parts.graceMs - (attempt?.ageMs ?? Infinity);
    const hold = { from: ['UNCERTAIN'], lease: row.lease! };
    if (leftMs > 0) return this.move(steps, row, { ...hold, set: {}, dueInMs: leftMs, tell: false });
    if (attempt && steps.fetchesPhotos(row) && !attempt.photosFetched) {
      this.parts.logger.warn(
        { id: row.id, attempt: row.attempt },
        'no photo was ever fetched: the submission never arrived and is made again',
      );
      await this.parts.database.transaction((sql) => closeAttempt(sql, steps.line, row, 'NOT_EXECUTED'));
      return this.move(steps, row, { ...hold, set: { status: 'QUEUED' }, dueInMs: 0, tell: true });
    }
    const advice = 'It may have been paid for. Ask the operator, or retry, which pays again.';
    return this.fail(steps, row, hold, failure('SUBMISSION_UNKNOWN', advice));
  }

  private async fail(
    steps: JobSteps,
    row: JobRow,
    hold: Pick<JobMove, 'from' | 'lease' | 'attempt'>,
    why: Failure,
  ): Promise<void> {
    const { database, store } = this.parts;
    const moved = await database.transaction(async (sql) => {
      const set = { status: 'FAILED', estimatedReadyAt: null, ...failureColumns(why) };
      const rows = await store.moveWithin<JobRow>(sql, steps.line, [
        { id: row.id, ...hold, set, dueInMs: null, tell: true },
      ]);
      for (const ended of rows) await steps.ended(sql, ended);
      return rows;
    });
    store.wake(steps.line, moved);
  }

  private async move(steps: JobSteps, row: JobRow, move: Omit<JobMove, 'id'>): Promise<void> {
    await this.parts.store.move(steps.line, [{ id: row.id, ...move }]);
  }

  /** The budget's books matter less than the job's own row: a failure to keep them must not hide the answer. */
  private async quietly(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.parts.logger.warn({ err: error }, 'the budget could not be written');
    }
  }
}
