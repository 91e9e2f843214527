import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { backoffMs, pause } from '../core/clock';
import { failpoint } from '../core/failpoint';
import { LeasedRows, type Claimed } from '../core/leased-rows';
import type { Logger } from '../core/logger';
import { OwnerShares } from '../core/owner-shares';
import type { Transactions } from '../core/sql';
import { emptyBatch, type StartedBatch } from '../core/started-batch';
import { PictureProblem } from '../images/image-problem';
import type { ImageProcessor } from '../images/image-processor';
import { ObjectTooLargeError, readObject, type MediaStore } from '../storage/media-store';
import { DownloadError } from '../upstream/download';
import type { Downloads } from '../upstream/downloads';
import { SlowHosts } from '../upstream/slow-hosts';
import { avatarKey, newMediaToken, previewKey } from './avatar-keys';
import type { AvatarEntity, ResultFailure } from './avatar.entity';
import type { Attempt, AvatarStore, StoredPicture } from './avatar.store';
import type { ResultUrls, UrlAnswer } from './result-urls';

/** Counters of what an operator must know about pictures. */
export interface ResultCounters {
  /** A picture that is not stored yet has less than a quarter of its time left. */
  late: () => void;
  /** Fetching a picture has failed for so long that its generation no longer waits for it. */
  delayed: () => void;
  lost: () => void;
}

/** Dependencies of {@link AvatarWork}. */
export interface AvatarWorkDeps {
  database: Transactions;
  store: AvatarStore;
  media: MediaStore;
  workshop: ImageProcessor;
  downloads: Pick<Downloads, 'result'>;
  urls: Pick<ResultUrls, 'refresh'>;
  logger: Logger;
  leaseMs: number;
  maxBytes: number;
  downloadTimeoutMs: number;
  /** How long the upstream keeps a result, in milliseconds. */
  resultTtlMs: number;
  count: ResultCounters;
}

/** Pictures that one process fetches at once: those that have not failed, and those that have. */
const maxFetches = 24;
const maxRetries = 8;
/** A host that takes longer for a picture than `slowMs`, its storing included, gets this share. */
const slowHosts = { slowMs: 20_000, maxDownloads: 4 };
/** The wait before a picture of such a host is looked at again, in milliseconds. */
const deferredMs = 3_000;
const deferredSlotMs = 1_000;
const firstRetryMs = 1_000;
/** The longest wait between two tries, as a share of the time that the upstream keeps a result: 15 minutes of 48 hours. */
const maxRetryShare = 1 / 192;
/** What file hosts answer for a picture that they do not have, or whose URL has ended. */
const goneStatuses: ReadonlySet<number> = new Set([403, 404, 410]);
/** From this many failures of any other kind on, a fresh URL is asked for too. */
const triesBeforeFreshUrl = 2;

/** A claimed picture, and the database's time of the claim. */
type ClaimedAvatar = Claimed<AvatarEntity>;

/** Pictures that are to be fetched; what expires first comes first. */
const dueAvatars = { table: 'avatars', order: 'expires_at' } as const;

/** Where rows are claimed, and how many at once. */
interface ClaimSource {
  rows: LeasedRows<ClaimedAvatar>;
  slots: OwnerShares;
}

/**
 * Fetches finished pictures before the upstream deletes them. Each try writes its bytes under names of its own, which
 * the row takes over in the transaction that checks the lease: a worker that was suspended for longer than its lease
 * can neither replace stored bytes nor have its own shown.
 *
 * A try that fails is followed by another, after growing intervals, until the picture's time upstream is over and a
 * fresh URL has failed too.
 */
export class AvatarWork {
  private readonly fresh: ClaimSource;
  private readonly failing: ClaimSource;
  private readonly hosts = new SlowHosts(slowHosts);

  constructor(private readonly deps: AvatarWorkDeps) {
    const source = (rows: string, slots: number): ClaimSource => ({
      rows: new LeasedRows(deps.database, { ...dueAvatars, rows: `due_at IS NOT NULL AND ${rows}` }, deps),
      slots: new OwnerShares(slots),
    });
    this.fresh = source('failing_since IS NULL', maxFetches);
    this.failing = source('failing_since IS NOT NULL', maxRetries);
  }

