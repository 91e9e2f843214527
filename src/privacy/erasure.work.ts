import { anonymizeAuditLog } from '../accounts/audit.repository';
import { deleteKeysOf } from '../accounts/idempotency.repository';
import { eraseReservations } from '../accounts/quota.repository';
import { erasedOwner, type Person } from '../core/person';
import type { Sql, Transactions } from '../core/sql';
import { disownEndedStreams, endStreams } from '../events/event-log.repository';
import { deleteAvatarsOf } from '../generations/avatar.repository';
import { generationKind } from '../generations/generation.job';
import type { JobKind } from '../jobs/job';
import { deleteJobs } from '../jobs/job.repository';
import { detachSubmissions } from '../jobs/submission.repository';
import { modelKind } from '../models/model.job';
import { photoKey } from '../photos/photo.entity';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import {
  claimErasure,
  closeErasure,
  countErased,
  deletePhotosOf,
  lockErasure,
  lockJobsOf,
  type ErasureCounts,
} from './erasure.repository';

/** Notifies subscribers and workers after a commit. */
export interface Announcer {
  announce(wake: { streams?: readonly string[]; work?: boolean; topics?: readonly string[] }): void;
}

export interface ErasureWorkDeps {
  database: Transactions;
  announcer: Announcer;
  /**
   * Whether daily totals of trainings and avatars since yesterday survive an erasure. Needed if quotas are set, because
   * an erasure could otherwise reset them.
   */
  keepsCounts: boolean;
}

/** The result of one transaction. */
interface Batch {
  /** Whether any rows were erased; if so, there may be more. */
  isSome: boolean;
  counts: Partial<ErasureCounts>;
  /** Event streams that ended. */
  streams: readonly string[];
}

/** Erases a batch of rows of one kind within the given transaction. */
type Step = (sql: Sql, person: Person) => Promise<Batch>;

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

/** Carries out erasures batch by batch, independent of the process that started them. */
export class ErasureWork {
  /**
   * The steps of an erasure, in order; each is repeated until it erases nothing. Running jobs come first, so that nothing
   * more is paid for; then dependent rows before the rows they refer to. Each step locks rows in the order that all other
   * code uses: jobs, their avatars, photos, streams.
   */
  private readonly steps: readonly Step[] = [
    (sql, person) => eraseJobs(sql, generationKind, person, { isUnderWay: true, limit: batchSizes.running }),
    (sql, person) => eraseJobs(sql, modelKind, person, { isUnderWay: true, limit: batchSizes.running }),
    (sql, person) =>
      eraseJobs(sql, generationKind, person, { isUnderWay: false, limit: batchSizes.generations }),
    (sql, person) => eraseJobs(sql, modelKind, person, { isUnderWay: false, limit: batchSizes.models }),
    erasePhotos,
    async (sql, person) => uncounted(await disownEndedStreams(sql, person, erasedOwner, batchSizes.streams)),
    async (sql, person) => uncounted(await eraseAccount(sql, person, this.deps.keepsCounts)),
  ];

  constructor(private readonly deps: ErasureWorkDeps) {}

  /**
   * Continues one erasure whose lease has expired, or runs its final check.
   * @returns the number of erasures processed
   */
  async processBatch(signal: AbortSignal): Promise<number> {
    const id = await claimErasure(this.deps.database);
    if (id === null) return 0;
    while (!signal.aborted && (await this.eraseBatch(id)));
    return 1;
  }

  /**
   * Continues an erasure until it is complete or `maxMs` have passed; a worker does the rest. Safe to run concurrently:
   * batches of one erasure are serialized by a row lock.
   */
  async carryOut(id: string, maxMs: number): Promise<void> {
    const endMs = performance.now() + maxMs;
    while (performance.now() < endMs && (await this.eraseBatch(id)));
  }

  /** @returns whether more rows may remain */
  private async eraseBatch(id: string): Promise<boolean> {
    const { database, announcer } = this.deps;
    const batch = await database.transaction(async (sql) => {
      const erasing = await lockErasure(sql, id);
      if (!erasing) return null;
      const erased = await this.eraseNext(sql, erasing);
      if (erased) await countErased(sql, id, erased.counts);
      else await closeErasure(sql, erasing);
      return erased;
    });
    // The rows have scheduled deletions of stored objects, which workers carry out.
    if (batch) announcer.announce({ streams: batch.streams, work: true });
    return batch !== null;
  }

  private async eraseNext(sql: Sql, person: Person): Promise<Batch | null> {
    for (const step of this.steps) {
      const batch = await step(sql, person);
      if (batch.isSome) return batch;
    }
    return null;
  }
}

/** Erases models or generations with their avatars, and ends their streams. */
async function eraseJobs(
  sql: Sql,
  kind: JobKind,
  person: Person,
  which: { isUnderWay: boolean; limit: number },
): Promise<Batch> {
  const ids = await lockJobsOf(sql, kind, person, which);
  if (ids.length === 0) return uncounted(0);
  const avatars = await deleteAvatarsOf(sql, kind.noun, ids);
  await detachSubmissions(sql, kind, ids);
  await deleteJobs(sql, kind, ids);
  await endStreams(sql, ids, kind.eventKind);
  return { isSome: true, counts: { [kind.table]: ids.length, avatars }, streams: ids };
}

/** Erases photos, after the jobs that used them. */
async function erasePhotos(sql: Sql, person: Person): Promise<Batch> {
  const gone = await deletePhotosOf(sql, person, batchSizes.photos);
  await scheduleDeletion(sql, gone.map(photoKey));
  return { isSome: gone.length > 0, counts: { photos: gone.length }, streams: [] };
}

/** Erases idempotency keys and quota reservations, and anonymizes the audit log; returns the number of rows. */
async function eraseAccount(sql: Sql, person: Person, keepsCounts: boolean): Promise<number> {
  const keys = await deleteKeysOf(sql, person, batchSizes.account);
  const reservations = await eraseReservations(sql, person, keepsCounts);
  return keys + reservations + (await anonymizeAuditLog(sql, person, batchSizes.account));
}

/** A batch of rows that are not part of {@link ErasureCounts}. */
function uncounted(count: number): Batch {
  return { isSome: count > 0, counts: {}, streams: [] };
}
