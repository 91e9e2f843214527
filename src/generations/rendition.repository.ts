import { isBeingErased } from '../accounts/write-admission.repository';
import type { Sql } from '../core/sql';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import type { AvatarBytes } from './avatar.entity';
import { renditionKey, type RenditionEntity } from './rendition.entity';

/** A stored rendition. */
export type Rendition = Pick<RenditionEntity, 'id' | 'byteSize' | 'sha256'>;

/** A rendition to be recorded. */
export type NewRendition = Rendition & Pick<RenditionEntity, 'name'>;

/** Maximum number of renditions that are deleted in one statement. */
const batchSize = 1_000;
/** Maximum number of renditions that a deletion of avatars deletes itself. */
const maxWithAvatars = 5_000;

/** The stored rendition of an avatar's picture with this name; records at most once a day that it was read. */
export async function findRendition(
  sql: Sql,
  { id: avatarId, mediaToken }: AvatarBytes,
  name: string,
): Promise<Rendition | null> {
  const [found] = await sql.rows<Rendition & { isNoted: boolean }>(
    `SELECT id, byte_size AS "byteSize", sha256, read_at > now() - interval '1 day' AS "isNoted"
       FROM avatar_renditions WHERE avatar_id = $1 AND name = $2 AND media_token IS NOT DISTINCT FROM $3`,
    [avatarId, name, mediaToken],
  );
  if (!found) return null;
  const { isNoted, ...rendition } = found;
  if (!isNoted) await sql.rows('UPDATE avatar_renditions SET read_at = now() WHERE id = $1', [found.id]);
  return rendition;
}

/**
 * Records a rendition whose bytes are stored, in place of one of an earlier picture. The avatar is locked until the transaction ends, so that a concurrent
 * deletion also deletes the rendition.
 * @returns false if the avatar has other bytes, is damaged or deleted, its owner's data are being erased, or it has this
 * rendition; the bytes are then scheduled for deletion
 */
export async function insertRendition(
  sql: Sql,
  { id: avatarId, mediaToken }: AvatarBytes,
  { id, name, byteSize, sha256 }: NewRendition,
): Promise<boolean> {
  const replaced = await sql.rows<Pick<RenditionEntity, 'id'>>(
    `DELETE FROM avatar_renditions r USING avatars a
      WHERE r.avatar_id = $1 AND r.name = $3 AND r.media_token IS DISTINCT FROM $2
        AND a.id = r.avatar_id AND a.media_token IS NOT DISTINCT FROM $2
     RETURNING r.id`,
    [avatarId, mediaToken, name],
  );
  await scheduleDeletion(sql, replaced.map(renditionKey));
  const inserted = await sql.rows(
    `INSERT INTO avatar_renditions (id, avatar_id, media_token, name, byte_size, sha256)
     SELECT $3, a.id, a.media_token, $4, $5, $6 FROM avatars a
      WHERE a.id = $1 AND a.media_token IS NOT DISTINCT FROM $2 AND a.status = 'STORED' AND a.damaged_at IS NULL
        AND NOT ${isBeingErased('a.owner')}
        FOR SHARE OF a
     ON CONFLICT DO NOTHING RETURNING id`,
    [avatarId, mediaToken, id, name, byteSize, sha256],
  );
  if (inserted.length === 0) await scheduleDeletion(sql, [renditionKey({ id })]);
  return inserted.length > 0;
}

/**
 * Deletes renditions of avatars and schedules the deletion of their bytes, so many that it takes less than a second; the
 * others are left to {@link deleteOrphanedRenditions}. Call it in the transaction that deletes the avatars or replaces their
 * pictures, AFTER it has locked them.
 */
export async function deleteRenditionsOf(sql: Sql, avatarIds: readonly string[]): Promise<void> {
  const deleted = await sql.rows<Pick<RenditionEntity, 'id'>>(
    `DELETE FROM avatar_renditions
      WHERE id IN (SELECT id FROM avatar_renditions WHERE avatar_id = ANY($1) LIMIT $2 FOR UPDATE) RETURNING id`,
    [avatarIds, maxWithAvatars],
  );
  await scheduleDeletion(sql, deleted.map(renditionKey));
}

/** Before the ids of all renditions. */
export const firstRendition = '00000000-0000-0000-0000-000000000000';

/**
 * Deletes renditions without an avatar, and of pictures that were replaced, among the next ones by id.
 * @param after - {@link firstRendition}, or what the call before has returned
 * @returns null after the last rendition
 */
export async function deleteOrphanedRenditions(sql: Sql, after: string): Promise<string | null> {
  const [batch] = await sql.rows<{ last: string | null; ids: string[] }>(
    `WITH page AS MATERIALIZED (
       SELECT id, avatar_id, media_token FROM avatar_renditions WHERE id > $1 ORDER BY id LIMIT $2
     ), gone AS (
       DELETE FROM avatar_renditions r USING page
        WHERE r.id = page.id AND NOT EXISTS (
          SELECT FROM avatars a WHERE a.id = page.avatar_id AND a.media_token IS NOT DISTINCT FROM page.media_token)
       RETURNING r.id
     )
     SELECT (SELECT id FROM page ORDER BY id OFFSET $2 - 1) AS last, ARRAY(SELECT id FROM gone) AS ids`,
    [after, batchSize],
  );
  await scheduleDeletion(
    sql,
    batch!.ids.map((id) => renditionKey({ id })),
  );
  return batch!.last;
}

/** Deletes a rendition whose bytes are missing or incomplete; call it in a transaction. */
export async function deleteRendition(sql: Sql, id: string): Promise<void> {
  await sql.rows('DELETE FROM avatar_renditions WHERE id = $1', [id]);
  await scheduleDeletion(sql, [renditionKey({ id })]);
}

/**
 * Deletes renditions that have not been read for `retentionMs`.
 * @returns their number
 */
export async function deleteUnreadRenditions(sql: Sql, retentionMs: number): Promise<number> {
  const unread = sql.engine.claims({
    table: 'avatar_renditions',
    where: `read_at < now() - $1 * interval '1 ms'`,
    orderBy: 'read_at',
    limit: '$2',
  });
  const deleted = await sql.rows<Pick<RenditionEntity, 'id'>>(
    `DELETE FROM avatar_renditions WHERE ${unread} RETURNING id`,
    [retentionMs, batchSize],
  );
  await scheduleDeletion(sql, deleted.map(renditionKey));
  return deleted.length;
}
