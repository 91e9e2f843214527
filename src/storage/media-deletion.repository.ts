import { dueAt } from '../core/due';
import type { Sql } from '../core/sql';

/**
 * How long keys are leased for deletion, in milliseconds; then another process takes over. Must be below the 30
 * seconds after which work of an exited process continues. Why not `LeasedRows`: docs/adr/0004.
 */
export const deletionLeaseMs = 20_000;

/** For each prefix of keys, the rows that may have, or get, bytes under a key. */
const owners = {
  // Names as in photos/photo.entity.ts. The first try may have the key of a row that a later one has announced.
  'photos/': `SELECT FROM photos
                WHERE photos.id = found.id AND photos.status <> 'PURGED'
                  AND found.key IN ('photos/' || id || '.jpg', 'photos/' || id || '.' || media_token || '.jpg')`,
  // Of files that clients upload; those of checked photos are not needed.
  'uploads/': `SELECT FROM photos
                WHERE photos.id = found.id AND photos.status = 'AWAITING_UPLOAD'`,
  // Names as in generations/avatar.entity.ts. Bytes older than an hour belong to a row only if it refers to them.
  'avatars/': `SELECT FROM avatars
                WHERE avatars.id = found.id AND avatars.status <> 'LOST'
                  AND found.key IN ('avatars/' || id || coalesce('.' || media_token, '') || '.picture',
                                    'avatars/' || id || coalesce('.' || media_token, '') || '.preview.jpg')`,
  // Names as in generations/rendition.entity.ts.
  'renditions/': `SELECT FROM avatar_renditions JOIN avatars ON avatars.id = avatar_renditions.avatar_id
                   WHERE avatar_renditions.id = found.id`,
} as const;

/** A key that is leased to the caller for deletion. */
export interface PendingDeletion {
  key: string;
  /** How often it has been leased, this time included. */
  tries: number;
  /**
   * When the deletion was scheduled, in microseconds; a different time means that it was scheduled again, for newer
   * bytes.
   */
  mark: string;
}

/** A prefix of keys. */
export type KeyPrefix = keyof typeof owners;

/** The prefixes of all keys. */
export const keyPrefixes = Object.keys(owners) as KeyPrefix[];

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

/** Schedules the deletion of those keys that belong to no row; returns their number. */
export async function scheduleOrphans(
  sql: Sql,
  prefix: KeyPrefix,
  keys: readonly { key: string; id: string }[],
): Promise<number> {
  const scheduled = await sql.rows(
    `INSERT INTO media_deletions (key)
     SELECT found.key FROM unnest($1::text[], $2::uuid[]) AS found (key, id) WHERE NOT EXISTS (${owners[prefix]})
     ON CONFLICT (key) DO NOTHING
     RETURNING key`,
    [keys.map(({ key }) => key), keys.map(({ id }) => id)],
  );
  return scheduled.length;
}

/** Leases those of the keys that are due. */
export function claimKeys(sql: Sql, keys: readonly string[]): Promise<PendingDeletion[]> {
  return claim(sql, 'key = ANY($1)', keys);
}

/** When the next deletion is due. */
export const deletionDue = dueAt('(SELECT min(due_at) FROM media_deletions)');

/**
 * Leases up to `limit` due keys. Half of them are the keys that have been due longest, half the most recent ones, so
 * that an owner's few files do not wait for another's many.
 */
export function claimDue(sql: Sql, limit: number): Promise<PendingDeletion[]> {
  const half = (order: string, size: string): string =>
    `SELECT key FROM (SELECT key FROM media_deletions WHERE due_at <= now()
                       ORDER BY due_at ${order} LIMIT ${size} FOR UPDATE ${sql.engine.skipLocked}) due`;
  const due = `key IN (${half('ASC', '$1::int - $1::int / 2')} UNION ALL ${half('DESC', '$1::int / 2')})`;
  return claim(sql, due, limit);
}

function claim(sql: Sql, condition: string, parameter: unknown): Promise<PendingDeletion[]> {
  return sql.rows(
    `UPDATE media_deletions SET tries = tries + 1, due_at = now() + $2 * interval '1 ms'
      WHERE ${condition} AND due_at <= now()
     RETURNING key, tries, created_at::text AS mark`,
    [parameter, deletionLeaseMs],
  );
}

/** Removes deleted keys, except those that have been scheduled again, or leased again. */
export async function removeDeleted(sql: Sql, deleted: readonly PendingDeletion[]): Promise<void> {
  await sql.rows(
    `DELETE FROM media_deletions USING unnest($1::text[], $2::text[], $3::integer[]) AS gone (key, mark, tries)
      WHERE media_deletions.key = gone.key AND media_deletions.created_at = gone.mark::timestamptz
        AND media_deletions.tries = gone.tries`,
    leasesOf(deleted),
  );
}

/** Gives back keys whose deletion was not tried, except those that have been scheduled again, or leased again. */
export async function releaseKeys(sql: Sql, untried: readonly PendingDeletion[]): Promise<void> {
  await sql.rows(
    `UPDATE media_deletions SET due_at = now(), tries = untried.tries - 1
       FROM unnest($1::text[], $2::text[], $3::integer[]) AS untried (key, mark, tries)
      WHERE media_deletions.key = untried.key AND media_deletions.created_at = untried.mark::timestamptz
        AND media_deletions.tries = untried.tries`,
    leasesOf(untried),
  );
}

/** Sets when the deletion of each key is tried again, except of those that have been scheduled again, or leased again. */
export async function postponeKeys(
  sql: Sql,
  failed: readonly (PendingDeletion & { waitMs: number })[],
): Promise<void> {
  await sql.rows(
    `UPDATE media_deletions SET due_at = now() + failed.wait_ms * interval '1 ms'
       FROM unnest($1::text[], $2::text[], $3::integer[], $4::float8[]) AS failed (key, mark, tries, wait_ms)
      WHERE media_deletions.key = failed.key AND media_deletions.created_at = failed.mark::timestamptz
        AND media_deletions.tries = failed.tries`,
    [...leasesOf(failed), failed.map(({ waitMs }) => waitMs)],
  );
}

/** The parameters by which {@link claim}'s leases are recognised: keys, marks and tries. */
function leasesOf(pending: readonly PendingDeletion[]): unknown[] {
  return [pending.map(({ key }) => key), pending.map(({ mark }) => mark), pending.map(({ tries }) => tries)];
}