  /** Starts to fetch what is due and has not failed yet, owners in turn. */
  async processBatch(signal: AbortSignal): Promise<StartedBatch> {
    return this.start(this.fresh, signal);
  }

  /** The same for what has failed before: in slots of its own, so that it does not hold up the rest. */
  async processRetryBatch(signal: AbortSignal): Promise<StartedBatch> {
    return this.start(this.failing, signal);
  }

  private async start({ rows, slots }: ClaimSource, signal: AbortSignal): Promise<StartedBatch> {
    await slots.whenFree(signal);
    if (signal.aborted) return emptyBatch;
    return rows.start(slots, {}, async (row) => {
      const end = this.hosts.begin(row.owner, row.sourceUrl ?? '');
      if (end) return this.fetch(row, signal).finally(end);
      await rows.release(row, deferredMs);
      // Its slot is kept for a while: otherwise claims would go through all of the owner's pictures at once.
      return pause(deferredSlotMs, signal);
    });
  }

  private async fetch(row: ClaimedAvatar, signal: AbortSignal): Promise<void> {
    const logger = this.deps.logger.child({ generationId: row.generationId, avatarId: row.id });
    if (isLate(row)) {
      logger.warn(
        { expiresAt: row.expiresAt },
        'a finished picture is not stored yet and has less than a quarter of its time left',
      );
      this.deps.count.late();
    }
    const attempt: Attempt = { row, token: null };
    try {
      await this.store(attempt, signal);
    } catch (error) {
      await this.handle(attempt, { error, signal, logger });
    }
  }

  private async store(attempt: Attempt, signal: AbortSignal): Promise<void> {
    const { row } = attempt;
    const { downloads, maxBytes, store } = this.deps;
    // A damaged picture's URL was forgotten when it was stored.
    if (row.sourceUrl === null) throw new DownloadError('UNREACHABLE', 'The picture has no URL yet.', 404);
    const answer = await downloads.result(row.sourceUrl, {
      maxBytes,
      timeoutMs: this.deps.downloadTimeoutMs,
      signal,
    });
    await failpoint('result:fetched');
    const token = newMediaToken();
    if (!(await store.begin(attempt, token))) {
      await discardBody(answer.bytes);
      return;
    }
    attempt.token = token;
    const picture = await this.write({ id: row.id, mediaToken: token }, answer.bytes);
    await failpoint('result:stored');
    await store.markStored(attempt, picture);
    await failpoint('result:shown');
  }

