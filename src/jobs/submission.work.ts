import { backoffMs, pause } from '../core/clock';
import { DomainError } from '../core/errors';
import { failpoint } from '../core/failpoint';
import type { Logger } from '../core/logger';
import type { Transactions } from '../core/sql';
import type { UpstreamBudget } from '../upstream/budget';
import { UpstreamError, type Accepted, type AvatarProvider } from '../upstream/provider';
import { failure, failureColumns, refusedFailure, type Failure } from './failure';
import type { JobMove, JobRow, JobSteps, Preparation } from './job';
import type { JobStore } from './job.store';
import { keepingLease } from './lease';
import type { Settlement } from './settlement';
import { closeAttempt, closeUnfetched, openAttempt, readAttempt } from './submission.ledger';

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
/** With its waits, about a minute. */
const insistTries = 16;

const neverSubmitted = failure(
  'UPSTREAM_TIMEOUT',
  'It could not even be asked in time; nothing was paid. Retry.',
);

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
      () => Promise.all(claim.rows.map((row) => this.step(steps, row, claim.at, signal))),
    );
    return claim.rows.length;
  }

  private async step(steps: JobSteps, row: JobRow, claimedAt: Date, signal: AbortSignal): Promise<void> {
    const logger = this.parts.logger.child({ [`${steps.line.noun}Id`]: row.id, attempt: row.attempt });
    try {
      if (row.status === 'QUEUED') await this.submit(steps, row, claimedAt, signal);
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

  private async submit(steps: JobSteps, row: JobRow, claimedAt: Date, signal: AbortSignal): Promise<void> {
    const hold = { from: ['QUEUED'], lease: row.lease! };
    const attempt = row.attempt + 1;
    const preparation = await this.prepare(steps, row, claimedAt, signal);
    if (preparation.go === 'fail') return this.fail(steps, row, hold, preparation.failure);
    if (preparation.go === 'wait') {
      return this.move(steps, row, { ...hold, set: {}, dueInMs: preparation.ms, tell: false });
    }
    const beganMs = Date.now();
    const calling = await this.begin(steps, row, attempt);
    if (!calling) return;
    await failpoint('submission:before-call');
    const answer = await this.call(preparation.call, beganMs);
    await failpoint('submission:answered');
    if (answer instanceof UpstreamError) await this.notAccepted(steps, calling, answer);
    else await this.accepted(steps, calling, answer);
  }

  /** Whether the row can be submitted now: by its own word, ours, and the budget's, which is asked last. */
  private async prepare(
    steps: JobSteps,
    row: JobRow,
    claimedAt: Date,
    signal: AbortSignal,
  ): Promise<Preparation> {
    if (signal.aborted) return { go: 'wait', ms: 0 };
    if (row.deadlineAt && row.deadlineAt <= claimedAt) return { go: 'fail', failure: neverSubmitted };
    if (this.parts.settlement.isBehind) return { go: 'wait', ms: sheddingMs };
    const preparation = await steps.prepare(row, row.attempt + 1);
    if (preparation.go !== 'submit') return preparation;
    const grant = await this.parts.budget.take('submit', 1);
    return grant.granted > 0 ? preparation : { go: 'wait', ms: grant.waitMs };
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
  private async call(
    call: (signal: AbortSignal) => Promise<Accepted>,
    beganMs: number,
  ): Promise<Accepted | UpstreamError> {
    // Whoever stood still for so long, a suspended machine say, may have been taken for dead and replaced.
    if (Date.now() - beganMs > this.parts.leaseMs)
      return new UpstreamError('NOT_SENT', 'The process stood still before the call, which was not made.');
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
    const { budget } = this.parts;
    this.parts.logger.warn(
      {
        id: row.id,
        attempt: row.attempt,
        outcome: error.outcome,
        status: error.status,
        correlationId: error.notice.correlationId,
      },
      `the upstream gave no id for a ${steps.line.noun}`,
    );
    const hold = { from: ['SUBMITTING', 'UNCERTAIN'], attempt: row.attempt };
    switch (error.outcome) {
      case 'LATER':
      case 'NOT_SENT': {
        const waitMs = error.retryAfterMs ?? notSentMs;
        await this.quietly(() => (error.outcome === 'LATER' ? budget.pause(waitMs) : budget.failed()));
        const set = { status: 'QUEUED', tries: row.tries + 1, lastError: error.message };
        const move = { ...hold, set, dueInMs: waitMs, tell: true };
        return this.insist(() => this.end(steps, row, move, { outcome: 'NOT_EXECUTED', error }));
      }
      case 'REFUSED': {
        await this.quietly(() => budget.answered(error.notice));
        const why = refusedFailure(error.refusal, error.message);
        return this.insist(() => this.end(steps, row, failing(hold, why), { outcome: 'REFUSED', error }));
      }
      case 'UNKNOWN':
        await this.quietly(() => budget.failed());
        return this.insist(() => this.parts.settlement.unknown(steps, row, error));
    }
  }

  /**
   * What is known for certain must not be lost to an outage of the database, or it would be UNCERTAIN in the end: it is
   * written until the database takes it, for about a minute.
   */
  private async insist(write: () => Promise<void>): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await write();
        return;
      } catch (error) {
        const isAway = error instanceof DomainError && error.code === 'SERVICE_UNAVAILABLE';
        if (!isAway || tries === insistTries) throw error;
        await pause(backoffMs(tries, 200, 5_000));
      }
    }
  }

  /** The grace period is over, or nearly: looks whether evidence came in. */
  private async settle(steps: JobSteps, row: JobRow): Promise<void> {
    const attempt = await readAttempt(this.parts.database, steps.line, row);
    const leftMs = this.parts.graceMs - (attempt?.ageMs ?? Infinity);
    const hold = { from: ['UNCERTAIN'], lease: row.lease! };
    if (leftMs > 0) return this.move(steps, row, { ...hold, set: {}, dueInMs: leftMs, tell: false });
    if (attempt && steps.fetchesPhotos(row) && (await this.sendAgain(steps, row))) return;
    const advice = 'It may have been paid for. Ask the operator, or retry, which pays again.';
    return this.fail(steps, row, hold, failure('SUBMISSION_UNKNOWN', advice));
  }

  /**
   * Puts a submission back that never arrived. An upstream that asks for a photo at this very moment either is seen
   * here, or finds the attempt over and gets none.
   * @returns false if a photo was fetched
   */
  private async sendAgain(steps: JobSteps, row: JobRow): Promise<boolean> {
    const { database, store, logger } = this.parts;
    const { line } = steps;
    const moved = await database.transaction(async (sql) => {
      await sql.rows(`SELECT id FROM ${line.table} WHERE id = $1 FOR UPDATE`, [row.id]);
      if (!(await closeUnfetched(sql, line, row))) return null;
      const set = { status: 'QUEUED' };
      return store.moveWithin<JobRow>(sql, line, [
        { id: row.id, from: ['UNCERTAIN'], lease: row.lease!, set, dueInMs: 0, tell: true },
      ]);
    });
    if (!moved) return false;
    logger.warn(
      { id: row.id, attempt: row.attempt },
      'no photo was ever fetched: the submission never arrived and is made again',
    );
    store.wake(line, moved, true);
    return true;
  }

  private fail(
    steps: JobSteps,
    row: JobRow,
    hold: Pick<JobMove, 'from' | 'lease' | 'attempt'>,
    why: Failure,
  ): Promise<void> {
    return this.end(steps, row, failing(hold, why));
  }

  /** Moves the row and, if a call has ended by this, says so in the ledger: both, or neither. */
  private async end(
    steps: JobSteps,
    row: JobRow,
    move: Omit<JobMove, 'id'>,
    call?: { outcome: 'NOT_EXECUTED' | 'REFUSED'; error: UpstreamError },
  ): Promise<void> {
    const { database, store } = this.parts;
    const moved = await database.transaction(async (sql) => {
      const rows = await store.moveWithin<JobRow>(sql, steps.line, [{ id: row.id, ...move }]);
      if (call) await closeAttempt(sql, steps.line, row, call.outcome, call.error);
      if (move.set.status === 'FAILED') for (const failed of rows) await steps.ended(sql, failed);
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

function failing(hold: Pick<JobMove, 'from' | 'lease' | 'attempt'>, why: Failure): Omit<JobMove, 'id'> {
  const set = { status: 'FAILED', estimatedReadyAt: null, ...failureColumns(why) };
  return { ...hold, set, dueInMs: null, tell: true };
}
