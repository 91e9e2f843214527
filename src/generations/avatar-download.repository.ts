import { isBeingErased } from '../accounts/write-admission.repository';
import type { Sql } from '../core/sql';

/** How long a download may continue after its URL has expired, in milliseconds. */
const maxServeMs = 86_400_000;

/** The avatars of a download. */
export interface AvatarDownload {
  readonly id: string;
  readonly owner: string;
  readonly avatarIds: readonly string[];
}

/** Records a download URL; returns when it expires. */
export async function insertDownload(sql: Sql, download: AvatarDownload, validMs: number): Promise<Date> {
  const [inserted] = await sql.rows<{ expiresAt: Date }>(
    `INSERT INTO avatar_downloads (id, owner, avatar_ids, expires_at)
     VALUES ($1, $2, $3, now() + $4 * interval '1 ms') RETURNING expires_at AS "expiresAt"`,
    [download.id, download.owner, download.avatarIds, validMs],
  );
  return inserted!.expiresAt;
}

/** The number of valid download URLs of an owner, and the seconds until the first of them expires. */
export async function countDownloads(sql: Sql, owner: string): Promise<{ count: number; seconds: number }> {
  const [downloads] = await sql.rows<{ count: number; seconds: number }>(
    `SELECT count(*)::integer AS count, ceil(extract(epoch FROM min(expires_at) - now()))::integer AS seconds
       FROM avatar_downloads WHERE owner = $1 AND expires_at > now()`,
    [owner],
  );
  return downloads!;
}

/** The download of a valid URL. */
export async function findDownload(sql: Sql, id: string): Promise<AvatarDownload | null> {
  const [download] = await sql.rows<AvatarDownload>(
    `SELECT id, owner, avatar_ids AS "avatarIds" FROM avatar_downloads
      WHERE id::text = $1 AND expires_at > now() AND NOT ${isBeingErased('avatar_downloads.owner')}`,
    [id],
  );
  return download ?? null;
}

/** Whether the owner's data are kept. Does not check the expiry of the URL, since a download may outlast it. */
export async function isDownloadKept(sql: Sql, id: string): Promise<boolean> {
  const rows = await sql.rows(
    `SELECT id FROM avatar_downloads WHERE id = $1 AND NOT ${isBeingErased('avatar_downloads.owner')}`,
    [id],
  );
  return rows.length > 0;
}

/** Deletes the owner's download URLs, which ends downloads. */
export async function deleteDownloads(sql: Sql, owner: string): Promise<void> {
  await sql.rows('DELETE FROM avatar_downloads WHERE owner = $1', [owner]);
}

/**
 * Deletes download URLs that expired a day ago, when their downloads have ended.
 * @returns the number of deleted rows, at most 1,000 per call
 */
export async function pruneDownloads(sql: Sql): Promise<number> {
  const gone = await sql.rows(
    `DELETE FROM avatar_downloads
      WHERE id IN (SELECT id FROM avatar_downloads WHERE expires_at < now() - $1 * interval '1 ms' LIMIT 1000)
     RETURNING id`,
    [maxServeMs],
  );
  return gone.length;
}
