import { backoffMs } from '../core/clock';
import { failpoint } from '../core/failpoint';
import type { Logger } from '../core/logger';
import type { Sql, Transactions } from '../core/sql';
import { readMediaKey } from './media-key';
import type { MediaStore } from './media-store';

/**
 * How long whoever deletes has for it, in milliseconds; then another takes it up. Nothing that a dead process held may
 * lie for longer than 30 seconds, least of all a face that was to be deleted.
 */
const leaseMs = 20_000;

/** The wait after a first failure and the longest, in milliseconds. */
const firstRetryMs = 2_000;
const maxRetryDelayMs = 300_000;

/**
 * How old bytes are, in milliseconds, before they may count as orphans: longer than any upload or download takes from
 * its first byte to its row.
 */
const orphanAgeMs = 3_600_000;

/** How many keys are compared with the database in one statement. */
const batchSize = 500;

/** What a key's bytes belong to, by its prefix: the rows that may still have, or get, bytes. */
const owners = {
  'photos/': `SELECT FROM photos WHERE photos.id = found.id AND photos.status <> 'PURGED'`,
  // Names as in generations/avatar-keys.ts. Older than an hour, only what the row names belongs to it.
  'avatars/': `SELECT FROM avatars
                WHERE avatars.id = found.id AND avatars.status <> 'LOST'
                  AND found.key IN ('avatars/' || id || coalesce('.' || media_token, '') || '.picture',
                                    'avatars/' || id || coalesce('.' || media_token, '') || '.preview.jpg')`,
} as const;

/** A key that is the caller's to delete until its lease ends. */
interface PendingDeletion {
  key: string;
  tries: number;
  /** When it was doomed, to the microsecond; another time means that it was doomed anew, for newer bytes. */
  mark: string;
}

/**
 * Writes down that the bytes under these keys must go: in the transaction that deletes their rows. Only for keys that
 * no row will ever claim again. Keys without bytes, or doomed already, are no error.
 */
export async function scheduleDeletion(sql: Sql, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  await sql.rows(
    `INSERT INTO media_deletions (key) SELECT DISTINCT unnest($1::text[])
     ON CONFLICT (key) DO UPDATE SET tries = 0, due_at = now(), created_at = clock_timestamp()`,
    [keys],
  );
}

/** Deletes doomed bytes, repeating until the store has done it, and finds bytes that no row knows. */
export class MediaDeletion {
  constructor(
    private readonly database: Transactions,
    private readonly store: MediaStore,
    private readonly logger: Logger,
  ) {}

  /**
   * Deletes bytes that were just doomed, AFTER the commit that doomed them, so that they are gone when the caller
   * answers. Never throws: what fails here is logged and left to {@link sweep}.
   */
  async deleteNow(keys: readonly string[]): Promise<void> {
    try {
      await this.remove(await this.claim('key = ANY($1)', keys));
    } catch (error) {
      this.logger.warn({ err: error }, 'bytes could not be deleted at once; the sweep will');
    }
  }

  /**
   * Deletes what is due, no key by two processes at once: half of the limit what is due longest, half what is due last,
   * so that an owner's few files do not wait behind another's many.
   * @returns how many keys were taken up; as many as `limit` means that more may be waiting
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
   * Dooms bytes older than an hour that belong to no row, such as a crash between bytes and row leaves behind. Names
   * that are not of this program's making are left alone.
   * @param most - ends the pass once about so many were found
   * @returns how many were doomed
   */
  async sweepOrphans(signal: AbortSignal, most = 1_000): Promise<number> {
    let pending = 0;
    for (const prefix of Object.keys(owners) as (keyof typeof owners)[]) {
      for await (const keys of inBatches(this.store.list(prefix, orphanAgeMs))) {
        pending += await this.scheduleOrphans(prefix, keys);
        if (pending >= most || signal.aborted) return pending;
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

  /** What could not be deleted is due again later, each after its own tries. One entry of the log for all of it. */
  private async postpone(
    failed: readonly PendingDeletion[],
    errors: ReadonlyMap<string, unknown>,
  ): Promise<void> {
    const [first] = failed;
    if (!first) return;
    const { key, tries } = first;
    const facts = { err: errors.get(key), key, tries, count: failed.length };
    this.logger.warn(facts, 'bytes could not be deleted; they will be tried again');
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
