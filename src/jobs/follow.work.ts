import { backoffMs, withSignal } from '../core/clock';
import { Collector } from '../core/collector';
import { failpoint } from '../core/failpoint';
import type { Claimed, LeasedRows } from '../core/leased-rows';
import type { Logger } from '../core/logger';
import { OwnerShares } from '../core/owner-shares';
import { emptyPass, type Pass } from '../core/pass';
import type { Transactions } from '../core/sql';
import type { UpstreamBudget } from '../upstream/budget';
import { UpstreamError, type AvatarProvider, type UpstreamState } from '../upstream/provider';
import { failure, failureColumns, quote, type Failure } from './failure';
import type { JobMove, JobRow, JobSteps } from './job';
import type { JobStore } from './job.store';
import { forecast } from './progress';

/** What following is made of. */
export interface FollowParts {
  database: Transactions;
  store: JobStore;
  provider: AvatarProvider;
  budget: UpstreamBudget;
  logger: Logger;
  leaseMs: number;
  pollTimeoutMs: number;
  /** Told of each status word that nobody knows. */
  onUnknownWord: (word: string) => void;
}

/** Polls that one process makes at once for one kind of job; this bounds what a crash leaves leased. */
const maxPolls = 128;
/** The longest time without a look at the budget, in milliseconds: another process may have ended a pause. */
const maxRestMs = 2_000;
/** How often a 404 must repeat, after the time in which it means "not yet", before a job counts as lost. */
const lostTries = 3;
const firstRetryMs = 2_000;
const longestRetryMs = 60_000;
/** A job that was given up is still asked for this long, since a late success is still a success. */
const lateMs = 48 * 3_600_000;
/** And this many times less often. */
const lateSlower = 5;

/** A poll's answer with the row that it is about. */
interface Asked {
  row: Claimed<JobRow>;
  answer: UpstreamState | UpstreamError;
}

/** Polls of one kind of job. */
interface Polling {
  rows: LeasedRows<JobRow>;
  slots: OwnerShares;
  /** Writes answers back: those that come in while others are written are written together. */
  answers: Collector<Asked>;
}

/** Follows what the upstream works on: polls the jobs that are due, within the budget, owners in turn. */
export class FollowWork {
  private readonly polling = new Map<JobSteps, Polling>();

  constructor(private readonly parts: FollowParts) {}

  /**
   * Starts the polls that are due. Calls are taken from the budget first and only as many rows are claimed: rows that are
   * not polled are not written and keep their place.
   */
  async pass(steps: JobSteps, signal: AbortSignal): Promise<Pass> {
    const { provider, budget } = this.parts;
    const { rows, slots, answers } = this.pollingOf(steps);
    const only = { provider: provider.name };
    await slots.whenFree(signal);
    if (signal.aborted) return emptyPass;
    const due = await rows.countDue(slots.free, only);
    if (due === 0) return emptyPass;
    const { granted, waitMs } = await budget.take('poll', due);
    const pass = await rows.start(slots, { limit: granted, only }, async (row) => {
      const asked = await this.ask(steps, row, signal);
      await failpoint('poll:answered');
      await answers.add(asked);
    });
    const unused = granted - pass.started;
    if (unused > 0) await budget.giveBack('poll', unused);
    return granted === due ? pass : { ...pass, restMs: Math.min(waitMs, maxRestMs) };
  }

  private pollingOf(steps: JobSteps): Polling {
    let polling = this.polling.get(steps);
    if (!polling) {
      const rows = this.parts.store.rowsFor(steps.line, 'follow', this.parts);
      const answers = new Collector<Asked>((asked) => this.writeBack(steps, asked));
      polling = { rows, answers, slots: new OwnerShares(maxPolls) };
      this.polling.set(steps, polling);
    }
    return polling;
  }

  private async ask(steps: JobSteps, row: Claimed<JobRow>, signal: AbortSignal): Promise<Asked> {
    try {
      const answer = await withSignal(signal, this.parts.pollTimeoutMs, (limited) => steps.ask(row, limited));
      return { row, answer };
    } catch (error) {
      if (error instanceof UpstreamError) return { row, answer: error };
      return {
        row,
        answer: new UpstreamError('UNKNOWN', 'The poll ended in a way that nobody foresaw.', {
          cause: error,
        }),
      };
    }
  }

  private async writeBack(steps: JobSteps, asked: readonly Asked[]): Promise<void> {
    const moves: JobMove[] = [];
    for (const one of asked) moves.push(...(await this.conclude(steps, one, one.row.claimedAt)));
    await this.parts.store.move(steps.line, moves);
    await this.recordUpstreamHealth(asked);
  }

  /** What one answer means. A row that cannot be written does not hold up those that were asked for with it. */
  private async conclude(steps: JobSteps, { row, answer }: Asked, now: Date): Promise<JobMove[]> {
    try {
      if (answer instanceof UpstreamError) return await this.unanswered(steps, row, answer, now);
      if (answer.state === 'DONE') await this.finish(steps, row, answer);
      else if (answer.state === 'FAILED')
        await this.fail(steps, row, failure(answer.code, quote(answer.reason)));
      else return await this.running(steps, row, answer, now);
    } catch (error) {
      this.parts.logger.warn(
        { err: error, id: row.id },
        `a ${steps.line.noun} could not be moved on; it is taken up again when its lease ends`,
      );
    }
    return [];
  }

