import { backoffMs } from '../core/clock';
import type { DueQuery } from '../core/due';
import { isOutOfDescriptors, isServiceUnavailable } from '../core/errors';
import { toGlobalId } from '../core/ids';
import {
  LeasedRows,
  emptyBatch,
  type Claimed,
  type LeaseOptions,
  type StartedBatch,
} from '../core/leased-rows';
import { levelOf } from '../core/outage';
import { OwnerShares } from '../core/owner-shares';
import type { OwnerWeights } from '../core/owner-weights';
import type { Transactions } from '../core/sql';
import { PictureProblem } from '../images/picture-file';
import { DownloadError } from '../upstream/download';
import { type Downloads, SlowHosts } from '../upstream/downloads';
import { DownloadDeferred } from '../upstream/name-resolution';
import { jobsOf, makeJobsDue } from './job-photo.repository';
import type { PhotoIntake } from './photo-intake';
import { PhotoEntity, type PhotoProblemRow } from './photo.entity';
import { markFetchRejected } from './photo.repository';
import { photoTooLarge } from './photo.service';

/** Maximum number of tries before the photo is rejected because its URL returns no photo. */
const maxTries = 3;

/** Maximum number of claims for any reason, such as a media store that is down or a photo that crashes the process. */
const maxClaims = 20;

/** Maximum duration of one download, in milliseconds, from DNS resolution to the last byte. */
const downloadMs = 30_000;

/** The memory for downloads, as a number of photos of maximum size. */
const maxLargest = 12;

/** A host that takes longer than `slowMs` for a photo gets at most `maxDownloads`. */
const slowHosts = { slowMs: 5_000, maxDownloads: 4 };

/** The first and the maximum delay after a failure, in milliseconds. */
const firstRetryMs = 2_000;
const maxRetryDelayMs = 300_000;

/** One message for all network failures, so that it reveals nothing about private networks. */
const unreachable: PhotoProblemRow = {
  code: 'PHOTO_UNREACHABLE',
  message:
    'The photo could not be fetched from its URL. The URL must return a JPEG, PNG, WebP, AVIF or HEIC file without login, within 30 seconds. Open it in a private browser window to check, or upload the photo.',
};

export interface PhotoWorkDeps extends LeaseOptions {
  database: Transactions;
  intake: PhotoIntake;
  downloads: Pick<Downloads, 'photo'>;
  /** Maximum size of a fetched photo. */
  maxPhotoBytes: number;
  /** Maximum concurrent fetches per process. */
  maxFetches: number;
  /** Called AFTER a photo has become READY or REJECTED: jobs that waited for it are due. */
  onReady: () => void;
}

/** A claimed row. */
type ClaimedPhoto = Claimed<PhotoEntity>;

/**
 * Photos to be fetched. Each claim counts as a try, so that a photo that crashes the process is rejected
 * eventually.
 */
/** Photos to be fetched from the URLs that clients gave. */
export const fetchingPhotos = {
  entity: PhotoEntity,
  table: 'photos',
  rows: "due_at IS NOT NULL AND status = 'FETCHING'",
  set: 'tries = tries + 1',
} as const;

/** Fetches photos from the URLs that clients gave. */
export class PhotoWork {
  private readonly rows: LeasedRows<PhotoEntity>;
  private readonly slots: OwnerShares;
  private readonly download: PhotoDownload;

  constructor(private readonly deps: PhotoWorkDeps) {
    this.rows = new LeasedRows(deps.database, fetchingPhotos, deps);
    this.slots = new OwnerShares(deps.maxFetches, deps.weights);
    this.download = new PhotoDownload(deps.downloads, deps.maxPhotoBytes, deps.weights);
  }

  /** When the next fetch is due. */
  get due(): DueQuery {
    return this.rows.due();
  }

  /**
   * Starts fetching due photos, round-robin between owners. Each photo becomes READY or REJECTED, or is due again
   * later; a failed photo does not fail the batch.
   * @param signal - aborts the fetches; their photos are due again immediately
   */
  async processBatch(signal: AbortSignal): Promise<StartedBatch> {
    await this.slots.whenFree(signal);
    if (signal.aborted) return emptyBatch;
    return this.rows.start(this.slots, {}, (photo) => this.fetch(photo, signal));
  }

