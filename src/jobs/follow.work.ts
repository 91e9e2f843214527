import { Batcher } from '../core/batcher';
import { withSignal } from '../core/clock';
import { failpoint } from '../core/failpoint';
import { emptyBatch, type Claimed, type LeasedRows, type StartedBatch } from '../core/leased-rows';
import type { Logger } from '../core/logger';
import { OwnerShares } from '../core/owner-shares';
import type { Transactions } from '../core/sql';
import type { UpstreamBudget } from '../upstream/budget.repository';
import {
  UpstreamError,
  type AvatarProvider,
  type UpstreamResult,
  type UpstreamState,
} from '../upstream/provider';
import type { AccountWork } from './account.work';
import type { JobMove, JobRow, JobSteps } from './job';
import { failingToWatch, failJobs } from './job-end';
import type { JobRepository } from './job.repository';
import { outcomeOf, type PollAnswer } from './poll-outcome';

export interface FollowWorkDeps {
  database: Transactions;
  store: JobRepository;
  provider: AvatarProvider;
  budget: UpstreamBudget;
  account: AccountWork;
  logger: Logger;
  leaseMs: number;
  pollTimeoutMs: number;
  /** Called for each status word that is not in the table of known words. */
  onUnknownWord: (word: string) => void;
}

/** Maximum concurrent polls per process and kind of job. It also limits the rows that stay leased after a crash. */
const maxPolls = 128;
/** Maximum time between two reads of the budget, in milliseconds: another process may have ended a pause. */
const maxRestMs = 2_000;
/** Maximum concurrent polls of failed jobs per process and kind of job. */
const maxWatched = 8;
/** Minimum wait of failed jobs when the budget grants them no call, in milliseconds. */
const minWatchRestMs = 1_000;

/** A poll's answer and its row. */
interface PollResult {
  row: Claimed<JobRow>;
  answer: PollAnswer;
}

/** Which jobs are polled: running ones, or failed ones that the upstream may still finish. */
type PollWork = 'follow' | 'watch';

/** Polls of one kind of job. */
interface Polling {
  rows: LeasedRows<JobRow>;
  slots: OwnerShares;
  /** Stores answers. Answers that arrive during a write are written together in the next one. */
  answers: Batcher<PollResult>;
}

/** Follows submitted jobs: polls those that are due, within the budget, round-robin between owners. */
export class FollowWork {
  private readonly polling = { follow: new Map<JobSteps, Polling>(), watch: new Map<JobSteps, Polling>() };

  constructor(private readonly deps: FollowWorkDeps) {}

  /** Starts the due polls of running jobs. */
  async processBatch(steps: JobSteps, signal: AbortSignal): Promise<StartedBatch> {
    return this.start(steps, 'follow', signal);
  }

  /**
   * Starts the due polls of jobs under the late watch: failed ones that the upstream may still finish. They have a
   * small separate share of the budget, so that running jobs are polled on time.
   */
  async watch(steps: JobSteps, signal: AbortSignal): Promise<StartedBatch> {
    const processBatch = await this.start(steps, 'watch', signal);
    return processBatch.restMs === undefined
      ? processBatch
      : { ...processBatch, restMs: Math.max(minWatchRestMs, processBatch.restMs) };
  }

  /**
   * Takes calls from the budget first and claims only that many rows. Rows that are not polled are not written and
   * keep their position.
   */
  private async start(steps: JobSteps, work: PollWork, signal: AbortSignal): Promise<StartedBatch> {
    const { provider, budget } = this.deps;
    const { rows, slots, answers } = this.pollingOf(steps, work);
    const only = { provider: provider.name };
    const kind = work === 'watch' ? 'watch' : 'poll';
    await slots.whenFree(signal);
    if (signal.aborted) return emptyBatch;
    const due = await rows.countDue(slots.free, only);
    if (due === 0) return emptyBatch;
    const { granted, waitMs } = await budget.take(kind, due);
    const processBatch = await rows.start(slots, { limit: granted, only }, async (row) => {
      const results = await this.poll(steps, row, signal);
      await failpoint('poll:answered');
      await answers.add(results);
    });
    const unused = granted - processBatch.started;
    if (unused > 0) await budget.release(kind, unused);
    return granted === due ? processBatch : { ...processBatch, restMs: Math.min(waitMs, maxRestMs) };
  }

  private pollingOf(steps: JobSteps, work: PollWork): Polling {
    let polling = this.polling[work].get(steps);
    if (!polling) {
      const rows = this.deps.store.rowsFor(steps.kind, work, this.deps);
      const answers = new Batcher<PollResult>((results) => this.writeBack(steps, results));
      polling = { rows, answers, slots: new OwnerShares(work === 'watch' ? maxWatched : maxPolls) };
      this.polling[work].set(steps, polling);
    }
    return polling;
  }

