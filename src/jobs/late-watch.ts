import type { Transactions } from '../core/sql';
import type { PollPlan } from '../upstream/provider';
import { failureColumns, type Failure } from './failure';
import type { JobMove, JobRow, JobSteps } from './job';
import type { JobStore } from './job.store';

/** Intervals of the late watch grow with the job's age: each is this share of it. */
const shareOfAge = 1 / 8;
/** The shortest interval, in intervals of a job that is running. */
const minPolls = 5;
/** The longest interval, as a share of the upstream's retention: 6 hours for a model, 24 minutes for a generation. */
const shareOfRetention = 1 / 120;

/** What the late watch of a kind of job is planned by, in milliseconds. */
export interface WatchPlan {
  readonly pollPlan: PollPlan;
  /** How long the upstream keeps the result of a finished job. */
  readonly retentionMs: number;
}

/**
 * When a failed job is polled next, in milliseconds from now; null: not again. A job that failed although it was
 * submitted may still succeed upstream, so it is polled, less and less often, until `deadlineAt`. The last poll is at
 * that time.
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
  // Jobs that failed together are not polled together for the rest of their retention.
  return Math.min(leftMs, Math.round(fullMs * (1 - random() / 4)));
}

/** The move by which a job fails that the upstream has: it stays under the late watch until the retention is over. */
export function failingToWatch(plan: WatchPlan, row: JobRow, why: Failure, now: Date): JobMove {
  const deadlineAt = new Date(now.getTime() + plan.retentionMs);
  const set = {
    status: 'FAILED',
    estimatedReadyAt: null,
    deadlineAt,
    tries: 0,
    notFoundSince: null,
    notFoundCount: 0,
    ...failureColumns(why),
  };
  const dueInMs = nextWatchMs({ ...row, deadlineAt }, now, plan);
  return { id: row.id, from: [row.status], set, dueInMs, appendsEvent: true };
}

/** Lets jobs fail, with what their end means for their photos, and wakes their subscribers. */
export async function failJobs(
  { database, store }: { database: Transactions; store: JobStore },
  steps: JobSteps,
  moves: readonly JobMove[],
): Promise<void> {
  const failed = await database.transaction(async (sql) => {
    const rows = await store.moveWithin<JobRow>(sql, steps.kind, moves);
    for (const row of rows) await steps.ended(sql, row);
    return rows;
  });
  store.wake(steps.kind, failed);
}
