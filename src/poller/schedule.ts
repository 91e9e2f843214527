import { pruneAudit } from '../accounts/audit';
import { forgetKeys } from '../accounts/idempotency';
import { pruneReservations } from '../accounts/quota.ledger';
import type { Transactions } from '../core/sql';
import { pruneEvents } from '../events/event-log';
import type { AvatarCheckWork } from '../generations/avatar-check.work';
import type { AvatarWork } from '../generations/avatar.work';
import type { GenerationCompletion } from '../generations/generation-completion';
import type { GenerationWork } from '../generations/generation.work';
import type { AccountWork } from '../jobs/account.work';
import type { FollowWork } from '../jobs/follow.work';
import type { JobSteps } from '../jobs/job';
import type { OverdueWork } from '../jobs/overdue.work';
import type { Settlement } from '../jobs/settlement';
import { closeUnanswered, detachUnanswered, pruneLedger } from '../jobs/submission-retention';
import { forgetEvidence } from '../jobs/submission.ledger';
import type { SubmissionWork } from '../jobs/submission.work';
import type { ModelWork } from '../models/model.work';
import type { PhotoPurgeWork } from '../photos/photo-purge.work';
import { pruneServing } from '../photos/photo-serving.service';
import type { PhotoWork } from '../photos/photo.work';
import type { ErasureWork } from '../privacy/erasure.work';
import { pruneExports } from '../privacy/export.service';
import type { MediaDeletion } from '../storage/media-deletion';
import type { PeriodicTask } from './poller';

/** The work on trainings and generations. */
export interface JobTaskDeps {
  settlement: Settlement;
  submission: SubmissionWork;
  follow: FollowWork;
  account: AccountWork;
  /** How often a look is taken at whether a paused account must be checked, in milliseconds. */
  probeEveryMs: number;
  overdue: OverdueWork;
  /** After which time a paid call counts as never answered, in milliseconds. */
  unansweredMs: number;
  models: ModelWork;
  generations: GenerationWork;
}

/** The work on photos and pictures. */
export interface PictureTaskDeps {
  avatars: AvatarWork;
  avatarChecks: AvatarCheckWork;
  /** How many stored pictures one process compares with their hashes in a minute. */
  checksPerMinute: number;
  closing: GenerationCompletion;
  photos: PhotoWork;
  purge: PhotoPurgeWork;
  deletion: MediaDeletion;
}

/** The work that is repeated. */
export interface ScheduleDeps extends JobTaskDeps, PictureTaskDeps {
  database: Transactions;
  erasures: ErasureWork;
  /** How long events are kept, in milliseconds. */
  eventRetentionMs: number;
  /** How long the audit log is kept, in milliseconds. */
  auditRetentionMs: number;
  /** How long answers of upstreams that said nothing certain are kept, in milliseconds. */
  evidenceRetentionMs: number;
  /** How long the paid calls of deleted jobs are kept, in milliseconds. */
  ledgerRetentionMs: number;
}

/** Keys are good for at least a day, as is promised; a day more costs little. */
const keyRetentionMs = 48 * 3_600_000;
const idleMs = 1_000;
const purgesAtOnce = 100;
/** Each batch syncs up to 256 directories once: a batch of 100 deletes a third as many files a second. */
const mediaDeletionBatch = 2_000;
const sweepMs = 5_000;
const overdueMs = 10_000;
const minuteMs = 60_000;
const orphanSweepMs = 15 * minuteMs;

