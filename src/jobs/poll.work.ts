import { Batcher } from '../core/batcher';
import type { DueQuery } from '../core/due';
import { failpoint } from '../core/failpoint';
import { emptyBatch, type Claimed, type StartedBatch } from '../core/leased-rows';
import { levelOf } from '../core/outage';
import { CallWithheld, UpstreamError, type UpstreamState } from '../upstream/provider';
import { BudgetedRows } from './budgeted-rows';
import type { JobContext } from './job-context';
import { endAtProgress } from './job-end';
import { loggedId } from './job-log';
import type { JobMove } from './job-move';
import type { FoundResult, JobSteps } from './job-steps';
import { tracedJob } from './job-traces';
import type { JobRow } from './job.kind';
import { isWatched, watchedFailureMove } from './late-watch';
import { effectOf, type PollAnswer } from './poll-effect';
import { mayDiffer, pollNote } from './poll-note';
import type { UpstreamAccountWork } from './upstream-account.work';

/** Maximum concurrent polls of failed jobs per process and kind of job. */
const maxWatched = 8;
/** Minimum wait of failed jobs when the budget grants them no call, in milliseconds. */
const minWatchRestMs = 1_000;

/** A poll's answer and its row. */
interface PollResult {
  row: Claimed<JobRow>;
  answer: PollAnswer;
  /** How long the call took, in milliseconds. */
  ms: number;
}

/** Polls of one kind of job. */
interface Polling {
  rows: BudgetedRows;
  /** Stores answers. Answers that arrive during a write are written together in the next one. */
  answers: Batcher<PollResult>;
}

/** Polls submitted jobs that are due. */
export class PollWork {
  private readonly running: Polling;
  private readonly watched: Polling;

  constructor(
    private readonly deps: JobContext & { account: UpstreamAccountWork },
    private readonly steps: JobSteps,
  ) {
    this.running = this.pollingOf('poll', deps.maxPolls);
    this.watched = this.pollingOf('watch', maxWatched);
  }

  /** When the next poll of a running job is due. */
  get due(): DueQuery {
    return this.running.rows.due;
  }

  /** Starts the due polls of running jobs. */
  async processBatch(signal: AbortSignal): Promise<StartedBatch> {
    return this.start(this.running, signal);
  }

  /** When the next poll of a job under the late watch is due. */
  get watchDue(): DueQuery {
    return this.watched.rows.due;
  }

  /**
   * Starts the due polls of jobs under the late watch: failed ones that the upstream may still finish. They have a
   * small separate share of the budget, so that running jobs are polled on time.
   */
  async watch(signal: AbortSignal): Promise<StartedBatch> {
    const batch = await this.start(this.watched, signal);
    return batch.restMs === undefined ? batch : { ...batch, restMs: Math.max(minWatchRestMs, batch.restMs) };
  }

  private async start({ rows, answers }: Polling, signal: AbortSignal): Promise<StartedBatch> {
    await rows.whenFree(signal);
    if (signal.aborted) return emptyBatch;
    return rows.start(async (row) => {
      const result = await this.poll(row, signal);
      await failpoint('poll:answered');
      const { answer } = result;
      if (answer instanceof CallWithheld) await rows.returnUnsent(row, answer.retryAfterMs ?? null);
      // An error of a call that was aborted by a stop is no evidence about the job or the upstream.
      else if (signal.aborted && answer instanceof UpstreamError) await rows.release(row);
      else await answers.add(result);
    });
  }

  private pollingOf(call: 'poll' | 'watch', maxCalls: number): Polling {
    const answers = new Batcher<PollResult>(
      (results) => this.writeBack(results),
      this.deps.pollBatchWaitMs / 2,
    );
    return { rows: new BudgetedRows(this.deps, this.steps.kind, call, maxCalls), answers };
  }

  private async poll(row: Claimed<JobRow>, signal: AbortSignal): Promise<PollResult> {
    let startedMs = performance.now();
    // Without the time for which it waits for a connection.
    const onSend = (): void => void (startedMs = performance.now());
    const answer = await this.ask(row, signal, onSend);
    return { row, answer, ms: performance.now() - startedMs };
  }

