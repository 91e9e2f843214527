import { pruneAudit } from '../accounts/audit.repository';
import { pruneKeys } from '../accounts/idempotency.repository';
import { pruneErasedSpending, pruneLedgerEntries } from '../accounts/ledger-entry.repository';
import { pruneReservations } from '../accounts/quota.repository';
import { pruneClientTokens } from '../auth/client-token.repository';
import type { Config } from '../config';
import type { DueQuery } from '../core/due';
import type { Transactions } from '../core/sql';
import { pruneEvents } from '../events/event-log.repository';
import { checkDue } from '../generations/avatar-check.repository';
import type { AvatarCheckWork } from '../generations/avatar-check.work';
import { downloadOffers } from '../generations/avatar-download.repository';
import type { AvatarWork } from '../generations/avatar-fetch.work';
import type { GenerationCompletion } from '../generations/generation-completion';
import { jobKinds, photoUse } from '../generations/generation.kind';
import { storingDue } from '../generations/generation.repository';
import {
  deleteOrphanedRenditions,
  deleteUnreadRenditions,
  firstRendition,
} from '../generations/rendition.repository';
import { overdueDue } from '../jobs/job-row.repository';
import type { JobSteps } from '../jobs/job-steps';
import { ledgerDue, reconcileLedger } from '../jobs/ledger-settlement.repository';
import {
  closeUnanswered,
  detachUnanswered,
  forgetEvidence,
  pruneLedger,
  unansweredDue,
} from '../jobs/ledger.repository';
import type { OverdueWork } from '../jobs/overdue.work';
import type { PaidCallRecorder } from '../jobs/paid-call-recorder';
import type { PollWork } from '../jobs/poll.work';
import type { SubmissionWork } from '../jobs/submission.work';
import { pruneTimelines } from '../jobs/timeline.repository';
import type { UpstreamAccountWork } from '../jobs/upstream-account.work';
import { pruneNotices } from '../notices/notice.repository';
import type { DirectUploadWork } from '../photos/direct-upload.work';
import { photoPurgeDue, purgeDuePhotos } from '../photos/job-photo.repository';
import { pruneAvailability } from '../photos/photo-availability.repository';
import type { PhotoWork } from '../photos/photo.work';
import { erasureDue } from '../privacy/erasure.repository';
import type { ErasureWork } from '../privacy/erasure.work';
import { exportOffers } from '../privacy/export.repository';
import type { MediaDeletion } from '../storage/media-deletion';
import { deletionDue } from '../storage/media-deletion.repository';
import { pruneDeliveries } from '../webhooks/webhook-delivery.repository';
import type { WebhookDeliveryWork } from '../webhooks/webhook-delivery.work';
import type { WebhookFollowWork } from '../webhooks/webhook-follow.work';
import type { WebhookKeysWork } from '../webhooks/webhook-keys.work';
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
  /** Null if clients cannot upload to the store. */
  directUploads: DirectUploadWork | null;
  deletion: MediaDeletion;
  erasures: ErasureWork;
  webhooks: {
    follow: WebhookFollowWork;
    deliveries: WebhookDeliveryWork;
    failing: WebhookDeliveryWork;
    keys: WebhookKeysWork;
    renewSecrets: () => Promise<void>;
  };
}

/** Maximum delay of a due account check, in milliseconds. */
const maxProbeEveryMs = 5_000;
/** The pause after a run that found nothing although work seemed due, for example because another process took it. */
const idleMs = 1_000;
/** How long idempotency keys are kept. The API guarantees at least 24 hours. */
const keyRetentionMs = 48 * 3_600_000;
const photoPurgeBatch = 100;
/** Each batch syncs up to 256 directories once; batches of 100 delete only a third as many files per second. */
const mediaDeletionBatch = 2_000;
const sweepMs = 5_000;
const overdueMs = 10_000;
const minuteMs = 60_000;
const orphanSweepMs = 15 * minuteMs;
/** privacy.md promises the deletion of pictures of deleted avatars within about this time. */
const orphanedRenditionsMs = 10 * minuteMs;

/** Creates all periodic tasks. */
export function createSchedule(deps: ScheduleDeps): PeriodicTask[] {
  const { recorder, models, generations, photos, directUploads, avatars } = deps;
  return [
    ...[models, generations].flatMap(jobTasks),
    task('replay journal', idleMs, () => recorder.replay()),
    dueTask('fetch photos', photos.due, idleMs, (signal) => photos.processBatch(signal)),
    ...(directUploads
      ? [dueTask('check uploads', directUploads.due, idleMs, (signal) => directUploads.processBatch(signal))]
      : []),
    dueTask('store avatars', avatars.due, idleMs, (signal) => avatars.processBatch(signal)),
    dueTask('retry avatars', avatars.retryDue, idleMs, (signal) => avatars.processRetryBatch(signal)),
    ...webhookTasks(deps),
    ...deletionTasks(deps),
    ...checkTasks(deps),
    ...pruningTasks(deps),
  ];
}

function jobTasks({ steps, submission, polls, overdue }: JobKindWork): PeriodicTask[] {
  const { table } = steps.kind;
  return [
    dueTask(`submit ${table}`, submission.due, idleMs, (signal) => submission.processBatch(signal)),
    dueTask(`follow ${table}`, polls.due, idleMs, (signal) => polls.processBatch(signal)),
    dueTask(`watch failed ${table}`, polls.watchDue, idleMs, (signal) => polls.watch(signal)),
    paced(dueTask(`end overdue ${table}`, overdueDue(steps.kind), overdueMs, () => overdue.processBatch())),
  ];
}

