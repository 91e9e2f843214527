import { hasEnded } from '../jobs/job.subscription';
import type { EstimatedJob, EstimateReceiver, ProgressTicks } from '../jobs/progress-ticks';
import {
  jobKindOf,
  type ActivityItem,
  type ActivityPast,
  type ActivityRow,
  type JobActivity,
  type JobPast,
} from './activity-change';

/** Maximum number of jobs whose estimates a subscription receives: of those that can be estimated, the ones that changed last. */
export const maxEstimatedJobs = 100;
/** Maximum number of such jobs in all subscriptions of an owner. */
const maxOfOwner = 10_000;

/** Counts the jobs whose estimates the subscriptions of each owner in this process receive. */
export class EstimateCounts {
  private readonly counts = new Map<string, number>();

  /** Whether the owner may receive the estimates of a further job, which is then counted. */
  add(owner: string): boolean {
    const count = this.counts.get(owner) ?? 0;
    if (count >= maxOfOwner) return false;
    this.counts.set(owner, count + 1);
    return true;
  }

  /** Ends `count` of the owner's. */
  remove(owner: string, count: number): void {
    const left = (this.counts.get(owner) ?? 0) - count;
    if (left > 0) this.counts.set(owner, left);
    else this.counts.delete(owner);
  }
}

/** Estimates for the subscribers of this process. */
export interface EstimateSource {
  readonly ticks: ProgressTicks;
  readonly counts: EstimateCounts;
  readonly owner: string;
}

/** The jobs whose estimates one subscription receives. */
export class ActivityEstimates {
  /** By id, the job that changed last at the end. */
  private readonly jobs = new Map<string, EstimatedJob<JobPast, ActivityRow>>();

  constructor(
    private readonly source: EstimateSource,
    private readonly receiver: EstimateReceiver<JobPast, ActivityRow>,
  ) {}

  /**
   * Begins or continues the estimates of a job; ends those of a job that waits again. Returns what is sent for the change.
   */
  receive(item: JobActivity): ActivityItem {
    const { id, status } = item.past;
    if (status === 'QUEUED') this.forget(id);
    const job = this.jobs.get(id) ?? this.follow(item);
    if (!job) return item;
    this.jobs.delete(id);
    this.jobs.set(id, job);
    const sent = job.receive(item);
    if (this.jobs.size > maxEstimatedJobs) this.forget(this.jobs.keys().next().value!);
    return sent;
  }

  /** Sends no further estimates of a job. */
  forget(jobId: string): void {
    const job = this.jobs.get(jobId);
    if (!job) return;
    job.finish();
    this.jobs.delete(jobId);
    this.source.counts.remove(this.source.owner, 1);
  }

  /** Sends no further estimates. */
  finish(): void {
    for (const job of this.jobs.values()) job.finish();
    this.source.counts.remove(this.source.owner, this.jobs.size);
    this.jobs.clear();
  }

  private follow(item: JobActivity): EstimatedJob<JobPast, ActivityRow> | null {
    const { past } = item;
    const { ticks, counts, owner } = this.source;
    if (!canBeEstimated(item) || endedJobIn(past) !== null || !counts.add(owner)) return null;
    return ticks.follow<JobPast, ActivityRow>(jobKindOf(past), past.id, this.receiver);
  }
}

/** The job that a change ends or deletes; null if it is of something else. */
export function endedJobIn(past: ActivityPast): string | null {
  switch (past.typename) {
    case 'ModelDeleted':
    case 'GenerationDeleted':
      return past.id;
    case 'ModelChanged':
    case 'GenerationChanged':
      return hasEnded(jobKindOf(past), past.status) ? past.id : null;
    default:
      return null;
  }
}

/** Whether there are estimates of a job in this state: not of one that waits. */
function canBeEstimated({ job }: JobActivity): boolean {
  return job.pace !== null;
}

/** Of an owner's jobs, the newest ones whose estimates a subscription receives, in their order. */
export function estimatedJobs(items: readonly JobActivity[]): readonly JobActivity[] {
  const running = items.filter(canBeEstimated);
  if (running.length <= maxEstimatedJobs) return running;
  // The ids of later jobs are greater.
  const ids = running.map(({ past }) => past.id).sort();
  const oldest = ids.at(-maxEstimatedJobs)!;
  return running.filter(({ past }) => past.id >= oldest);
}
