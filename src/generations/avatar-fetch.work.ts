import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { LeasedTable } from '../core/claim-statement';
import { backoffMs } from '../core/clock';
import type { DueQuery } from '../core/due';
import { failpoint } from '../core/failpoint';
import { toGlobalId } from '../core/ids';
import { LeasedRows, emptyBatch, type LeaseOptions, type StartedBatch } from '../core/leased-rows';
import type { Logger } from '../core/logger';
import { levelOf } from '../core/outage';
import { OwnerShares } from '../core/owner-shares';
import type { Transactions } from '../core/sql';
import type { ImageProcessor } from '../images/image-processor';
import { readObject, type MediaStore } from '../storage/media-store';
import { DownloadError } from '../upstream/download';
import { type Downloads, SlowHosts } from '../upstream/downloads';
import {
  downloadOutcomeOf,
  failureOf,
  isExpired,
  isLate,
  isOver,
  needsFreshUrl,
  type ClaimedAvatar,
} from './avatar-failure';
import type { FetchTry, AvatarFetches, StoredPicture } from './avatar-fetch.repository';
import { dueAvatars } from './avatar-source.repository';
import { type AvatarEntity, type AvatarFailure, avatarKey, previewKey } from './avatar.entity';
import { DownloadCall } from './download-call';
import type { ResultUrls } from './result-urls';

/** Counters of pictures, for metrics. */
export interface AvatarCounters {
  /** Counts a picture that is not stored and has less than a quarter of its time left. */
  late: () => void;
  /** Counts a picture whose fetching has failed for so long that its generation no longer waits for it. */
  delayed: () => void;
  lost: () => void;
}

export interface AvatarWorkDeps extends LeaseOptions {
  database: Transactions;
  attempts: AvatarFetches;
  media: MediaStore;
  imageProcessor: ImageProcessor;
  downloads: Pick<Downloads, 'result'>;
  urls: Pick<ResultUrls, 'refresh'>;
  maxBytes: number;
  /** Maximum concurrent fetches, per process, of pictures that have not failed. */
  maxFetches: number;
  downloadTimeoutMs: number;
  /** How long the upstream keeps a result, in milliseconds. */
  resultTtlMs: number;
  count: AvatarCounters;
}

/** Maximum concurrent fetches, per process, of pictures that have failed before. */
const maxRetries = 8;
/** A host that takes longer than `slowMs` for a picture, including its storing, gets at most `maxDownloads`. */
const slowHosts = { slowMs: 20_000, maxDownloads: 4 };
const firstRetryMs = 1_000;
/** The maximum delay between two tries, as a share of the upstream's retention: 15 minutes of 48 hours. */
const maxRetryShare = 1 / 192;
/** A set of rows to claim from, and its slots. */
interface ClaimSource {
  rows: LeasedRows<AvatarEntity>;
  slots: OwnerShares;
}

/**
 * Fetches finished pictures before the upstream deletes them. Each try writes its bytes under its own names, which the
 * row takes over in the transaction that checks the lease: a worker that was suspended for longer than its lease can
 * neither replace stored bytes nor publish its own.
 *
 * Failed tries are repeated at growing intervals until the upstream's retention has ended and a fresh URL has failed
 * too.
 */
export class AvatarWork {
  private readonly fresh: ClaimSource;
  private readonly failing: ClaimSource;
  private readonly hosts = new SlowHosts(slowHosts);

  constructor(private readonly deps: AvatarWorkDeps) {
    const source = (due: LeasedTable<AvatarEntity>, slots: number): ClaimSource => ({
      rows: new LeasedRows(deps.database, due, deps),
      slots: new OwnerShares(slots, deps.weights),
    });
    this.fresh = source(dueAvatars.fresh, deps.maxFetches);
    this.failing = source(dueAvatars.failing, maxRetries);
  }

  /** When the next fetch of {@link processBatch} is due. */
  get due(): DueQuery {
    return this.fresh.rows.due();
  }

  /** When the next fetch of {@link processRetryBatch} is due. */
  get retryDue(): DueQuery {
    return this.failing.rows.due();
  }

  /** Starts fetching due pictures that have not failed yet, round-robin between owners. */
  async processBatch(signal: AbortSignal): Promise<StartedBatch> {
    return this.start(this.fresh, signal);
  }

  /** Starts fetching due pictures that have failed before, in separate slots, so that they do not delay the others. */
  async processRetryBatch(signal: AbortSignal): Promise<StartedBatch> {
    return this.start(this.failing, signal);
  }

  private async start({ rows, slots }: ClaimSource, signal: AbortSignal): Promise<StartedBatch> {
    await slots.whenFree(signal);
    if (signal.aborted) return emptyBatch;
    return rows.start(slots, {}, (row) => {
      const end = this.hosts.begin(row.owner, row.sourceUrl ?? '');
      if (end) return this.fetch(row, signal).finally(end);
      return rows.defer(row, signal);
    });
  }

  private async fetch(row: ClaimedAvatar, signal: AbortSignal): Promise<void> {
    const logger = this.deps.logger.child({
      generationId: toGlobalId('Generation', row.generationId),
      avatarId: toGlobalId('Avatar', row.id),
    });
    if (isLate(row)) {
      logger.warn(
        { expiresAt: row.expiresAt },
        'a finished picture is not stored yet and has less than a quarter of its time left',
      );
      this.deps.count.late();
    }
    const attempt: FetchTry = { row, token: null, download: null };
    try {
      await this.store(attempt, signal);
    } catch (error) {
      await this.handle(attempt, { error, signal, logger });
    }
  }

