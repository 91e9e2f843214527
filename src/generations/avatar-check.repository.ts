import { dueAt } from '../core/due';
import type { Sql } from '../core/sql';
import { AvatarEntity, type AvatarBytes } from './avatar.entity';

/** When the next check of a stored picture is due. */
export const checkDue = dueAt("(SELECT min(check_at) FROM avatars WHERE status = 'STORED')");

/** Claims stored avatars whose bytes are due for a check; they are due again after `intervalMs`. */
export function claimChecks(sql: Sql, limit: number, intervalMs: number): Promise<AvatarEntity[]> {
  const due = sql.engine.claims({
    table: 'avatars',
    where: "status = 'STORED' AND check_at <= now()",
    orderBy: 'check_at',
    limit: '$1',
  });
  return sql.entities(
    AvatarEntity,
    `UPDATE avatars SET check_at = now() + $2 * interval '1 ms' WHERE ${due} RETURNING *`,
    [limit, intervalMs],
  );
}

/** Whether the avatar still is stored with these bytes; if so, {@link claimChecks} returns it next. */
export async function requestCheck(sql: Sql, { id, mediaToken }: AvatarBytes): Promise<boolean> {
  const stored = await sql.rows(
    `UPDATE avatars SET check_at = now()
      WHERE id = $1 AND status = 'STORED' AND media_token IS NOT DISTINCT FROM $2 RETURNING id`,
    [id, mediaToken],
  );
  return stored.length > 0;
}

/**
 * Marks the bytes of a stored avatar as damaged.
 * @returns whether they are fetched again; null if they were marked before, replaced or deleted
 */
export async function markDamaged(sql: Sql, { id, mediaToken }: AvatarBytes): Promise<boolean | null> {
  const [marked] = await sql.rows<{ isRepaired: boolean }>(
    `UPDATE avatars SET damaged_at = now(), tries = 0, source_url = NULL, source_url_at = created_at,
            due_at = CASE WHEN expires_at > now() THEN now() END
      WHERE id = $1 AND status = 'STORED' AND damaged_at IS NULL AND media_token IS NOT DISTINCT FROM $2
     RETURNING due_at IS NOT NULL AS "isRepaired"`,
    [id, mediaToken],
  );
  return marked?.isRepaired ?? null;
}

/** Marks the bytes as intact, also after a restore. The interval of checks grows with the avatar's age. */
export async function markIntact(
  sql: Sql,
  { id, mediaToken }: AvatarBytes,
  { minMs, maxMs }: { minMs: number; maxMs: number },
): Promise<void> {
  await sql.rows(
    `UPDATE avatars SET damaged_at = NULL, due_at = NULL, lease = NULL, source_url = NULL,
            check_at = now() + least(greatest(now() - created_at, $3 * interval '1 ms'), $4 * interval '1 ms')
      WHERE id = $1 AND status = 'STORED' AND media_token IS NOT DISTINCT FROM $2`,
    [id, mediaToken, minMs, maxMs],
  );
}

/** Stores the hash of a regenerated preview; returns whether the avatar still has these bytes. */
export async function replacePreview(
  sql: Sql,
  { id, mediaToken }: AvatarBytes,
  sha256: string,
): Promise<boolean> {
  const known = await sql.rows(
    'UPDATE avatars SET preview_sha256 = $3 WHERE id = $1 AND media_token IS NOT DISTINCT FROM $2 RETURNING id',
    [id, mediaToken, sha256],
  );
  return known.length > 0;
}

/** Stores the ThumbHash of an avatar that has none. */
export async function storeThumbhash(
  sql: Sql,
  { id, mediaToken }: AvatarBytes,
  thumbhash: string,
): Promise<void> {
  await sql.rows(
    'UPDATE avatars SET thumbhash = $3 WHERE id = $1 AND media_token IS NOT DISTINCT FROM $2 AND thumbhash IS NULL',
    [id, mediaToken, thumbhash],
  );
}
