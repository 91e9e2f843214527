import { backoffMs, pause } from '../core/clock';
import { failpoint } from '../core/failpoint';
import { LeasedRows, type Claimed } from '../core/leased-rows';
import type { Logger } from '../core/logger';
import { OwnerShares } from '../core/owner-shares';
import { emptyPass, type Pass } from '../core/pass';
import { camelRow, type Sql, type Transactions } from '../core/sql';
import { appendEvents } from '../events/event-log';
import { PictureProblem } from '../photos/picture-problem';
import type { PictureWorkshop } from '../photos/picture-workshop';
import { doom } from '../storage/media-deletion';
import { ObjectTooLargeError, type MediaStore, type StoredObject } from '../storage/media-store';
import { DownloadError } from '../upstream/download';
import type { Downloads } from '../upstream/downloads';
import { SlowHosts } from '../upstream/slow-hosts';
import { avatarKey, avatarKeys, previewKey } from './avatar-keys';
import type { AvatarEntity } from './avatar.entity';
import type { Closing } from './closing';
import { avatarPayload } from './generation.line';

/** What the storing of pictures is made of. */
export interface AvatarWorkParts {
  database: Transactions;
  media: MediaStore;
  workshop: PictureWorkshop;
  downloads: Pick<Downloads, 'result'>;
  closing: Closing;
  logger: Logger;
  leaseMs: number;
  maxBytes: number;
  /** Asks the upstream once more where a picture is; null if it does not say. */
  freshUrl: (row: AvatarEntity) => Promise<string | null>;
  /** Told when a picture that is not stored yet has less than a quarter of its time left. */
  onLate: () => void;
}

/** Pictures that one process fetches at once. */
const maxFetches = 24;
/** A host that takes longer for a picture than `slowMs`, its storing included, gets this share. */
const slowHosts = { slowMs: 20_000, maxDownloads: 4 };
/** The wait before a picture of such a host is looked at again, in milliseconds. */
const deferredMs = 3_000;
const deferredSlotMs = 1_000;
const downloadMs = 60_000;
const firstRetryMs = 1_000;
const longestRetryMs = 120_000;
/** What upstreams answer for a picture that they have deleted, or whose URL has ended. */
const goneStatuses: ReadonlySet<number> = new Set([403, 404, 410]);
/** Such a picture, or one whose URL leads elsewhere, is asked for this often before a new URL is asked for. */
const goneTries = 3;

/** How a picture that could not be had ended. */
type Loss = 'RESULT_EXPIRED' | 'RESULT_UNUSABLE';

/** A claimed picture; the shares of its time as the database saw them. */
type ClaimedAvatar = Claimed<AvatarEntity & { isExpired: boolean; isLate: boolean }>;

/** Pictures that are not stored yet. */
const pendingAvatars = {
  table: 'avatars',
  rows: 'due_at IS NOT NULL',
  order: 'expires_at',
  returning:
    'expires_at <= now() AS is_expired, expires_at - now() < (expires_at - created_at) / 4 AS is_late',
} as const;

/**
 * Fetches finished pictures before the upstream deletes them, those first that expire first. The bytes are durable
 * under the avatar's own key before its row says so; a crash in between fetches the same picture to the same place
 * again.
 */
export class AvatarWork {
  private readonly rows: LeasedRows<ClaimedAvatar>;
  private readonly slots = new OwnerShares(maxFetches);
  private readonly hosts = new SlowHosts(slowHosts);

  constructor(private readonly parts: AvatarWorkParts) {
    this.rows = new LeasedRows(parts.database, pendingAvatars, parts);
  }

  /** Starts to fetch what is due, owners in turn. */
  async pass(signal: AbortSignal): Promise<Pass> {
    await this.slots.whenFree(signal);
    if (signal.aborted) return emptyPass;
    return this.rows.start(this.slots, {}, async (row) => {
      const end = this.hosts.begin(row.owner, row.sourceUrl!);
      if (end) return this.fetch(row, signal).finally(end);
      await this.rows.release(row, deferredMs);
      // Its slot is kept for a while: otherwise claims would go through all of the owner's pictures at once.
      return pause(deferredSlotMs, signal);
    });
  }