  private async store(attempt: FetchTry, signal: AbortSignal): Promise<void> {
    const { row } = attempt;
    const { attempts, downloads, maxBytes } = this.deps;
    // The answer had no usable URL, or the picture is damaged: its URL was removed when it was stored.
    if (row.sourceUrl === null) throw new DownloadError('UNREACHABLE', 'The picture has no URL yet.', 404);
    const call = new DownloadCall();
    attempt.download = call;
    const answer = await downloads.result(row.sourceUrl, {
      maxBytes,
      timeoutMs: this.deps.downloadTimeoutMs,
      signal,
      onAnswer: call.onAnswer,
    });
    await failpoint('result:fetched');
    // Unique, so that no try can replace bytes of another.
    const token = randomBytes(8).toString('hex');
    if (!(await attempts.begin(attempt, token))) {
      await discardBody(answer.bytes);
      return;
    }
    attempt.token = token;
    const picture = await this.write(
      { id: row.id, owner: row.owner, mediaToken: token },
      call.read(answer.bytes),
    );
    await failpoint('result:stored');
    await attempts.markStored(attempt, picture);
    await failpoint('result:shown');
  }

  /** Stores a picture and its preview under names that no row refers to yet. */
  private async write(
    names: Pick<AvatarEntity, 'id' | 'owner' | 'mediaToken'>,
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<StoredPicture> {
    const { media, imageProcessor, maxBytes } = this.deps;
    const received = await media.put(avatarKey(names), bytes, maxBytes);
    await failpoint('result:written');
    const picture = await imageProcessor.verify(() => this.readBack(names, received.sha256), names.owner);
    // Files with metadata or trailing data are stored without them.
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
      thumbhash: picture.thumbhash,
      hasContentCredentials: picture.hasContentCredentials,
      previewSha256: preview.sha256,
    };
  }

  /** What the store keeps; a copy made while writing would only show what was sent. */
  private async readBack(names: Pick<AvatarEntity, 'id' | 'mediaToken'>, sha256: string): Promise<Buffer> {
    const object = await this.deps.media.open(avatarKey(names));
    const kept = object && (await readObject(object));
    if (!kept || sha256Of(kept) !== sha256)
      throw new Error('The media store returned bytes that differ from those written.');
    return kept;
  }

  private async handle(attempt: FetchTry, failed: FailedFetch): Promise<void> {
    try {
      if (failed.signal.aborted) await this.deps.attempts.release(attempt);
      else await this.conclude(attempt, failed);
    } catch (error) {
      failed.logger[levelOf(error, 'warn')](
        { err: error },
        'a finished picture could not be stored; it is retried when its lease ends',
      );
    }
  }

  private async conclude(attempt: FetchTry, failed: FailedFetch): Promise<void> {
    const row = attempt.row as ClaimedAvatar;
    attempt.download?.end();
    const code = failureOf(failed.error);
    if (code !== null) {
      const { signal } = failed;
      const answer = needsFreshUrl(row, failed.error) ? await this.deps.urls.refresh(row, signal) : null;
      if (signal.aborted) return this.deps.attempts.release(attempt);
      if (isOver(row, answer, this.deps.resultTtlMs)) {
        await this.markLost(attempt, code, failed);
        return;
      }
    }
    // A local error is not a reason to stop waiting for a picture before it expires.
    await this.retryLater(attempt, code ?? (isExpired(row) ? 'RESULT_UNREACHABLE' : null), failed);
  }

  private async retryLater(
    attempt: FetchTry,
    code: AvatarFailure | null,
    { error, logger }: FailedFetch,
  ): Promise<void> {
    const { attempts, count, resultTtlMs } = this.deps;
    const tries = attempt.row.tries + 1;
    const message = error instanceof Error ? error.message : 'unknown';
    const retryInMs = backoffMs(tries, firstRetryMs, Math.max(firstRetryMs, resultTtlMs * maxRetryShare));
    const status = await attempts.markFailed(attempt, {
      code,
      message,
      outcome: downloadOutcomeOf(error),
      retryInMs,
    });
    if (status === 'DELAYED' && attempt.row.status === 'PENDING') {
      count.delayed();
      logger.error(
        { err: error, tries },
        'a finished picture cannot be fetched; its generation no longer waits for it, and it is retried until it expires',
      );
    } else {
      logger[levelOf(error, 'warn')](
        { err: error, tries },
        'a finished picture could not be stored yet; retrying',
      );
    }
  }

  private async markLost(
    attempt: FetchTry,
    code: AvatarFailure,
    { error, logger }: FailedFetch,
  ): Promise<void> {
    const loss = code === 'RESULT_UNUSABLE' ? code : 'RESULT_EXPIRED';
    logger.error({ err: error, loss }, 'a finished picture is lost');
    this.deps.count.lost();
    await this.deps.attempts.markLost(attempt, loss);
  }
}

/** A failed try and its circumstances. */
interface FailedFetch {
  error: unknown;
  signal: AbortSignal;
  logger: Logger;
}

/** Closes the connection of a response whose body is not read. */
async function discardBody(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of bytes) return;
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
