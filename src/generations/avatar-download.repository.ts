import { ArchiveOffers, archiveUrlMs } from '../accounts/archive-offers.repository';
import type { Sql } from '../core/sql';

/** The download URLs of avatars. */
export const downloadOffers = new ArchiveOffers('avatar_downloads', ' of avatars');

/** The avatars of a download. */
export interface AvatarDownload {
  readonly id: string;
  readonly owner: string;
  readonly avatarIds: readonly string[];
  /** The name of the variant of the pictures. */
  readonly variant: string;
}

/** Records a download URL; returns when it expires. */
export async function insertDownload(sql: Sql, download: AvatarDownload): Promise<Date> {
  const [inserted] = await sql.rows<{ expiresAt: Date }>(
    `INSERT INTO avatar_downloads (id, owner, avatar_ids, variant, expires_at)
     VALUES ($1, $2, $3, $4, now() + $5 * interval '1 ms') RETURNING expires_at AS "expiresAt"`,
    [download.id, download.owner, download.avatarIds, download.variant, archiveUrlMs],
  );
  return inserted!.expiresAt;
}

/** The download of a valid URL. */
export async function findDownload(sql: Sql, id: string): Promise<AvatarDownload | null> {
  const [download] = await sql.rows<AvatarDownload>(
    `SELECT id, owner, avatar_ids AS "avatarIds", variant FROM avatar_downloads
      WHERE id::text = $1 AND ${downloadOffers.isValid}`,
    [id],
  );
  return download ?? null;
}
