import { backoffMs, elapsedSince, withinMs } from '../core/clock';
import { failpoint } from '../core/failpoint';
import type { Logger } from '../core/logger';
import type { WithoutTurn } from '../core/owner-turns';
import type { Transactions } from '../core/sql';
import {
  claimDue,
  claimKeys,
  deletionLeaseMs,
  type KeyPrefix,
  keyPrefixes,
  postponeKeys,
  releaseKeys,
  removeDeleted,
  scheduleOrphans,
  type PendingDeletion,
} from './media-deletion.repository';
import { DeletionRefused, type MediaStore, readMediaKey, StorageUnavailableError } from './media-store';

/** The first and the maximum delay after a failure, in milliseconds. */
const firstRetryMs = 2_000;
const maxRetryDelayMs = 300_000;

/**
 * The minimum age of orphans, in milliseconds: longer than any upload or download takes from its first byte to its
 * row.
 */
const orphanAgeMs = 3_600_000;

/**
 * For how long a process begins deletions of the keys that it has leased, in milliseconds: those in flight then end, and are
 * recorded, while it still has the lease: a bucket has 5 s for each. Otherwise another process would repeat all of them.
 */
const maxBeginMs = deletionLeaseMs - 8_000;

/** Only clients of a store with links write objects with this prefix. */
const uploadPrefix = 'uploads/';

/** How many keys are compared with the database in one statement. */
const batchSize = 500;

/**
 * How long the comparison of the store may delay an answer, in milliseconds: with the time limit of a deletion less than the time
 * limit of an operation.
 */
const maxComparisonMs = 3_000;

/** Deletes scheduled bytes, with retries, and finds orphaned bytes. */
export class MediaDeletion {
  constructor(
    private readonly database: Transactions,
    private readonly store: MediaStore,
    private readonly logger: Logger,
    /** Rejects unless the store is that of the database. */
    private readonly requireStore: () => Promise<void> = () => Promise.resolve(),
  ) {}

  /**
   * Deletes bytes that were just scheduled, AFTER the commit, so that they are deleted before the caller responds.
   * Never throws: failures are logged and left to {@link sweep}, and so is what the store does not answer within seconds.
   * @param withoutTurn - runs the requests to the store. \@defaultValue they are only made
   */
  async deleteNow(keys: readonly string[], withoutTurn: WithoutTurn = (work) => work()): Promise<void> {
    if (keys.length === 0) return;
    try {
      await withoutTurn(() => withinMs(maxComparisonMs, this.requireStore(), noAnswer));
      await this.remove(() => claimKeys(this.database, keys), withoutTurn);
    } catch (error) {
      this.logger.warn({ err: error }, 'bytes could not be deleted immediately; the sweep will delete them');
    }
  }

  /**
   * Deletes due keys; concurrent processes never delete the same key.
   * @returns the number of claimed keys; if it equals `limit`, more may be due
   * @throws Error unless the store is that of the database, which has the bytes
   */
  async sweep(limit: number): Promise<number> {
    await this.requireStore();
    return this.remove(
      () => claimDue(this.database, limit),
      (work) => work(),
    );
  }

  /**
   * Schedules the deletion of bytes older than an hour that belong to no row, for example after a crash between
   * storing bytes and their row, and removes what was not stored completely. Unknown names are left in place.
   * @param max - stops after about this many with one prefix; not with that of uploads, whose number clients decide
   * @returns the number of scheduled keys
   * @throws Error unless the store is that of the database, whose pictures alone are known
   */
  async sweepOrphans(signal: AbortSignal, max = 1_000): Promise<number> {
    await this.requireStore();
    let pending = 0;
    for (const prefix of keyPrefixes) {
      if (signal.aborted) break;
      if (prefix === uploadPrefix && !this.store.links) continue;
      pending += await this.sweepPrefix(prefix, signal, prefix === uploadPrefix ? Infinity : max);
    }
    if (!signal.aborted) await this.removeUnfinished();
    return pending;
  }

  /** Never throws: a bucket may refuse it, and the sweep of orphans, which reads its whole list, would be repeated at once. */
  private async removeUnfinished(): Promise<void> {
    try {
      await this.store.removeUnfinished();
    } catch (error) {
      this.logger.warn(
        { err: error },
        'unfinished uploads could not be removed; tried again by the next sweep',
      );
    }
  }

  private async sweepPrefix(prefix: KeyPrefix, signal: AbortSignal, max: number): Promise<number> {
    let pending = 0;
    for await (const keys of batchesOf(this.store.list(prefix, orphanAgeMs))) {
      const named = keys.flatMap((key) => {
        const read = readMediaKey(key);
        return read ? [{ key, id: read.id }] : [];
      });
      pending += await scheduleOrphans(this.database, prefix, named);
      if (pending >= max || signal.aborted) break;
    }
    return pending;
  }

  /**
   * Deletes what `claim` has leased, while the lease lasts: what a process that was suspended deletes afterwards may have been
   * restored meanwhile. Keys with the fewest tries come first, so that they do not wait for those that fail each time.
   * @returns the number of leased keys
   */
  private async remove(
    claim: () => Promise<readonly PendingDeletion[]>,
    withoutTurn: WithoutTurn,
  ): Promise<number> {
    const elapsedMs = elapsedSince();
    const mayBegin = (): boolean => elapsedMs() < maxBeginMs;
    const pending = [...(await claim())].sort((one, other) => one.tries - other.tries);
    if (pending.length === 0) return 0;
    await failpoint('delete:marked');
    const keys = pending.map(({ key }) => key);
    const failures = await withoutTurn(() => this.store.deleteMany(keys, mayBegin));
    await failpoint('delete:bytes-gone');
    await removeDeleted(
      this.database,
      pending.filter(({ key }) => !failures.has(key)),
    );
    const isUntried = ({ key }: PendingDeletion): boolean => failures.get(key) instanceof DeletionRefused;
    const untried = pending.filter(isUntried);
    if (untried.length > 0) await releaseKeys(this.database, untried);
    const failed = pending.filter((each) => failures.has(each.key) && !isUntried(each));
    await this.postpone(failed, failures);
    return pending.length;
  }

  /** Postpones failed deletions, each by its own number of tries. Writes one log entry for all. */
  private async postpone(
    failed: readonly PendingDeletion[],
    errors: ReadonlyMap<string, unknown>,
  ): Promise<void> {
    const [first] = failed;
    if (!first) return;
    const facts = { err: errors.get(first.key), key: first.key, tries: first.tries, count: failed.length };
    this.logger.warn(facts, 'bytes could not be deleted; retrying');
    const postponed = failed.map((pending) => {
      return { ...pending, waitMs: backoffMs(pending.tries, firstRetryMs, maxRetryDelayMs) };
    });
    await postponeKeys(this.database, postponed);
  }
}

const noAnswer = (): Error =>
  new StorageUnavailableError(new Error(`The store did not answer within ${maxComparisonMs / 1_000} s.`));

async function* batchesOf(keys: AsyncIterable<string>): AsyncGenerator<string[]> {
  let batch: string[] = [];
  for await (const key of keys) {
    batch.push(key);
    if (batch.length === batchSize) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}