  private async poll(steps: JobSteps, row: Claimed<JobRow>, signal: AbortSignal): Promise<PollResult> {
    try {
      const answer = await withSignal(signal, this.deps.pollTimeoutMs, (limited) => steps.poll(row, limited));
      return { row, answer };
    } catch (error) {
      if (error instanceof UpstreamError) return { row, answer: error };
      return {
        row,
        answer: new UpstreamError('UNKNOWN', 'The poll ended with an unexpected error.', {
          cause: error,
        }),
      };
    }
  }

  private async writeBack(steps: JobSteps, results: readonly PollResult[]): Promise<void> {
    const moves: JobMove[] = [];
    for (const result of results) moves.push(...(await this.evaluate(steps, result, result.row.claimedAt)));
    await this.deps.store.move(steps.kind, moves);
    await this.recordUpstreamHealth(results);
  }

  /** Evaluates one answer. A row that cannot be written does not block the other rows of the batch. */
  private async evaluate(steps: JobSteps, { row, answer }: PollResult, now: Date): Promise<JobMove[]> {
    try {
      this.report(steps, row, answer);
      if (isDone(answer) && steps.hasResult(answer.results)) await this.finish(steps, row, answer.results);
      else return await this.settle(steps, row, answer, now);
    } catch (error) {
      this.deps.logger.warn(
        { err: error, id: row.id },
        `a ${steps.kind.noun} could not be updated; it is retried when its lease ends`,
      );
    }
    return [];
  }

  private report(steps: JobSteps, row: JobRow, answer: PollAnswer): void {
    if (answer instanceof UpstreamError) {
      this.deps.logger.info(
        { id: row.id, status: answer.status, correlationId: answer.notice.correlationId },
        `a ${steps.kind.noun} could not be polled`,
      );
    } else if ('known' in answer && !answer.known) this.deps.onUnknownWord(answer.word);
  }

  private async settle(steps: JobSteps, row: JobRow, answer: PollAnswer, now: Date): Promise<JobMove[]> {
    const { pollPlan, retentionMs, shareOfUpstream } = steps;
    const { lostAfterMs } = this.deps.provider.facts;
    const typicalMs = await steps.typicalMs(row);
    const rules = { now, pollPlan, retentionMs, lostAfterMs, shareOfUpstream, typicalMs };
    const outcome = outcomeOf(row, answer, rules);
    if (outcome.then === 'stay') {
      const { set, dueInMs, appendsEvent } = outcome;
      return [{ id: row.id, from: [row.status], lease: row.lease!, set, dueInMs, appendsEvent }];
    }
    const move = failingToWatch(steps, row, outcome.why, now);
    await failJobs(this.deps, steps, [{ ...move, lease: row.lease! }]);
    return [];
  }

  private async finish(steps: JobSteps, row: JobRow, results: readonly UpstreamResult[]): Promise<void> {
    const moved = await this.deps.database.transaction((sql) => steps.finish(sql, row, results));
    if (!moved) return;
    this.deps.store.wake(steps.kind, [moved], true);
    if (row.status === 'FAILED')
      this.deps.logger.info({ id: row.id }, `a failed ${steps.kind.noun} succeeded late`);
  }

  private async recordUpstreamHealth(results: readonly PollResult[]): Promise<void> {
    const { budget } = this.deps;
    const errors = results.map(({ answer }) => answer).filter((answer) => answer instanceof UpstreamError);
    const later = errors.filter(({ outcome }) => outcome === 'LATER');
    if (later.length > 0) await budget.pause(Math.max(...later.map((error) => error.retryAfterMs ?? 0)));
    const refused = errors.find(
      ({ refusal }) => refusal === 'UPSTREAM_AUTH' || refusal === 'UPSTREAM_CREDITS',
    );
    if (refused) await this.deps.account.refused(refused, 0);
    const answered = results.find(
      ({ answer }) => !(answer instanceof UpstreamError) || answer.outcome === 'REFUSED',
    );
    if (answered) return budget.answered('poll', answered.answer.notice);
    // The upstream may have deleted a failed job: errors of its polls are not evidence of a failing upstream.
    const failures = results.flatMap(({ row, answer }) =>
      row.status !== 'FAILED' && answer instanceof UpstreamError && answer.outcome !== 'LATER'
        ? [{ jobId: row.id, isUnreachable: answer.status === undefined }]
        : [],
    );
    if (failures.length > 0) await budget.failed('poll', failures);
  }
}

function isDone(answer: PollAnswer): answer is Extract<UpstreamState, { state: 'DONE' }> {
  return !(answer instanceof UpstreamError) && answer.state === 'DONE';
}