  private async ask(row: JobRow, signal: AbortSignal, onSend: () => void): Promise<PollAnswer> {
    try {
      const { kind } = this.steps;
      return await tracedJob(`poll ${kind.noun}`, kind, row, () => this.steps.poll(row, signal, { onSend }));
    } catch (error) {
      if (error instanceof UpstreamError) return error;
      return new UpstreamError('UNKNOWN', 'The poll ended with an unexpected error.', { cause: error });
    }
  }

  private async writeBack(results: readonly PollResult[]): Promise<void> {
    const moves: JobMove[] = [];
    for (const result of results) moves.push(...(await this.evaluate(result, result.row.claimedAt)));
    await this.deps.jobs.move(this.steps.kind, moves);
    await this.recordUpstreamHealth(results);
  }

  /** Evaluates one answer. A row that cannot be written does not block the other rows of the batch. */
  private async evaluate(result: PollResult, now: Date): Promise<JobMove[]> {
    const { row, answer, ms } = result;
    try {
      this.report(row, answer);
      if (isDone(answer) && this.steps.hasResult(answer.results))
        await this.finish(row, { results: answer.results, note: pollNote(row, answer, ms) });
      else return await this.settle(result, now);
    } catch (error) {
      this.deps.logger[levelOf(error, 'warn')](
        { err: error, id: loggedId(this.steps.kind, row) },
        `a ${this.steps.kind.noun} could not be updated; it is retried when its lease ends`,
      );
    }
    return [];
  }

  private report(row: JobRow, answer: PollAnswer): void {
    if (answer instanceof UpstreamError) {
      this.deps.logger[levelOf(answer, 'info')](
        {
          id: loggedId(this.steps.kind, row),
          status: answer.status,
          correlationId: answer.notice.correlationId,
        },
        `a ${this.steps.kind.noun} could not be polled`,
      );
    } else if ('known' in answer && !answer.known) this.deps.onUnknownWord(answer.word);
  }

  private async settle({ row, answer, ms }: PollResult, now: Date): Promise<JobMove[]> {
    const { kind, pollPlan, retentionMs } = this.steps;
    const { lostAfterMs } = this.deps.provider.facts;
    const answeredAtMs = this.deps.clock.nowMs();
    const nextPollMs = await this.steps.nextPollMs(row, now);
    const rules = { now, answeredAtMs, kind, pollPlan, nextPollMs, retentionMs, lostAfterMs };
    const outcome = effectOf(row, answer, rules);
    if (outcome.then === 'stay') {
      const { set, dueInMs, appendsEvent } = outcome;
      const notes = mayDiffer(row, answer) ? [pollNote(row, answer, ms)] : [];
      return [{ id: row.id, from: [row.status], lease: row.lease, set, dueInMs, appendsEvent, notes }];
    }
    const hold = { from: [row.status], lease: row.lease, notes: [pollNote(row, answer, ms)] };
    await endAtProgress(this.deps.jobs, this.steps, row.id, (job) => ({
      ...watchedFailureMove(this.steps, job, outcome.why, now),
      ...hold,
    }));
    return [];
  }

  private async finish(row: Claimed<JobRow>, found: FoundResult): Promise<void> {
    const [finished] = await this.deps.jobs.change(
      this.steps.kind,
      async (sql) => {
        const moved = await this.steps.finish(sql, row, found);
        return moved ? [moved] : [];
      },
      { wakesWorkers: true },
    );
    if (!finished) return;
    if (isWatched(row))
      this.deps.logger.info(
        { id: loggedId(this.steps.kind, row) },
        `a failed ${this.steps.kind.noun} succeeded late`,
      );
    else await this.learn(row);
  }

  /** What is not learned is only missing in estimates. */
  private async learn(row: Claimed<JobRow>): Promise<void> {
    try {
      await this.steps.learn(row);
    } catch (error) {
      this.deps.logger[levelOf(error, 'warn')](
        { err: error, id: loggedId(this.steps.kind, row) },
        'the duration of a job could not be learned',
      );
    }
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
      !isWatched(row) && answer instanceof UpstreamError && answer.outcome !== 'LATER'
        ? [{ jobId: row.id, isUnreachable: answer.status === undefined }]
        : [],
    );
    if (failures.length > 0) await budget.failed('poll', failures);
  }
}

function isDone(answer: PollAnswer): answer is Extract<UpstreamState, { state: 'DONE' }> {
  return !(answer instanceof UpstreamError) && answer.state === 'DONE';
}
