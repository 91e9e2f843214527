import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { toGlobalId } from '../core/ids';
import { levelOf } from '../core/outage';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import { readObject } from '../storage/media-store';
import {
  claimChecks,
  markDamaged,
  markIntact,
  replacePreview,
  storeThumbhash,
} from './avatar-check.repository';
import type { AvatarWorkDeps } from './avatar-fetch.work';
import { type AvatarEntity, avatarKey, previewKey } from './avatar.entity';

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
  /**
   * @param intervalMs - the maximum time between two checks of a picture
   * @param onDamaged - counts a picture whose bytes are missing or changed
   */
  constructor(
    private readonly deps: Pick<AvatarWorkDeps, 'database' | 'media' | 'imageProcessor' | 'logger'>,
    private readonly intervalMs: number,
    private readonly onDamaged: () => void,
    /** Rejects unless the store is that of the database: all pictures are missing in others. */
    private readonly requireStore: () => Promise<void>,
  ) {}

  /**
   * Checks due pictures sequentially.
   * @returns the number of checked pictures; if it equals `limit`, more may be due
   * @throws Error unless the store is that of the database
   */
  async processBatch(limit: number, signal: AbortSignal): Promise<number> {
    await this.requireStore();
    const avatars = await claimChecks(this.deps.database, limit, minIntervalMs);
    for (const avatar of avatars) {
      if (signal.aborted) break;
      await this.check(avatar);
    }
    return avatars.length;
  }

  private async check(avatar: AvatarEntity): Promise<void> {
    const found = await this.hashOf(avatarKey(avatar));
    if (found !== avatar.sha256) {
      // Another store may have become that of the database while the process was suspended.
      await this.requireStore();
      await this.markDamaged(avatar, found === null ? 'missing' : 'changed');
      return;
    }
    await markIntact(this.deps.database, avatar, { minMs: minIntervalMs, maxMs: this.intervalMs });
    try {
      await this.checkPreview(avatar);
    } catch (error) {
      this.deps.logger[levelOf(error, 'warn')](
        { err: error, avatarId: toGlobalId('Avatar', avatar.id) },
        'a preview could not be checked',
      );
    }
  }

  private async markDamaged(avatar: AvatarEntity, problem: 'missing' | 'changed'): Promise<void> {
    const isRepaired = await markDamaged(this.deps.database, avatar);
    if (isRepaired === null) return;
    this.onDamaged();
    this.deps.logger.error(
      {
        avatarId: toGlobalId('Avatar', avatar.id),
        generationId: toGlobalId('Generation', avatar.generationId),
        problem,
      },
      isRepaired
        ? 'a stored picture is damaged; it is fetched again'
        : 'a stored picture is damaged and cannot be fetched again; restore its file from a backup',
    );
  }

  /** Replaces a damaged preview and a missing ThumbHash: both can be regenerated from the picture. */
  private async checkPreview(avatar: AvatarEntity): Promise<void> {
    const { database, logger, media, imageProcessor } = this.deps;
    const found = await this.hashOf(previewKey(avatar));
    const isIntact = found !== null && (avatar.previewSha256 === null || avatar.previewSha256 === found);
    if (isIntact && avatar.thumbhash !== null) return;
    const picture = await media.open(avatarKey(avatar));
    if (!picture) return;
    const verified = imageProcessor.verify(() => readObject(picture), avatar.owner);
    // It is not read if too many pictures wait.
    const { preview, thumbhash } = await verified.finally(() => picture.stream.destroy());
    await storeThumbhash(database, avatar, thumbhash);
    if (isIntact) return;
    const { sha256 } = await media.put(previewKey(avatar), Readable.from([preview]), preview.length);
    if (!(await replacePreview(database, avatar, sha256)))
      await scheduleDeletion(database, [previewKey(avatar)]);
    logger.warn({ avatarId: toGlobalId('Avatar', avatar.id) }, 'a damaged preview was regenerated');
  }

  private async hashOf(key: string): Promise<string | null> {
    const object = await this.deps.media.open(key);
    if (!object) return null;
    const hash = createHash('sha256');
    for await (const chunk of object.stream as AsyncIterable<Buffer>) hash.update(chunk);
    return hash.digest('hex');
  }
}
