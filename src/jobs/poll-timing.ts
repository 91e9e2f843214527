import type { Sql } from '../core/sql';
import type { PollPlan } from '../upstream/provider';
import { meanDuration } from './durations';
import { countRunning } from './job-row.repository';
import type { JobKind } from './job.kind';
import type { Expectation } from './learned-durations';
import { nextPollMs, pollEffort } from './poll-schedule';

/** Settings of {@link PollTiming}. */
export interface PollTimingOptions {
  /** The polls that the request budget allows, per millisecond. */
  readonly pollsPerMs: number;
  /** How many times as many polls as the provider advises a job may get while the budget is not used. */
  readonly maxSpeedup: number;
  /** The maximum time between two polls of a job, in milliseconds. @defaultValue five of the advised intervals */
  readonly maxIntervalMs?: number;
}

/** A kind of running jobs, and how long they take. */
export interface PolledKind {
  readonly kind: Pick<JobKind, 'table' | 'running'>;
  readonly expect: () => Promise<Expectation>;
}

/** How long the number of running jobs is used, in milliseconds. */
const freshMs = 10_000;
/** The share of the budget that is planned; the rest is for polls without an answer. */
const plannedShare = 0.8;
const minIntervalMs = 20;
const maxAdvisedIntervals = 5;

/**
 * When running jobs are polled: as the provider advises until their durations are learned, then when a poll is likely to
 * find a change, as often as the request budget allows for all running jobs together.
 */
export class PollTiming {
  private spacing: Promise<number> | null = null;
  private spacingEndMs = 0;

  /** @param provider - the name of the provider whose jobs share the budget */
  constructor(
    private readonly sql: Sql,
    private readonly provider: string,
    private readonly kinds: readonly PolledKind[],
    private readonly options: PollTimingOptions,
  ) {}

  /**
   * The time until the next poll of a job, in milliseconds.
   * @param elapsedMs - since its submission
   */
  async nextPollMs(
    { durations, isLearned }: Expectation,
    elapsedMs: number,
    { firstMs, nextMs }: PollPlan,
  ): Promise<number> {
    const maxMs = this.options.maxIntervalMs ?? maxAdvisedIntervals * nextMs;
    if (!isLearned) return elapsedMs > 0 ? nextMs : firstMs;
    const { maxSpeedup } = this.options;
    const advisedPolls = 1 + Math.max(0, meanDuration(durations) - firstMs) / nextMs;
    const minSpacing = pollEffort(durations) / (maxSpeedup * advisedPolls);
    const spacing = Math.max(minSpacing, await this.sharedSpacing());
    const minMs = Math.max(minIntervalMs, nextMs / (2 * maxSpeedup));
    return nextPollMs(durations, elapsedMs, spacing, { minMs, maxMs: Math.max(minMs, maxMs) });
  }

  /** The spacing with which the polls of all running jobs use the planned budget. */
  private sharedSpacing(): Promise<number> {
    if (this.spacing && performance.now() < this.spacingEndMs) return this.spacing;
    const spacing = this.readSpacing();
    this.spacing = spacing;
    this.spacingEndMs = performance.now() + freshMs;
    spacing.catch(() => (this.spacing = null));
    return spacing;
  }

  private async readSpacing(): Promise<number> {
    let effortPerMs = 0;
    for (const { kind, expect } of this.kinds) {
      const { durations } = await expect();
      const running = await countRunning(this.sql, kind, this.provider);
      // So many jobs start per millisecond if so many run.
      effortPerMs += (running / Math.max(1, meanDuration(durations))) * pollEffort(durations);
    }
    return effortPerMs / (this.options.pollsPerMs * plannedShare);
  }
}