  /** Stores a picture and its preview under names that no row shows yet. */
  private async write(
    names: Pick<AvatarEntity, 'id' | 'mediaToken'>,
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<StoredPicture> {
    const { media, workshop, maxBytes } = this.deps;
    const received = await media.put(avatarKey(names), bytes, maxBytes);
    await failpoint('result:written');
    const object = await media.open(avatarKey(names));
    const kept = object && (await readObject(object));
    if (!kept || sha256Of(kept) !== received.sha256)
      throw new Error('The store gave back other bytes than it was given.');
    const picture = await workshop.verify(kept);
    // What was delivered with metadata, or anything after the picture, is kept without.
    const stored =
      picture.clean === null
        ? received
        : await media.put(avatarKey(names), Readable.from([picture.clean]), picture.clean.length);
    const preview = await media.put(
      previewKey(names),
      Readable.from([picture.preview]),
      picture.preview.length,
    );
    return {
      ...stored,
      width: picture.width,
      height: picture.height,
      contentType: picture.contentType,
      placeholder: picture.placeholder,
      previewSha256: preview.sha256,
    };
  }

  private async handle(attempt: Attempt, failed: FailedFetch): Promise<void> {
    try {
      if (failed.signal.aborted) await this.deps.store.release(attempt);
      else await this.conclude(attempt, failed);
    } catch (error) {
      failed.logger.warn(
        { err: error },
        'a finished picture could not be stored; it is taken up again when its lease ends',
      );
    }
  }

  private async conclude(attempt: Attempt, failed: FailedFetch): Promise<void> {
    const row = attempt.row as ClaimedAvatar;
    const code = failureOf(failed.error);
    if (code !== null) {
      const answer = needsFreshUrl(row, failed.error) ? await this.deps.urls.refresh(row) : null;
      if (this.isOver(row, answer)) {
        await this.markLost(attempt, code, failed);
        return;
      }
    }
    // A fault of ours is no reason to stop waiting for a picture, while there is time.
    await this.retryLater(attempt, code ?? (isExpired(row) ? 'RESULT_UNREACHABLE' : null), failed);
  }

  private async retryLater(
    attempt: Attempt,
    code: ResultFailure | null,
    { error, logger }: FailedFetch,
  ): Promise<void> {
    const { count, resultTtlMs, store } = this.deps;
    const tries = attempt.row.tries + 1;
    const message = error instanceof Error ? error.message : 'unknown';
    const retryInMs = backoffMs(tries, firstRetryMs, Math.max(firstRetryMs, resultTtlMs * maxRetryShare));
    const status = await store.markFailed(attempt, { code, message, retryInMs });
    if (status === 'DELAYED' && attempt.row.status === 'PENDING') {
      count.delayed();
      logger.error(
        { err: error, tries },
        'a finished picture cannot be fetched; its generation no longer waits for it, and it is tried until its time is over',
      );
    } else {
      logger.warn({ err: error, tries }, 'a finished picture could not be stored yet; it is tried again');
    }
  }

  /** Whether the picture cannot come any more: its time is over, and a fresh URL has failed or cannot be had. */
  private isOver(row: ClaimedAvatar, answer: UrlAnswer | null): boolean {
    if (!isExpired(row)) return false;
    const lateMs = row.claimedAt.getTime() - row.expiresAt!.getTime();
    const isUrlFresh = row.sourceUrl !== null && row.sourceUrlAt >= row.expiresAt!;
    // An upstream that answers nothing for as long again is not waited for.
    return isUrlFresh || answer === 'gone' || lateMs >= this.deps.resultTtlMs;
  }

  private async markLost(
    attempt: Attempt,
    code: ResultFailure,
    { error, logger }: FailedFetch,
  ): Promise<void> {
    const loss = code === 'RESULT_UNUSABLE' ? code : 'RESULT_EXPIRED';
    logger.error({ err: error, loss }, 'a finished picture is lost');
    this.deps.count.lost();
    await this.deps.store.markLost(attempt, loss);
  }
}

/** Why a try ended, and under what circumstances. */
interface FailedFetch {
  error: unknown;
  signal: AbortSignal;
  logger: Logger;
}

function isLate({ claimedAt, createdAt, expiresAt, damagedAt }: ClaimedAvatar): boolean {
  if (expiresAt === null || damagedAt !== null) return false;
  return expiresAt.getTime() - claimedAt.getTime() < (expiresAt.getTime() - createdAt.getTime()) / 4;
}

/** What a failed try says of the picture; null if the fault is ours: the store, the database, or too much to do. */
function failureOf(error: unknown): ResultFailure | null {
  if (error instanceof PictureProblem || error instanceof ObjectTooLargeError) return 'RESULT_UNUSABLE';
  if (!(error instanceof DownloadError)) return null;
  return error.kind === 'TOO_LARGE' ? 'RESULT_UNUSABLE' : 'RESULT_UNREACHABLE';
}

function needsFreshUrl(row: ClaimedAvatar, error: unknown): boolean {
  return isExpired(row) || row.tries >= triesBeforeFreshUrl || isGone(error);
}

function isExpired({ claimedAt, expiresAt }: ClaimedAvatar): boolean {
  return expiresAt !== null && expiresAt <= claimedAt;
}

/** The URL itself is the problem: it has ended, leads elsewhere, or cannot be used. */
function isGone(error: unknown): boolean {
  if (!(error instanceof DownloadError)) return false;
  const { kind, status = 0 } = error;
  return kind === 'REFUSED_ADDRESS' || goneStatuses.has(status) || (status >= 300 && status < 400);
}

/** Closes the connection of an answer that is not read. */
async function discardBody(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of bytes) return;
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