  private async fetch(row: ClaimedAvatar, signal: AbortSignal): Promise<void> {
    const logger = this.parts.logger.child({ generationId: row.generationId, avatarId: row.id });
    if (row.isLate) {
      logger.warn(
        { expiresAt: row.expiresAt },
        'a finished picture is not stored yet and has less than a quarter of its time left',
      );
      this.parts.onLate();
    }
    try {
      if (row.isExpired) await this.lose(row, 'RESULT_EXPIRED', 'its time upstream is over');
      else await this.store(row, signal);
    } catch (error) {
      await this.handle(row, error, logger);
    }
  }

  private async store(row: AvatarEntity, signal: AbortSignal): Promise<void> {
    const { downloads, media, workshop, maxBytes } = this.parts;
    const answer = await downloads.result(row.sourceUrl!, { maxBytes, timeoutMs: downloadMs, signal });
    await failpoint('result:fetched');
    const spooled = await media.put(avatarKey(row.id), answer.bytes, maxBytes);
    const picture = await workshop.verify(await this.read(avatarKey(row.id), spooled.byteSize));
    // What was delivered with metadata, or anything after the picture, is kept without.
    const stored =
      picture.clean === null
        ? spooled
        : await media.put(avatarKey(row.id), once(picture.clean), picture.clean.length);
    await media.put(previewKey(row.id), once(picture.preview), picture.preview.length);
    await failpoint('result:stored');
    await this.show(row, {
      ...stored,
      width: picture.width,
      height: picture.height,
      contentType: picture.contentType,
      placeholder: picture.placeholder,
    });
    await failpoint('result:shown');
  }

  private async read(key: string, byteSize: number): Promise<Buffer> {
    const object = await this.parts.media.open(key);
    if (!object) throw new Error('A picture vanished from the store while it was being checked.');
    const bytes = Buffer.allocUnsafe(byteSize);
    let filled = 0;
    for await (const chunk of object.stream as AsyncIterable<Buffer>) filled += chunk.copy(bytes, filled);
    return bytes.subarray(0, filled);
  }

  /** The bytes are durable: now the row says so, and subscribers hear it. */
  private async show(
    row: AvatarEntity,
    picture: StoredObject & Pick<AvatarEntity, 'width' | 'height' | 'contentType' | 'placeholder'>,
  ): Promise<void> {
    const { database, closing } = this.parts;
    const isShown = await database.transaction(async (sql) => {
      // The generation's row first, always: of two that store the last two pictures, one must see the other's.
      await closing.lock(sql, row.generationId);
      const [stored] = await sql.rows<Record<string, unknown>>(
        `UPDATE avatars SET status = 'STORED', source_url = NULL, due_at = NULL, lease = NULL, last_error = NULL,
                width = $3, height = $4, byte_size = $5, content_type = $6, sha256 = $7, placeholder = $8
          WHERE id = $1 AND lease = $2 AND status = 'PENDING' RETURNING *`,
        [
          row.id,
          row.lease,
          picture.width,
          picture.height,
          picture.byteSize,
          picture.contentType,
          picture.sha256,
          picture.placeholder,
        ],
      );
      if (!stored) return this.doomUnwanted(sql, row);
      const avatar = camelRow<AvatarEntity>(stored);
      await appendEvents(sql, [
        {
          streamId: row.modelId ?? row.generationId,
          kind: 'AVATAR',
          subjectId: row.id,
          generationId: row.generationId,
          payload: avatarPayload(avatar),
        },
      ]);
      await closing.advance(sql, row.generationId);
      return true;
    });
    if (isShown) closing.wake(row);
  }

