import { withSignal } from '../core/clock';
import { Collector } from '../core/collector';
import { failpoint } from '../core/failpoint';
import type { Claimed, LeasedRows } from '../core/leased-rows';
import type { Logger } from '../core/logger';
import { OwnerShares } from '../core/owner-shares';
import type { Transactions } from '../core/sql';
import { emptyBatch, type StartedBatch } from '../core/started-batch';
import type { UpstreamBudget } from '../upstream/budget';
import {
  UpstreamError,
  type AvatarProvider,
  type UpstreamResult,
  type UpstreamState,
} from '../upstream/provider';
import type { AccountWork } from './account.work';
import type { JobMove, JobRow, JobSteps } from './job';
import type { JobStore } from './job.store';
import { failingToWatch, failJobs } from './late-watch';
import { outcomeOf, type PollAnswer } from './poll-outcome';

/** What following is made of. */
export interface FollowWorkDeps {
  database: Transactions;
  store: JobStore;
  provider: AvatarProvider;
  budget: UpstreamBudget;
  account: AccountWork;
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
/** Failed jobs that one process polls at once for one kind of job. */
const maxWatched = 8;
/** How long failed jobs wait at least when the budget has no call for them, in milliseconds. */
const minWatchRestMs = 1_000;

/** A poll's answer with the row that it is about. */
interface Asked {
  row: Claimed<JobRow>;
  answer: PollAnswer;
}

/** Which jobs are polled: running ones, or failed ones that the upstream may still finish. */
type PollWork = 'follow' | 'watch';

/** Polls of one kind of job. */
interface Polling {
  rows: LeasedRows<JobRow>;
  slots: OwnerShares;
  /** Writes answers back: those that come in while others are written are written together. */
  answers: Collector<Asked>;
}

/** Follows what the upstream works on: polls the jobs that are due, within the budget, owners in turn. */
export class FollowWork {
  private readonly polling = { follow: new Map<JobSteps, Polling>(), watch: new Map<JobSteps, Polling>() };

  constructor(private readonly deps: FollowWorkDeps) {}

  /** Starts the polls of running jobs that are due. */
  async processBatch(steps: JobSteps, signal: AbortSignal): Promise<StartedBatch> {
    return this.start(steps, 'follow', signal);
  }

  /**
   * Starts the polls that are due of jobs under the late watch: failed ones that the upstream may still finish. They have
   * a small share of the budget to themselves: however many they are, running jobs are polled on time.
   */
  async watch(steps: JobSteps, signal: AbortSignal): Promise<StartedBatch> {
    const processBatch = await this.start(steps, 'watch', signal);
    return processBatch.restMs === undefined
      ? processBatch
      : { ...processBatch, restMs: Math.max(minWatchRestMs, processBatch.restMs) };
  }

  /**
   * Calls are taken from the budget first and only as many rows are claimed: rows that are not polled are not written and
   * keep their place.
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
      const asked = await this.ask(steps, row, signal);
      await failpoint('poll:answered');
      await answers.add(asked);
    });
    const unused = granted - processBatch.started;
    if (unused > 0) await budget.release(kind, unused);
    return granted === due ? processBatch : { ...processBatch, restMs: Math.min(waitMs, maxRestMs) };
  }

  private pollingOf(steps: JobSteps, work: PollWork): Polling {
    let polling = this.polling[work].get(steps);
    if (!polling) {
      const rows = this.deps.store.rowsFor(steps.kind, work, this.deps);
      const answers = new Collector<Asked>((asked) => this.writeBack(steps, asked));
      polling = { rows, answers, slots: new OwnerShares(work === 'watch' ? maxWatched : maxPolls) };
      this.polling[work].set(steps, polling);
    }
    return polling;
  }

  private async ask(steps: JobSteps, row: Claimed<JobRow>, signal: AbortSignal): Promise<Asked> {
    try {
      const answer = await withSignal(signal, this.deps.pollTimeoutMs, (limited) => steps.ask(row, limited));
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
    await this.deps.store.move(steps.kind, moves);
    await this.recordUpstreamHealth(asked);
  }

  /** What one answer means. A row that cannot be written does not hold up those that were asked for with it. */
  private async conclude(steps: JobSteps, { row, answer }: Asked, now: Date): Promise<JobMove[]> {
    try {
      this.report(steps, row, answer);
      if (isDone(answer) && steps.hasResult(answer.results)) await this.finish(steps, row, answer.results);
      else return await this.settle(steps, row, answer, now);
    } catch (error) {
      this.deps.logger.warn(
        { err: error, id: row.id },
        `a ${steps.kind.noun} could not be moved on; it is taken up again when its lease ends`,
      );
    }
    return [];
  }

  private report(steps: JobSteps, row: JobRow, answer: PollAnswer): void {
    if (answer instanceof UpstreamError) {
      this.deps.logger.info(
        { id: row.id, status: answer.status, correlationId: answer.notice.correlationId },
        `a ${steps.kind.noun} could not be asked for`,
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
      this.deps.logger.info({ id: row.id }, `a ${steps.kind.noun} that had failed succeeded late`);
  }

  private async recordUpstreamHealth(asked: readonly Asked[]): Promise<void> {
    const { budget } = this.deps;
    const errors = asked.map(({ answer }) => answer).filter((answer) => answer instanceof UpstreamError);
    const later = errors.filter(({ outcome }) => outcome === 'LATER');
    if (later.length > 0) await budget.pause(Math.max(...later.map((error) => error.retryAfterMs ?? 0)));
    const refused = errors.find(
      ({ refusal }) => refusal === 'UPSTREAM_AUTH' || refusal === 'UPSTREAM_CREDITS',
    );
    if (refused) await this.deps.account.refused(refused, 0);
    const answered = asked.find(
      ({ answer }) => !(answer instanceof UpstreamError) || answer.outcome === 'REFUSED',
    );
    if (answered) return budget.answered('poll', answered.answer.notice);
    // The upstream may have forgotten a failed job: its polls say nothing about those of running ones.
    const failures = asked.flatMap(({ row, answer }) =>
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
