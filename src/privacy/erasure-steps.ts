import { anonymizeAuditLog } from '../accounts/audit.repository';
import { deleteKeysOf } from '../accounts/idempotency.repository';
import { eraseLedgerEntries } from '../accounts/ledger-entry.repository';
import { eraseReservations } from '../accounts/quota.repository';
import { deleteExpiredTokensOf } from '../auth/client-token.repository';
import { erasedOwner, type DataSubject } from '../core/data-subject';
import { toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import { disownEndedStreams, disownStreams, endStreams } from '../events/event-log.repository';
import { deleteOwnerStream } from '../events/owner-stream.repository';
import { deleteAvatarsOf } from '../generations/avatar.repository';
import { generationKind } from '../generations/generation.kind';
import { deleteJobs } from '../jobs/job-row.repository';
import type { JobKind } from '../jobs/job.kind';
import { detachSubmissions } from '../jobs/ledger.repository';
import { modelKind } from '../models/model.kind';
import { deleteNoticesAbout, deleteNoticesOf } from '../notices/notice.repository';
import { keysOf } from '../photos/photo.entity';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import { deleteDeliveriesOf } from '../webhooks/webhook-delivery.repository';
import { deleteWebhooksOf } from '../webhooks/webhook.repository';
import { deletePhotosOf, lockJobsOf, type ErasureCounts } from './erasure.repository';

/** The result of one transaction. */
export interface Batch {
  /** Whether any rows were erased; if so, there may be more. */
  isSome: boolean;
  counts: Partial<ErasureCounts>;
  /** Event streams that ended. */
  streams: readonly string[];
}

/** What survives an erasure in total, because an erasure could otherwise reset a limit. */
export interface KeptUsage {
  /** Trainings and avatars per day since yesterday. Needed if quotas are set. */
  readonly counts: boolean;
  /** What was spent per day of this month. Needed if spending limits are set. */
  readonly spending: boolean;
}

/** Whose data are erased. */
export interface ErasedSubject extends DataSubject {
  /** When everything was erased, in the final check. Then the owner may have new data. */
  readonly completedAt: Date | null;
}

/** Erases a batch of rows of one kind within the given transaction. */
export type Step = (sql: Sql, subject: ErasedSubject) => Promise<Batch>;

/**
 * The maximum number of rows per transaction. A transaction holds locks that workers may wait for, so a batch is limited
 * to what takes about 100 ms on a slow disk.
 */
const batchSizes = {
  running: 20,
  generations: 200,
  models: 100,
  photos: 500,
  streams: 1_000,
  account: 5_000,
} as const;

/**
 * The steps of an erasure, in order; each is repeated until it erases nothing. Running jobs come first, so that nothing
 * more is paid for, after webhooks, which would go on in a new stream of their owner; then dependent rows before the rows they refer to. Each step locks rows in the order that all other
 * code uses: jobs, their avatars, photos, streams.
 */
export const erasureSteps = (kept: KeptUsage): readonly Step[] => [
  eraseWebhooks,
  (sql, subject) => eraseJobs(sql, generationKind, subject, { isUnderWay: true, limit: batchSizes.running }),
  (sql, subject) => eraseJobs(sql, modelKind, subject, { isUnderWay: true, limit: batchSizes.running }),
  (sql, subject) =>
    eraseJobs(sql, generationKind, subject, { isUnderWay: false, limit: batchSizes.generations }),
  (sql, subject) => eraseJobs(sql, modelKind, subject, { isUnderWay: false, limit: batchSizes.models }),
  erasePhotos,
  async (sql, subject) => uncounted(await deleteNoticesOf(sql, subject, batchSizes.account)),
  async (sql, { owner, completedAt }) =>
    uncounted(
      await disownEndedStreams(sql, { owner, endedBefore: completedAt }, erasedOwner, batchSizes.streams),
    ),
  async (sql, subject) => uncounted(await deleteOwnerStream(sql, subject, batchSizes.account)),
  async (sql, { owner }) => uncounted(await deleteDeliveriesOf(sql, { owner }, batchSizes.account)),
  async (sql, subject) => uncounted(await deleteExpiredTokensOf(sql, subject, batchSizes.account)),
  async (sql, subject) => uncounted(await eraseAccount(sql, subject, kept)),
];

/**
 * Erases webhooks with the notices about them. A worker that disables one at the same time may have added a notice with a time
 * after that of the erasure.
 */
async function eraseWebhooks(sql: Sql, subject: DataSubject): Promise<Batch> {
  const ids = await deleteWebhooksOf(sql, subject, batchSizes.account);
  await deleteNoticesAbout(
    sql,
    subject.owner,
    ids.map((id) => toGlobalId('Webhook', id)),
  );
  return uncounted(ids.length);
}

/**
 * Erases models or generations with their avatars, and ends their streams. The streams lose their owner at once: the final
 * check, which may find more, does not know them from those that the owner has ended since.
 */
async function eraseJobs(
  sql: Sql,
  kind: JobKind,
  subject: DataSubject,
  which: { isUnderWay: boolean; limit: number },
): Promise<Batch> {
  const ids = await lockJobsOf(sql, kind, subject, which);
  if (ids.length === 0) return uncounted(0);
  const avatars = await deleteAvatarsOf(sql, kind.noun, ids);
  await detachSubmissions(sql, kind, ids);
  await deleteJobs(sql, kind, ids);
  await endStreams(sql, ids, kind.eventKind);
  await disownStreams(sql, ids, erasedOwner);
  return { isSome: true, counts: { [kind.table]: ids.length, avatars }, streams: ids };
}

/** Erases photos, after the jobs that used them. */
async function erasePhotos(sql: Sql, subject: DataSubject): Promise<Batch> {
  const gone = await deletePhotosOf(sql, subject, batchSizes.photos);
  await scheduleDeletion(sql, gone.flatMap(keysOf));
  return { isSome: gone.length > 0, counts: { photos: gone.length }, streams: [] };
}

/** Erases idempotency keys and quota reservations, and anonymizes the ledger and the audit log; returns the number of rows. */
async function eraseAccount(sql: Sql, subject: DataSubject, kept: KeptUsage): Promise<number> {
  const keys = await deleteKeysOf(sql, subject, batchSizes.account);
  const reservations = await eraseReservations(sql, subject, kept.counts);
  const entries = await eraseLedgerEntries(sql, subject, kept.spending, batchSizes.account);
  return keys + reservations + entries + (await anonymizeAuditLog(sql, subject, batchSizes.account));
}

/** A batch of rows that are not part of {@link ErasureCounts}. */
function uncounted(count: number): Batch {
  return { isSome: count > 0, counts: {}, streams: [] };
}
