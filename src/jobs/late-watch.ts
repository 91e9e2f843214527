import type { PollPlan } from '../upstream/provider';
import { failureColumns, type JobFailure } from './failure';
import type { JobMove } from './job-move';
import { watchedStates } from './job.entity';
import type { JobKind, JobRow } from './job.kind';

/** The interval between polls of the late watch, as a share of the job's age. */
const shareOfAge = 1 / 8;
/** The minimum interval, in poll intervals of a running job. */
const minPolls = 5;
/** The maximum interval, as a share of the upstream's retention: 6 hours for a model, 24 minutes for a generation. */
const shareOfRetention = 1 / 120;

/** Whether the latest attempt of a job that is polled has failed. */
export function isWatched({ status }: JobRow): boolean {
  return watchedStates.includes(status);
}

/** Parameters of the late watch for a kind of job, in milliseconds. */
export interface WatchPlan {
  readonly pollPlan: PollPlan;
  /** How long the upstream keeps the result of a finished job. */
  readonly retentionMs: number;
}

/**
 * When a failed job is polled next, in milliseconds from now; null: never. A submitted job that failed here may
 * still succeed upstream, so it is polled at growing intervals until `deadlineAt`, for the last time at that time.
 */
export function nextWatchMs(
  row: Pick<JobRow, 'submittedAt' | 'deadlineAt'>,
  now: Date,
  { pollPlan, retentionMs }: WatchPlan,
  random = Math.random,
): number | null {
  const leftMs = (row.deadlineAt?.getTime() ?? 0) - now.getTime();
  if (leftMs <= 0) return null;
  const ageMs = now.getTime() - (row.submittedAt?.getTime() ?? now.getTime());
  const maxMs = retentionMs * shareOfRetention;
  const fullMs = Math.min(maxMs, Math.max(pollPlan.nextMs * minPolls, ageMs * shareOfAge));
  // Jitter, so that jobs that failed together are not polled together.
  return Math.min(leftMs, Math.round(fullMs * (1 - random() / 4)));
}

/**
 * The move by which a submitted job fails: it stays under the late watch until the retention ends.
 * @param row - with its current progress
 */
export function watchedFailureMove(
  plan: WatchPlan & { kind: JobKind },
  row: JobRow,
  why: JobFailure,
  now: Date,
): JobMove {
  const deadlineAt = new Date(now.getTime() + plan.retentionMs);
  const set = {
    progress: row.progress,
    ...plan.kind.failedState(row),
    deadlineAt,
    tries: 0,
    notFoundSince: null,
    notFoundCount: 0,
    ...failureColumns(why),
  };
  const dueInMs = nextWatchMs({ ...row, deadlineAt }, now, plan);
  return { id: row.id, from: [row.status], set, dueInMs, appendsEvent: true };
}