  /** Never throws: if the result cannot be stored, the photo is retried when its lease ends. */
  private async fetch(photo: ClaimedPhoto, signal: AbortSignal): Promise<void> {
    try {
      if (!(await this.settle(photo, signal))) return;
      await makeJobsDue(this.deps.database, await jobsOf(this.deps.database, photo.id));
      this.deps.onReady();
    } catch (error) {
      this.deps.logger[levelOf(error, 'warn')](
        { err: error, photoId: toGlobalId('Photo', photo.id) },
        'a photo could not be processed; it is retried when its lease ends',
      );
    }
  }

  /** @returns whether the photo has become READY or REJECTED by this worker */
  private async settle(photo: ClaimedPhoto, signal: AbortSignal): Promise<boolean> {
    const { intake } = this.deps;
    try {
      const checked = await this.download.run({ ...photo, sourceUrl: photo.sourceUrl! }, signal, (bytes) =>
        intake.check(bytes),
      );
      return (await intake.keep(photo.id, checked, photo.lease)) !== null;
    } catch (error) {
      if (signal.aborted || error instanceof DownloadDeferred) {
        // Not fetched, so it does not count as a try.
        await this.rows.defer(photo, signal, 'tries = tries - 1');
        return false;
      }
      const problem = this.problemOf(error, photo.tries);
      if (problem) return markFetchRejected(this.deps.database, photo.id, problem, photo.lease);
      await this.putBack(photo, error);
      return false;
    }
  }

  /** The reason to reject the photo; null to retry. */
  private problemOf(error: unknown, tries: number): PhotoProblemRow | null {
    if (error instanceof PictureProblem) return { code: error.code, message: error.message };
    // Not because of the photo.
    if (isServiceUnavailable(error)) return null;
    if (!(error instanceof DownloadError)) return tries >= maxClaims ? unreachable : null;
    if (error.kind === 'TOO_LARGE') {
      const { code, message } = photoTooLarge(this.deps.maxPhotoBytes);
      return { code, message };
    }
    return error.kind === 'REFUSED_ADDRESS' || tries >= maxTries ? unreachable : null;
  }

  private async putBack(photo: ClaimedPhoto, error: unknown): Promise<void> {
    const { id, tries } = photo;
    // Download errors are caused by the remote host and expected; all others are local and logged.
    if (!(error instanceof DownloadError)) {
      this.deps.logger[levelOf(error, 'warn')](
        { err: error, photoId: toGlobalId('Photo', id), tries },
        'a photo could not be stored; retrying',
      );
    }
    const uncounted = isOutOfDescriptors(error) ? 'tries = tries - 1' : undefined;
    await this.rows.release(photo, backoffMs(tries, firstRetryMs, maxRetryDelayMs), uncounted);
  }
}

/**
 * Downloads photos into memory. Memory is allocated as bytes arrive and, like the slots, shared fairly between
 * owners. A photo that does not fit is aborted and its memory released, so that downloads never wait for each
 * other.
 */
class PhotoDownload {
  private readonly memory: OwnerShares;
  private readonly hosts = new SlowHosts(slowHosts);

  constructor(
    private readonly downloads: Pick<Downloads, 'photo'>,
    private readonly maxBytes: number,
    weights?: OwnerWeights,
  ) {
    this.memory = new OwnerShares(maxLargest * maxBytes, weights);
  }

  /**
   * Downloads the photo and passes its bytes to `use`. Their memory is released when `use` has ended.
   * @throws DownloadError, DownloadDeferred, or what `use` throws
   */
  async run<Result>(
    { owner, sourceUrl }: { owner: string; sourceUrl: string },
    signal: AbortSignal,
    use: (bytes: Buffer) => Promise<Result>,
  ): Promise<Result> {
    const end = this.hosts.begin(owner, sourceUrl);
    if (!end) throw new DownloadDeferred('The host is slow and has reached its limit of downloads.');
    const held: Uint8Array[] = [];
    try {
      await this.read(owner, sourceUrl, signal, held).finally(end);
      return await use(Buffer.concat(held));
    } finally {
      this.memory.release(owner, sizeOf(held));
    }
  }

  private async read(owner: string, url: string, signal: AbortSignal, held: Uint8Array[]): Promise<void> {
    const limits = { maxBytes: this.maxBytes, timeoutMs: downloadMs, signal, owner };
    const { bytes } = await this.downloads.photo(url, limits);
    for await (const chunk of bytes) {
      if (!this.memory.tryAcquire(owner, chunk.length)) {
        throw new DownloadDeferred('The memory for downloads is in use.');
      }
      held.push(chunk);
    }
  }
}

function sizeOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}