  private async running(
    steps: JobSteps,
    row: JobRow,
    answer: Extract<UpstreamState, { state: 'PENDING' | 'RUNNING' }>,
    now: Date,
  ): Promise<JobMove[]> {
    if (!answer.known) this.parts.onUnknownWord(answer.word);
    const late = this.pastDeadline(steps, row, now);
    if (late === 'give up') {
      await this.fail(
        steps,
        row,
        failure('UPSTREAM_TIMEOUT', 'If it does finish later, it is still taken. Retry pays again.'),
      );
      return [];
    }
    if (late) return [keep(row, { dueInMs: late.dueInMs, polls: row.polls + 1 })];
    const share = steps.shareOfUpstream;
    const { progress, readyAt } = forecast({
      now,
      submittedAt: row.submittedAt ?? now,
      usualMs: await steps.usualMs(row),
      reported: answer.progress,
      lastProgress: row.progress / share,
    });
    const shown = Math.max(row.progress, Math.floor(progress * share));
    const set = {
      progress: shown,
      estimatedReadyAt: readyAt,
      polls: row.polls + 1,
      tries: 0,
      lastError: null,
    };
    const dueInMs = Math.max(
      0,
      Math.min(steps.pollPlan.nextMs, (row.deadlineAt?.getTime() ?? Infinity) - now.getTime()),
    );
    return [
      { id: row.id, from: [row.status], lease: row.lease!, set, dueInMs, tell: shown !== row.progress },
    ];
  }

  /** What a deadline that has passed means for a row that is still running. */
  private pastDeadline(
    steps: JobSteps,
    row: JobRow,
    now: Date,
  ): 'give up' | { dueInMs: number | null } | null {
    if (row.status !== 'FAILED') return row.deadlineAt && row.deadlineAt <= now ? 'give up' : null;
    const since = now.getTime() - (row.submittedAt?.getTime() ?? 0);
    return { dueInMs: since > lateMs ? null : steps.pollPlan.nextMs * lateSlower };
  }

  private async unanswered(
    steps: JobSteps,
    row: JobRow,
    error: UpstreamError,
    now: Date,
  ): Promise<JobMove[]> {
    this.parts.logger.info(
      { id: row.id, status: error.status, correlationId: error.notice.correlationId },
      `a ${steps.line.noun} could not be asked for`,
    );
    const late = this.pastDeadline(steps, row, now);
    const isLost = error.refusal === 'NOT_FOUND' && this.isLost(row, now);
    if (late === 'give up' || isLost) {
      const why = isLost
        ? failure('MODEL_LOST_UPSTREAM', 'Nothing can bring it back; start a new one.')
        : failure('UPSTREAM_TIMEOUT', 'If it does finish later, it is still taken. Retry pays again.');
      await this.fail(steps, row, why);
      return [];
    }
    const tries = row.tries + 1;
    const dueInMs = Math.max(error.retryAfterMs ?? 0, backoffMs(tries, firstRetryMs, longestRetryMs));
    return [
      keep(row, {
        dueInMs: late ? late.dueInMs : dueInMs,
        tries,
        polls: row.polls + 1,
        lastError: error.message,
      }),
    ];
  }

  private isLost(row: JobRow, now: Date): boolean {
    const age = now.getTime() - (row.submittedAt?.getTime() ?? now.getTime());
    return age > this.parts.provider.facts.notYetMs && row.tries + 1 >= lostTries;
  }

  private async finish(
    steps: JobSteps,
    row: JobRow,
    answer: Extract<UpstreamState, { state: 'DONE' }>,
  ): Promise<void> {
    const moved = await this.parts.database.transaction((sql) => steps.finish(sql, row, answer.results));
    if (moved) this.parts.store.wake(steps.line, [moved], true);
  }

  private async fail(steps: JobSteps, row: JobRow, why: Failure): Promise<void> {
    const { database, store } = this.parts;
    const moved = await database.transaction(async (sql) => {
      const rows = await store.moveWithin<JobRow>(sql, steps.line, [failing(steps, row, why)]);
      for (const ended of rows) await steps.ended(sql, ended);
      return rows;
    });
    store.wake(steps.line, moved);
  }

  private async recordUpstreamHealth(asked: readonly Asked[]): Promise<void> {
    const { budget } = this.parts;
    const errors = asked.map(({ answer }) => answer).filter((answer) => answer instanceof UpstreamError);
    const later = errors.filter(({ outcome }) => outcome === 'LATER');
    if (later.length > 0) await budget.pause(Math.max(...later.map((error) => error.retryAfterMs ?? 0)));
    const answered = asked.find(
      ({ answer }) => !(answer instanceof UpstreamError) || answer.outcome === 'REFUSED',
    );
    if (answered) return budget.answered('poll', answered.answer.notice);
    const failures = asked.flatMap(({ row, answer }) =>
      answer instanceof UpstreamError && answer.outcome !== 'LATER'
        ? [{ jobId: row.id, isUnreachable: answer.status === undefined }]
        : [],
    );
    if (failures.length > 0) await budget.failed('poll', failures);
  }
}

function keep(row: JobRow, { dueInMs, ...set }: { dueInMs: number | null } & Partial<JobRow>): JobMove {
  return { id: row.id, from: [row.status], lease: row.lease!, set, dueInMs, tell: false };
}

/** A job given up for its deadline is asked for a while longer: a late success is still taken. */
function failing(steps: JobSteps, row: JobRow, why: Failure): JobMove {
  const stays = row.status === 'FAILED';
  const dueInMs = why.code === 'UPSTREAM_TIMEOUT' ? steps.pollPlan.nextMs * lateSlower : null;
  const set = stays ? {} : { status: 'FAILED', estimatedReadyAt: null, tries: 0, ...failureColumns(why) };
  return { id: row.id, from: [row.status], lease: row.lease!, set, dueInMs, tell: !stays };
}
