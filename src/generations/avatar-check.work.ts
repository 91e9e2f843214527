import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Logger } from '../core/logger';
import { camelRow, type Transactions } from '../core/sql';
import type { ImageProcessor } from '../images/image-processor';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import { readObject, type MediaStore } from '../storage/media-store';
import { avatarKey, previewKey } from './avatar-keys';
import type { AvatarEntity } from './avatar.entity';

export interface AvatarCheckDeps {
  database: Transactions;
  media: MediaStore;
  imageProcessor: Pick<ImageProcessor, 'verify'>;
  logger: Logger;
  /** The maximum time between two checks of a picture, in milliseconds. */
  intervalMs: number;
  /** Counts a picture whose bytes are missing or changed. */
  onDamaged: () => void;
}

/**
 * The minimum time between two checks, in milliseconds. It grows with a picture's age; damaged ones keep the
 * minimum.
 */
const minIntervalMs = 3_600_000;

/**
 * Compares stored pictures with the hashes of their rows. Damaged pictures are not served; they are fetched again
 * if the upstream may still have them, and otherwise wait for a restore from a backup. Damaged previews are
 * regenerated.
 */
export class AvatarCheckWork {
  constructor(private readonly deps: AvatarCheckDeps) {}

  /**
   * Checks due pictures sequentially.
   * @returns the number of checked pictures; if it equals `limit`, more may be due
   */
  async processBatch(limit: number, signal: AbortSignal): Promise<number> {
    const rows = await this.deps.database.rows<Record<string, unknown>>(
      `UPDATE avatars SET check_at = now() + $2 * interval '1 ms'
        WHERE id IN (SELECT id FROM avatars WHERE status = 'STORED' AND check_at <= now()
                      ORDER BY check_at LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING *`,
      [limit, minIntervalMs],
    );
    for (const row of rows) {
      if (signal.aborted) break;
      await this.check(camelRow<AvatarEntity>(row));
    }
    return rows.length;
  }

  private async check(avatar: AvatarEntity): Promise<void> {
    const found = await this.hashOf(avatarKey(avatar));
    if (found !== avatar.sha256) {
      await this.markDamaged(avatar, found === null ? 'missing' : 'changed');
      return;
    }
    await this.checkPreview(avatar);
    await this.markSound(avatar);
  }

  private async markDamaged(avatar: AvatarEntity, problem: 'missing' | 'changed'): Promise<void> {
    const [marked] = await this.deps.database.rows<{ is_repaired: boolean }>(
      `UPDATE avatars SET damaged_at = now(), tries = 0, source_url = NULL, source_url_at = created_at,
              due_at = CASE WHEN expires_at > now() THEN now() END
        WHERE id = $1 AND status = 'STORED' AND damaged_at IS NULL AND media_token IS NOT DISTINCT FROM $2
       RETURNING due_at IS NOT NULL AS is_repaired`,
      [avatar.id, avatar.mediaToken],
    );
    if (!marked) return;
    this.deps.onDamaged();
    this.deps.logger.error(
      { avatarId: avatar.id, generationId: avatar.generationId, problem },
      marked.is_repaired
        ? 'a stored picture is damaged; it is fetched again'
        : 'a stored picture is damaged and cannot be fetched again; restore its file from a backup',
    );
  }

  /** Marks the bytes as intact, also after a restore. */
  private async markSound({ id, mediaToken }: AvatarEntity): Promise<void> {
    await this.deps.database.rows(
      `UPDATE avatars SET damaged_at = NULL, due_at = NULL, lease = NULL, source_url = NULL,
              check_at = now() + least(greatest(now() - created_at, $3 * interval '1 ms'), $4 * interval '1 ms')
        WHERE id = $1 AND status = 'STORED' AND media_token IS NOT DISTINCT FROM $2`,
      [id, mediaToken, minIntervalMs, this.deps.intervalMs],
    );
  }

  /** Replaces a damaged preview: previews can be regenerated from their pictures. */
  private async checkPreview(avatar: AvatarEntity): Promise<void> {
    const { database, logger, media, imageProcessor } = this.deps;
    const found = await this.hashOf(previewKey(avatar));
    if (found !== null && (avatar.previewSha256 === null || avatar.previewSha256 === found)) return;
    const picture = await media.open(avatarKey(avatar));
    if (!picture) return;
    const { preview } = await imageProcessor.verify(await readObject(picture));
    const { sha256 } = await media.put(previewKey(avatar), Readable.from([preview]), preview.length);
    const known = await database.rows(
      'UPDATE avatars SET preview_sha256 = $3 WHERE id = $1 AND media_token IS NOT DISTINCT FROM $2 RETURNING id',
      [avatar.id, avatar.mediaToken, sha256],
    );
    if (known.length === 0) await scheduleDeletion(database, [previewKey(avatar)]);
    logger.warn({ avatarId: avatar.id }, 'a damaged preview was regenerated');
  }

  private async hashOf(key: string): Promise<string | null> {
    const object = await this.deps.media.open(key);
    if (!object) return null;
    const hash = createHash('sha256');
    for await (const chunk of object.stream as AsyncIterable<Buffer>) hash.update(chunk);
    return hash.digest('hex');
  }
}
