import { toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import type { PhotoEntity } from '../photos/photo.entity';
import type { Accepted, PollOptions, PollPlan, UpstreamResult, UpstreamState } from '../upstream/provider';
import type { DurationRange } from './duration-sketch';
import { remainingQuantile, type Durations } from './durations';
import { noFailure, type JobFailure } from './failure';
import type { JobContext } from './job-context';
import type { JobMove } from './job-move';
import type { JobKind, JobRow } from './job.kind';
import type { Expectation, JobClass } from './learned-durations';
import type { PollNote } from './timeline-note';

/** Whether a QUEUED row can be submitted now. */
export type Preparation =
  /** `call` makes the paid call. Everything that can fail locally has been done before. */
  | { go: 'submit'; call: (signal: AbortSignal) => Promise<Accepted> }
  /** `reason` is for the operator, and not given where the wait is short. */
  | { go: 'wait'; ms: number; reason?: string | null }
  /** It was not submitted until its `startBy`. */
  | { go: 'cancel' }
  | { go: 'fail'; failure: JobFailure };

/** A poll that found a job finished. */
export interface FoundResult {
  readonly results: readonly UpstreamResult[];
  readonly note: PollNote;
}

/** The interval for checking photos that are still being fetched, or cannot be opened. Normally the photo's worker wakes the job sooner. */
const photosPendingMs = 5_000;

/** How much longer photo URLs are valid than the job's deadline, to allow for clock differences with the upstream. */
const urlSlackMs = 5 * 60_000;

/** The steps of a job: what differs between the kinds, and what all kinds share. Their order is the same for all kinds. */
export abstract class JobSteps<Row extends JobRow = JobRow> {
  abstract readonly kind: JobKind<Row>;
  /** How long the upstream keeps the result of a finished job, in milliseconds. */
  abstract readonly retentionMs: number;
  /** The provider's intervals between polls. */
  protected abstract readonly providerPlan: PollPlan;

  /** @param deadlineMs - how long a job may run upstream, in milliseconds */
  constructor(
    protected readonly deps: Pick<
      JobContext,
      | 'database'
      | 'jobs'
      | 'photos'
      | 'provider'
      | 'durations'
      | 'pollTiming'
      | 'pollSpeed'
      | 'clock'
      | 'onExpectedEnd'
    >,
    readonly deadlineMs: number,
  ) {}

  get pollPlan(): PollPlan {
    const { firstMs, nextMs } = this.providerPlan;
    return { firstMs: firstMs / this.deps.pollSpeed, nextMs: nextMs / this.deps.pollSpeed };
  }

  /** The jobs that are expected to take about as long. */
  abstract classOf(row: Row): JobClass;

  /** How long such a job is expected to take, and when it is polled first, in milliseconds from its submission. */
  async expect(row: Row): Promise<{ durations: Durations; firstPollMs: number }> {
    const expectation = await this.deps.durations.of(this.classOf(row));
    return { durations: expectation.durations, firstPollMs: await this.waitMs(expectation, 0) };
  }

  /** The time until the next poll of a running job, in milliseconds. */
  async nextPollMs(row: Row, now: Date): Promise<number> {
    const expectation = await this.deps.durations.of(this.classOf(row));
    return this.waitMs(expectation, now.getTime() - (row.submittedAt?.getTime() ?? now.getTime()));
  }

  private waitMs(expectation: Expectation, elapsedMs: number): Promise<number> {
    return this.deps.pollTiming.nextPollMs(expectation, Math.max(0, elapsedMs), this.pollPlan);
  }

  /** Learns how long a job took that has just been found finished. A retried or repeated call has no such time. */
  async learn(row: Row & { claimedAt: Date }): Promise<void> {
    const { attempt, resends, pace } = row;
    if (attempt !== 1 || resends > 0 || !pace?.isTimed) return;
    const range = rangeOf(row);
    // Longer, or not positive: a clock was set meanwhile.
    if (range.maxMs <= 0 || range.maxMs > this.deadlineMs) return;
    const jobClass = this.classOf(row);
    this.deps.onExpectedEnd(jobClass.work, outcomeOf(pace.durations, range.maxMs));
    await this.deps.durations.learn(jobClass, range);
  }

  /** Prepares the paid call of a QUEUED row, whose next attempt has the given number. */
  abstract prepare(row: Row, attempt: number): Promise<Preparation>;

  /** Whether a submission makes the upstream fetch photos from this gateway, which proves that the call arrived. */
  abstract fetchesPhotos(row: Row): boolean;

  abstract poll(row: Row, signal: AbortSignal, options: PollOptions): Promise<UpstreamState>;

  /** Whether a finished job with these results is a success. */
  abstract hasResult(results: readonly UpstreamResult[]): boolean;

  /**
   * Moves the row when the upstream has finished, within the transaction.
   * @returns the row if it moved, null if its state had changed in the meantime
   */
  abstract finish(sql: Sql, row: Row, found: FoundResult): Promise<Row | null>;

  /** Called when the row no longer needs its photos, in the transaction of that move. */
  async ended(sql: Sql, row: Row): Promise<void> {
    await this.deps.photos.release(sql, row.id);
  }

  /**
   * Prepares a call that makes the upstream fetch the job's photos.
   * @param problemOf - why the job cannot be submitted with these photos; null if it can
   * @param call - makes the paid call with the URLs of the photos
   */
  protected async prepareWithPhotos(
    { id: jobId }: Row,
    attempt: number,
    problemOf: (photos: readonly PhotoEntity[]) => JobFailure | null,
    call: (photoUrls: string[], signal: AbortSignal) => Promise<Accepted>,
  ): Promise<Preparation> {
    const { photos, provider, database } = this.deps;
    const given = await photos.list(database, jobId);
    const problem = problemOf(given);
    if (problem) return { go: 'fail', failure: problem };
    if (given.some(({ status }) => status !== 'READY')) return { go: 'wait', ms: photosPendingMs };
    // The upstream refuses a call whose photos it cannot fetch.
    const [first] = given;
    if (!(await photos.canOpen(first!)))
      return { go: 'wait', ms: photosPendingMs, reason: `${toGlobalId('Photo', first!.id)} cannot be read` };
    const expiresAtMs = Date.now() + Math.max(this.deadlineMs, provider.facts.photoFetchMs) + urlSlackMs;
    const photoUrls = given.map(({ id }) => photos.upstreamUrl(id, { jobId, attempt }, expiresAtMs));
    return { go: 'submit', call: (signal) => call(photoUrls, signal) };
  }

  /** Moves a row that the upstream has finished; null if its state had changed in the meantime. */
  protected async moveFinished(
    sql: Sql,
    { id, status, lease }: Row,
    { set, dueInMs, note }: Pick<JobMove, 'set' | 'dueInMs'> & Pick<FoundResult, 'note'>,
  ): Promise<Row | null> {
    const whole = { ...set, tries: 0, lastError: null, ...noFailure };
    const hold = { id, from: [status], lease: lease! };
    const move = { ...hold, set: whole, dueInMs, appendsEvent: true, notes: [note] };
    const [moved] = await this.deps.jobs.moveWithin(sql, this.kind, [move]);
    return moved ?? null;
  }
}

/** Whether the end of a job was in the interval that was expected when it was submitted. */
function outcomeOf(durations: Durations, ms: number): 'early' | 'within' | 'late' {
  if (ms < remainingQuantile(durations, 0, 0.1)) return 'early';
  return ms > remainingQuantile(durations, 0, 0.9) ? 'late' : 'within';
}

/** The duration of a job that has just been found finished: it ended after the upstream last reported it as running. */
function rangeOf({ submittedAt, lastRunningAt, claimedAt }: JobRow & { claimedAt: Date }): DurationRange {
  const startMs = submittedAt!.getTime();
  const maxMs = claimedAt.getTime() - startMs;
  const runningMs = (lastRunningAt?.getTime() ?? startMs) - startMs;
  return { minMs: Math.min(maxMs, Math.max(0, runningMs)), maxMs };
}
