import { backoffMs } from '../core/clock';
import { failpoint } from '../core/failpoint';
import type { Logger } from '../core/logger';
import type { Sql, Transactions } from '../core/sql';
import { readMediaKey } from './media-key';
import type { MediaStore } from './media-store';

/**
 * How long keys are leased for deletion, in milliseconds; then another process takes over. Must be below the 30
 * seconds after which work of an exited process continues.
 */
const leaseMs = 20_000;

/** The first and the maximum delay after a failure, in milliseconds. */
const firstRetryMs = 2_000;
const maxRetryDelayMs = 300_000;

/**
 * The minimum age of orphans, in milliseconds: longer than any upload or download takes from its first byte to its
 * row.
 */
const orphanAgeMs = 3_600_000;

/** How many keys are compared with the database in one statement. */
const batchSize = 500;

/** For each prefix, the rows that may have, or get, bytes under a key. */
const owners = {
  'photos/': `SELECT FROM photos WHERE photos.id = found.id AND photos.status <> 'PURGED'`,
  // Names as in generations/avatar-keys.ts. Bytes older than an hour belong to a row only if it refers to them.
  'avatars/': `SELECT FROM avatars
                WHERE avatars.id = found.id AND avatars.status <> 'LOST'
                  AND found.key IN ('avatars/' || id || coalesce('.' || media_token, '') || '.picture',
                                    'avatars/' || id || coalesce('.' || media_token, '') || '.preview.jpg')`,
} as const;

/** A key that is leased to the caller for deletion. */
interface PendingDeletion {
  key: string;
  tries: number;
  /**
   * When the deletion was scheduled, in microseconds; a different time means that it was scheduled again, for newer
   * bytes.
   */
  mark: string;
}

/**
 * Schedules the deletion of the bytes under these keys, in the transaction that deletes their rows. Only for keys
 * that no row will use again. Idempotent; keys may have no bytes.
 */
export async function scheduleDeletion(sql: Sql, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  await sql.rows(
    `INSERT INTO media_deletions (key) SELECT DISTINCT unnest($1::text[])
     ON CONFLICT (key) DO UPDATE SET tries = 0, due_at = now(), created_at = clock_timestamp()`,
    [keys],
  );
}

/** Deletes scheduled bytes, with retries, and finds orphaned bytes. */
export class MediaDeletion {
  constructor(
    private readonly database: Transactions,
    private readonly store: MediaStore,
    private readonly logger: Logger,
  ) {}

  /**
   * Deletes bytes that were just scheduled, AFTER the commit, so that they are deleted before the caller responds.
   * Never throws: failures are logged and left to {@link sweep}.
   */
  async deleteNow(keys: readonly string[]): Promise<void> {
    try {
      await this.remove(await this.claim('key = ANY($1)', keys));
    } catch (error) {
      this.logger.warn({ err: error }, 'bytes could not be deleted immediately; the sweep will delete them');
    }
  }

  /**
   * Deletes due keys; concurrent processes never delete the same key. Half of the limit are the keys that have been
   * due longest, half the most recent ones, so that an owner's few files do not wait for another's many.
   * @returns the number of claimed keys; if it equals `limit`, more may be due
   */
  async sweep(limit: number): Promise<number> {
    const half = (order: string, size: string): string =>
      `SELECT key FROM (SELECT key FROM media_deletions WHERE due_at <= now()
                         ORDER BY due_at ${order} LIMIT ${size} FOR UPDATE SKIP LOCKED) due`;
    const due = await this.claim(
      `key IN (${half('ASC', '$1::int - $1::int / 2')} UNION ALL ${half('DESC', '$1::int / 2')})`,
      limit,
    );
    await this.remove(due);
    return due.length;
  }

  /**
   * Schedules the deletion of bytes older than an hour that belong to no row, for example after a crash between
   * storing bytes and their row. Unknown names are left in place.
   * @param max - stops after about this many
   * @returns the number of scheduled keys
   */
  async sweepOrphans(signal: AbortSignal, max = 1_000): Promise<number> {
    let pending = 0;
    for (const prefix of Object.keys(owners) as (keyof typeof owners)[]) {
      for await (const keys of inBatches(this.store.list(prefix, orphanAgeMs))) {
        pending += await this.scheduleOrphans(prefix, keys);
        if (pending >= max || signal.aborted) return pending;
      }
    }
    return pending;
  }

  private async scheduleOrphans(prefix: keyof typeof owners, keys: readonly string[]): Promise<number> {
    const ours = keys.flatMap((key) => {
      const read = readMediaKey(key);
      return read ? [{ key, id: read.id }] : [];
    });
    const pending = await this.database.rows(
      `INSERT INTO media_deletions (key)
       SELECT found.key FROM unnest($1::text[], $2::uuid[]) AS found (key, id) WHERE NOT EXISTS (${owners[prefix]})
       ON CONFLICT (key) DO NOTHING
       RETURNING key`,
      [ours.map(({ key }) => key), ours.map(({ id }) => id)],
    );
    return pending.length;
  }

  private claim(which: string, parameter: unknown): Promise<PendingDeletion[]> {
    return this.database.rows<PendingDeletion>(
      `UPDATE media_deletions SET tries = tries + 1, due_at = now() + $2 * interval '1 ms'
        WHERE ${which} AND due_at <= now()
       RETURNING key, tries, created_at::text AS mark`,
      [parameter, leaseMs],
    );
  }

  private async remove(pending: readonly PendingDeletion[]): Promise<void> {
    if (pending.length === 0) return;
    await failpoint('delete:marked');
    const failures = await this.store.deleteMany(pending.map(({ key }) => key));
    await failpoint('delete:bytes-gone');
    const gone = pending.filter(({ key }) => !failures.has(key));
    await this.database.rows(
      `DELETE FROM media_deletions USING unnest($1::text[], $2::text[]) AS gone (key, mark)
        WHERE media_deletions.key = gone.key AND media_deletions.created_at = gone.mark::timestamptz`,
      [gone.map(({ key }) => key), gone.map(({ mark }) => mark)],
    );
    await this.postpone(
      pending.filter(({ key }) => failures.has(key)),
      failures,
    );
  }

  /** Postpones failed deletions, each by its own number of tries. Writes one log entry for all. */
  private async postpone(
    failed: readonly PendingDeletion[],
    errors: ReadonlyMap<string, unknown>,
  ): Promise<void> {
    const [first] = failed;
    if (!first) return;
    const { key, tries } = first;
    const facts = { err: errors.get(key), key, tries, count: failed.length };
    this.logger.warn(facts, 'bytes could not be deleted; retrying');
    await this.database.rows(
      `UPDATE media_deletions SET due_at = now() + failed.wait_ms * interval '1 ms'
         FROM unnest($1::text[], $2::float8[]) AS failed (key, wait_ms) WHERE media_deletions.key = failed.key`,
      [
        failed.map((item) => item.key),
        failed.map((item) => backoffMs(item.tries, firstRetryMs, maxRetryDelayMs)),
      ],
    );
  }
}

async function* inBatches(keys: AsyncIterable<string>): AsyncGenerator<string[]> {
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
