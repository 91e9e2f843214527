import type { LeaseOptions } from '../core/leased-rows';
import type { Transactions } from '../core/sql';
import type { DatabaseClock } from '../database/database-clock';
import type { JobPhotoService } from '../photos/job-photo.service';
import type { UpstreamBudget } from '../upstream/budget.repository';
import type { AvatarProvider, CallOutcome } from '../upstream/provider';
import type { JobRepository } from './job.repository';
import type { Journal } from './journal';
import type { LearnedDurations } from './learned-durations';
import type { PollTiming } from './poll-timing';

/** What the work on jobs uses. Each class names the part that it takes. */
export interface JobContext extends LeaseOptions {
  database: Transactions;
  jobs: JobRepository;
  photos: JobPhotoService;
  /** The configured provider. */
  provider: AvatarProvider;
  budget: UpstreamBudget;
  journal: Journal;
  durations: LearnedDurations;
  pollTiming: PollTiming;
  clock: Pick<DatabaseClock, 'nowMs'>;
  /** The base of photo URLs of this process. */
  publicUrl: () => string;
  /** How long the outcome of a submission may stay unknown, in milliseconds. */
  graceMs: number;
  /** Maximum duration of one paid call, in milliseconds. */
  submitTimeoutMs: number;
  /** Maximum duration of one poll, or of one check of the account, in milliseconds. */
  pollTimeoutMs: number;
  /** The time until a paused account is first checked, in milliseconds. */
  probeIntervalMs: number;
  /** The divisor of polling intervals, from the settings. */
  pollSpeed: number;
  /** Maximum concurrent polls per process and kind of job. It also limits the rows that stay leased after a crash. */
  maxPolls: number;
  /** How long a claim of polls waits for free slots if few are free, and twice as long as their answers wait for others, in milliseconds. */
  pollBatchWaitMs: number;
  /** The minimum pause of polls whose budget is spent, in milliseconds: a pass costs more than a call, so it waits for several. */
  pollPauseMs: number;
  /** Maximum concurrent paid calls per process and kind of job. */
  maxSubmissions: number;
  /** Called for each job that has ended by itself: whether its end was expected at that time. */
  onExpectedEnd: (work: string, outcome: 'early' | 'within' | 'late') => void;
  /** Called at the end of each paid call, with the kind of job. */
  onSubmission: (noun: 'model' | 'generation', outcome: CallOutcome) => void;
  /** Called for each status word that is not in the table of known words. */
  onUnknownWord: (word: string) => void;
  /** Called when a job waits for the records that processes serve photos. */
  onPendingRecords: () => void;
  /** Called when submissions are allowed again. */
  onResume: () => void;
}