  /** Somebody deleted the row, or cancelled its generation, while its bytes were being stored. */
  private async doomUnwanted(sql: Sql, row: AvatarEntity): Promise<boolean> {
    const rows = await sql.rows('SELECT id FROM avatars WHERE id = $1', [row.id]);
    if (rows.length === 0) await doom(sql, avatarKeys(row.id));
    return false;
  }

  private async handle(row: AvatarEntity, error: unknown, logger: Logger): Promise<void> {
    try {
      if (isUnusable(error)) await this.lose(row, 'RESULT_UNUSABLE', error.message);
      else if (isGone(error) && row.tries + 1 >= goneTries) await this.searchAnew(row, error);
      else {
        logger.warn(
          { err: error, tries: row.tries + 1 },
          'a finished picture could not be stored yet; it is tried again',
        );
        await this.retry(row, error);
      }
    } catch (failed) {
      logger.warn(
        { err: failed },
        'a finished picture could not be stored; it is taken up again when its lease ends',
      );
    }
  }

  /** The URL no longer works, though its time is not over: the upstream may have another one. */
  private async searchAnew(row: AvatarEntity, error: DownloadError): Promise<void> {
    const url = row.tries + 1 === goneTries ? await this.parts.freshUrl(row) : null;
    if (url === null || url === row.sourceUrl) {
      return this.lose(row, isRedirect(error) ? 'RESULT_UNUSABLE' : 'RESULT_EXPIRED', error.message);
    }
    await this.parts.database.rows(
      `UPDATE avatars SET source_url = $3 WHERE id = $1 AND lease = $2 AND status = 'PENDING'`,
      [row.id, row.lease, url],
    );
    await this.retry(row, error);
  }

  private async retry(row: AvatarEntity, error: unknown): Promise<void> {
    await this.parts.database.rows(
      `UPDATE avatars SET tries = tries + 1, lease = NULL, last_error = $3,
              due_at = least(now() + $4 * interval '1 ms', greatest(expires_at, now()))
        WHERE id = $1 AND lease = $2 AND status = 'PENDING'`,
      [
        row.id,
        row.lease,
        error instanceof Error ? error.message.slice(0, 500) : 'unknown',
        backoffMs(row.tries + 1, firstRetryMs, longestRetryMs),
      ],
    );
  }

  /** This picture cannot be had; the others are none the worse for it. */
  private async lose(row: AvatarEntity, loss: Loss, why: string): Promise<void> {
    const { database, closing, logger } = this.parts;
    logger.error(
      { generationId: row.generationId, avatarId: row.id, loss },
      `a finished picture is lost: ${why}`,
    );
    await database.transaction(async (sql) => {
      await closing.lock(sql, row.generationId);
      const lost = await sql.rows(
        `UPDATE avatars SET status = 'LOST', source_url = NULL, due_at = NULL, lease = NULL, last_error = $3
          WHERE id = $1 AND lease = $2 AND status = 'PENDING' RETURNING id`,
        [row.id, row.lease, loss],
      );
      if (lost.length === 0) return;
      await doom(sql, avatarKeys(row.id));
      await closing.advance(sql, row.generationId);
    });
    closing.wake(row);
  }
}

/** What was delivered is no picture, and will not become one. */
function isUnusable(error: unknown): error is Error {
  if (error instanceof PictureProblem || error instanceof ObjectTooLargeError) return true;
  return error instanceof DownloadError && (error.kind === 'TOO_LARGE' || error.kind === 'REFUSED_ADDRESS');
}

function isGone(error: unknown): error is DownloadError {
  return error instanceof DownloadError && (goneStatuses.has(error.status ?? 0) || isRedirect(error));
}

/** No redirect is followed, and one that stays will not become a picture. */
function isRedirect({ status = 0 }: DownloadError): boolean {
  return status >= 300 && status < 400;
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield await Promise.resolve(bytes);
}