/** Everything that the clock repeats, and how often. */
export function createSchedule(parts: ScheduleDeps): PeriodicTask[] {
  const { models, generations } = parts;
  const lines: JobSteps[] = [models, generations];
  return [
    ...lines.flatMap((steps) => jobTasks(parts, steps)),
    {
      name: 'settle answered ids',
      pass: async () => {
        await parts.settlement.replay({ models: models, generations: generations });
        return 0;
      },
      idleMs,
      concurrency: 1,
      wakes: false,
    },
    {
      name: 'fetch photos',
      pass: (signal) => parts.photos.pass(signal),
      idleMs,
      concurrency: 1,
      wakes: true,
    },
    {
      name: 'store avatars',
      pass: (signal) => parts.avatars.pass(signal),
      idleMs,
      concurrency: 1,
      wakes: true,
    },
    {
      name: 'retry avatars',
      pass: (signal) => parts.avatars.retryPass(signal),
      idleMs,
      concurrency: 1,
      wakes: false,
    },
    {
      name: 'close generations',
      pass: () => parts.closing.sweep(parts.database),
      idleMs: sweepMs,
      concurrency: 1,
      wakes: false,
    },
    ...cleanupTasks(parts),
  ];
}

function jobTasks({ submission, follow, overdue }: ScheduleDeps, steps: JobSteps): PeriodicTask[] {
  const { table } = steps.line;
  return [
    {
      name: `submit ${table}`,
      pass: (signal) => submission.pass(steps, signal),
      idleMs,
      concurrency: 1,
      wakes: true,
    },
    {
      name: `follow ${table}`,
      pass: (signal) => follow.pass(steps, signal),
      idleMs: 500,
      concurrency: 1,
      wakes: true,
    },
    {
      name: `watch failed ${table}`,
      pass: (signal) => follow.watch(steps, signal),
      idleMs,
      concurrency: 1,
      wakes: false,
    },
    {
      name: `end overdue ${table}`,
      pass: () => overdue.pass(steps),
      idleMs: overdueMs,
      concurrency: 1,
      wakes: false,
    },
  ];
}

function cleanupTasks(parts: ScheduleDeps): PeriodicTask[] {
  const { database, purge, deletion, erasures, eventRetentionMs, auditRetentionMs } = parts;
  const rare = (
    name: string,
    everyMs: number,
    work: (signal: AbortSignal) => Promise<unknown>,
  ): PeriodicTask => ({
    name,
    pass: async (signal) => {
      await work(signal);
      return 0;
    },
    idleMs: everyMs,
    concurrency: 1,
    wakes: false,
  });
  return [
    rare('check paused account', parts.probeEveryMs, (signal) => parts.account.probe(signal)),
    {
      name: 'delete media',
      pass: () => deletion.sweep(mediaDeletionBatch),
      idleMs,
      concurrency: 1,
      wakes: true,
    },
    {
      name: 'purge photos',
      pass: () => purge.purgeDue(purgesAtOnce),
      idleMs: sweepMs,
      concurrency: 1,
      wakes: false,
    },
    {
      name: 'finish erasures',
      pass: (signal) => erasures.pass(signal),
      idleMs,
      concurrency: 1,
      wakes: false,
    },
    rare('check stored pictures', sweepMs, (signal) =>
      parts.avatarChecks.processBatch(Math.ceil((parts.checksPerMinute * sweepMs) / minuteMs), signal),
    ),
    rare('sweep orphans', orphanSweepMs, (signal) => deletion.sweepOrphans(signal)),
    rare('prune events', minuteMs, () => pruneEvents(database, eventRetentionMs)),
    rare('forget keys', minuteMs, () => forgetKeys(database, keyRetentionMs)),
    rare('forget quota reservations', minuteMs, () => pruneReservations(database)),
    rare('prune audit log', minuteMs, () => pruneAudit(database, auditRetentionMs)),
    rare('forget evidence', minuteMs, () => forgetEvidence(database, parts.evidenceRetentionMs)),
    rare('prune photo servers', minuteMs, () => pruneServing(database)),
    rare('close unanswered calls', minuteMs, () => closeUnanswered(database, parts.unansweredMs)),
    rare('detach unanswered calls', minuteMs, () => detachUnanswered(database)),
    rare('prune ledger', minuteMs, () => pruneLedger(database, parts.ledgerRetentionMs)),
    rare('forget exports', minuteMs, () => pruneExports(database)),
  ];
}
