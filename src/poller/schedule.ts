import { pruneAudit } from '../accounts/audit.repository';
import { pruneKeys } from '../accounts/idempotency.repository';
import { pruneReservations } from '../accounts/quota.repository';
import type { Config } from '../config';
import type { Transactions } from '../core/sql';
import { pruneEvents } from '../events/event-log.repository';
import type { AvatarCheckWork } from '../generations/avatar-check.work';
import type { AvatarWork } from '../generations/avatar.work';
import type { GenerationCompletion } from '../generations/generation-completion';
import type { JobSteps } from '../jobs/job-steps';
import { closeUnanswered, detachUnanswered, forgetEvidence, pruneLedger } from '../jobs/ledger.repository';
import type { OverdueWork } from '../jobs/overdue.work';
import type { PaidCallRecorder } from '../jobs/paid-call-recorder';
import type { PollWork } from '../jobs/poll.work';
import type { SubmissionWork } from '../jobs/submission.work';
import type { UpstreamAccountWork } from '../jobs/upstream-account.work';
import { purgeDuePhotos } from '../photos/job-photo.repository';
import { pruneAvailability } from '../photos/photo-availability.repository';
import type { PhotoWork } from '../photos/photo.work';
import type { ErasureWork } from '../privacy/erasure.work';
import { pruneExports } from '../privacy/export.repository';
import type { MediaDeletion } from '../storage/media-deletion';
import type { PeriodicTask } from './poller';

/** The work on one kind of job. */
export interface JobKindWork {
  steps: JobSteps;
  submission: SubmissionWork;
  polls: PollWork;
  overdue: OverdueWork;
}

export interface ScheduleDeps {
  database: Transactions;
  config: Config;
  recorder: PaidCallRecorder;
  account: UpstreamAccountWork;
  models: JobKindWork;
  generations: JobKindWork;
  /** The age at which a paid call without an answer is closed as unanswered, in milliseconds. */
  unansweredMs: number;
  avatars: AvatarWork;
  avatarChecks: AvatarCheckWork;
  completion: GenerationCompletion;
  photos: PhotoWork;
  deletion: MediaDeletion;
  erasures: ErasureWork;
}

/** Maximum delay of a due account check, in milliseconds. */
const maxProbeEveryMs = 5_000;
/** How long idempotency keys are kept. The API guarantees at least 24 hours. */
const keyRetentionMs = 48 * 3_600_000;
const idleMs = 1_000;
const photoPurgeBatch = 100;
/** Each batch syncs up to 256 directories once; batches of 100 delete only a third as many files per second. */
const mediaDeletionBatch = 2_000;
const sweepMs = 5_000;
const overdueMs = 10_000;
const minuteMs = 60_000;
const orphanSweepMs = 15 * minuteMs;

/** Creates all periodic tasks. */
export function createSchedule(deps: ScheduleDeps): PeriodicTask[] {
  const { recorder, models, generations, photos, avatars } = deps;
  return [
    ...[models, generations].flatMap(jobTasks),
    task('settle answered ids', idleMs, () => recorder.replay()),
    batchTask('fetch photos', idleMs, (signal) => photos.processBatch(signal), { wakeable: true }),
    batchTask('store avatars', idleMs, (signal) => avatars.processBatch(signal), { wakeable: true }),
    batchTask('retry avatars', idleMs, (signal) => avatars.processRetryBatch(signal)),
    ...deletionTasks(deps),
    ...checkTasks(deps),
    ...pruningTasks(deps),
  ];
}

function jobTasks({ steps, submission, polls, overdue }: JobKindWork): PeriodicTask[] {
  const { table } = steps.kind;
  return [
    batchTask(`submit ${table}`, idleMs, (signal) => submission.processBatch(signal), {
      wakeable: true,
    }),
    batchTask(`follow ${table}`, 500, (signal) => polls.processBatch(signal), { wakeable: true }),
    batchTask(`watch failed ${table}`, idleMs, (signal) => polls.watch(signal)),
    batchTask(`end overdue ${table}`, overdueMs, () => overdue.processBatch()),
  ];
}

function deletionTasks({ database, deletion, erasures }: ScheduleDeps): PeriodicTask[] {
  return [
    batchTask('delete media', idleMs, () => deletion.sweep(mediaDeletionBatch), { wakeable: true }),
    batchTask('purge photos', sweepMs, () =>
      database.transaction((sql) => purgeDuePhotos(sql, photoPurgeBatch)),
    ),
    batchTask('finish erasures', idleMs, (signal) => erasures.processBatch(signal)),
    task('sweep orphans', orphanSweepMs, (signal) => deletion.sweepOrphans(signal)),
  ];
}

function checkTasks({ database, config, account, avatarChecks, completion }: ScheduleDeps): PeriodicTask[] {
  const checks = Math.ceil((config.MEDIA_CHECKS_PER_MINUTE * sweepMs) / minuteMs);
  const probeEveryMs = Math.min(maxProbeEveryMs, config.ACCOUNT_PROBE_INTERVAL);
  return [
    batchTask('close generations', sweepMs, () => completion.sweep(database)),
    task('check paused account', probeEveryMs, (signal) => account.probe(signal)),
    task('check stored pictures', sweepMs, (signal) => avatarChecks.processBatch(checks, signal)),
  ];
}

function pruningTasks({ database, config, unansweredMs }: ScheduleDeps): PeriodicTask[] {
  const prunings: Record<string, () => Promise<unknown>> = {
    'prune events': () => pruneEvents(database, config.EVENT_RETENTION),
    'forget keys': () => pruneKeys(database, keyRetentionMs),
    'forget quota reservations': () => pruneReservations(database),
    'prune audit log': () => pruneAudit(database, config.AUDIT_RETENTION),
    'forget evidence': () => forgetEvidence(database, config.EVIDENCE_RETENTION),
    'prune photo servers': () => pruneAvailability(database),
    'close unanswered calls': () => closeUnanswered(database, unansweredMs),
    'detach unanswered calls': () => detachUnanswered(database),
    'prune ledger': () => pruneLedger(database, config.LEDGER_RETENTION),
    'forget exports': () => pruneExports(database),
  };
  return Object.entries(prunings).map(([name, prune]) => task(name, minuteMs, prune));
}

/** A task that runs again immediately while its batches find rows. */
function batchTask(
  name: string,
  intervalMs: number,
  run: PeriodicTask['run'],
  { wakeable = false } = {},
): PeriodicTask {
  return { name, run, idleMs: intervalMs, wakeable };
}

/** A task that runs once per interval. */
function task(
  name: string,
  intervalMs: number,
  work: (signal: AbortSignal) => Promise<unknown>,
): PeriodicTask {
  return batchTask(name, intervalMs, async (signal) => {
    await work(signal);
    return 0;
  });
}