function webhookTasks({ config, webhooks }: ScheduleDeps): PeriodicTask[] {
  const { follow, deliveries, failing, keys, renewSecrets } = webhooks;
  return [
    dueTask('follow events for webhooks', follow.due, idleMs, (signal) => follow.processBatch(signal)),
    dueTask('send to webhooks', deliveries.due, idleMs, (signal) => deliveries.processBatch(signal)),
    dueTask('send to failing webhooks', failing.due, idleMs, (signal) => failing.processBatch(signal)),
    // Repeated until none is left.
    { name: 'disable webhooks of ended keys', run: (signal) => keys.processBatch(signal), idleMs: minuteMs },
    task('encrypt secrets of webhooks', config.PRUNE_INTERVAL, renewSecrets),
  ];
}

function deletionTasks({ database, deletion, erasures }: ScheduleDeps): PeriodicTask[] {
  return [
    dueTask('delete media', deletionDue, idleMs, () => deletion.sweep(mediaDeletionBatch)),
    dueTask('purge photos', photoPurgeDue, sweepMs, () =>
      database.transaction((sql) => purgeDuePhotos(sql, photoUse, photoPurgeBatch)),
    ),
    dueTask('finish erasures', erasureDue, idleMs, (signal) => erasures.processBatch(signal)),
    task('sweep orphans', orphanSweepMs, (signal) => deletion.sweepOrphans(signal)),
  ];
}

function checkTasks({ database, config, account, avatarChecks, completion }: ScheduleDeps): PeriodicTask[] {
  const checks = Math.ceil((config.MEDIA_CHECKS_PER_MINUTE * sweepMs) / minuteMs);
  const probeEveryMs = Math.min(maxProbeEveryMs, config.ACCOUNT_PROBE_INTERVAL);
  return [
    dueTask('close generations', storingDue, sweepMs, () => completion.sweep(database)),
    dueTask('end reservations', ledgerDue, sweepMs, () => reconcileLedger(database, jobKinds)),
    dueTask(
      'check paused account',
      account.due,
      probeEveryMs,
      once((signal) => account.probe(signal)),
    ),
    paced(
      dueTask(
        'check stored pictures',
        checkDue,
        sweepMs,
        once((signal) => avatarChecks.processBatch(checks, signal)),
      ),
    ),
  ];
}

function pruningTasks({ database, config, unansweredMs }: ScheduleDeps): PeriodicTask[] {
  const prunings: Record<string, () => Promise<number>> = {
    'prune events': () => pruneEvents(database, config.EVENT_RETENTION),
    'forget keys': () => pruneKeys(database, keyRetentionMs),
    'forget quota reservations': () => pruneReservations(database),
    'prune audit log': () => pruneAudit(database, config.AUDIT_RETENTION),
    'forget evidence': () => forgetEvidence(database, config.EVIDENCE_RETENTION),
    'prune timelines': () => pruneTimelines(database, config.EVIDENCE_RETENTION),
    'prune ledger': () => pruneLedger(database, config.LEDGER_RETENTION),
    'prune notices': () => pruneNotices(database),
    'forget client tokens': () => pruneClientTokens(database),
    'prune ledger entries': () => pruneLedgerEntries(database, config.LEDGER_RETENTION),
    'forget erased spending': () => pruneErasedSpending(database),
    'prune webhook deliveries': () => pruneDeliveries(database, config.WEBHOOK_RETENTION),
    'forget exports': () => exportOffers.prune(database),
    'forget downloads': () => downloadOffers.prune(database),
    'delete unread renditions': () =>
      database.transaction((sql) => deleteUnreadRenditions(sql, config.RENDITION_RETENTION)),
  };
  const { PRUNE_INTERVAL: pruningMs } = config;
  return [
    // Repeated until nothing is left.
    ...Object.entries(prunings).map(([name, prune]) => ({ name, run: prune, idleMs: pruningMs })),
    { name: 'delete orphaned renditions', run: orphanDeletion(database), idleMs: orphanedRenditionsMs },
    task('prune photo servers', pruningMs, () => pruneAvailability(database)),
    dueTask('end unanswered calls', unansweredDue(unansweredMs), sweepMs, async () => {
      const closed = await closeUnanswered(database, jobKinds, unansweredMs);
      return closed + (await detachUnanswered(database, jobKinds));
    }),
  ];
}

/** Deletes orphaned renditions among all, a batch in each call. Returns 0 after the last one. */
function orphanDeletion(database: Transactions): () => Promise<number> {
  let after = firstRendition;
  return async () => {
    const last = await database.transaction((sql) => deleteOrphanedRenditions(sql, after));
    after = last ?? firstRendition;
    return last === null ? 0 : 1;
  };
}

/** A task that runs when its work is due, and again immediately while its batches find rows. */
function dueTask(name: string, due: DueQuery, idleMs: number, run: PeriodicTask['run']): PeriodicTask {
  return { name, run, idleMs, due };
}

/** The task, with a maximum rate. */
function paced(task: PeriodicTask): PeriodicTask {
  return { ...task, isPaced: true };
}

/** A task that runs once per interval. */
function task(
  name: string,
  intervalMs: number,
  work: (signal: AbortSignal) => Promise<unknown>,
): PeriodicTask {
  return { name, run: once(work), idleMs: intervalMs };
}

/** Work that is not repeated before the pause, regardless of what it found. */
function once(work: (signal: AbortSignal) => Promise<unknown>): PeriodicTask['run'] {
  return async (signal) => {
    await work(signal);
    return 0;
  };
}
