import { backoffMs, pause } from '../core/clock';
import { isOutOfDescriptors } from '../core/descriptors';
import { LeasedRows, type Claimed } from '../core/leased-rows';
import type { Logger } from '../core/logger';
import { OwnerShares } from '../core/owner-shares';
import type { Transactions } from '../core/sql';
import { emptyBatch, type StartedBatch } from '../core/started-batch';
import { PictureProblem } from '../images/image-problem';
import { DownloadError } from '../upstream/download';
import type { Downloads } from '../upstream/downloads';
import { DownloadDeferred } from '../upstream/name-resolution';
import { PhotoDownload } from './photo-download';
import type { PhotoIntake } from './photo-intake';
import type { PhotoEntity, PhotoProblemRow } from './photo.entity';
import { photoTooLarge } from './photo.errors';
import { jobsOf, wakeJobs } from './waiting-jobs';

/** Photos that one process fetches at once. */
const maxFetches = 24;

/** How often an address that gives nothing is tried before the photo is refused. */
const maxTries = 3;

/** How often a photo is taken up in all, whatever hinders it: a store that is down, or a process that dies of it. */
const maxClaims = 20;

/** The wait after a first failure and the longest, in milliseconds. */
const firstRetryMs = 2_000;
const maxRetryDelayMs = 300_000;

/** The wait before a photo for which there was no share is looked at again, in milliseconds. */
const deferredMs = 3_000;
const deferredSlotMs = 1_000;

/** One message for whatever went wrong, so that nobody learns from it what there is on somebody's network. */
const unreachable: PhotoProblemRow = {
  code: 'PHOTO_UNREACHABLE',
  message:
    'The photo could not be fetched from its URL, which must give a JPEG or PNG to anybody, without login, within 30 seconds. Open it in a private browser window to see what it gives, or upload the photo.',
};

/** What {@link PhotoWork} stands on. */
export interface PhotoWorkDeps {
  database: Transactions;
  intake: PhotoIntake;
  downloads: Pick<Downloads, 'photo'>;
  logger: Logger;
  /** How long a worker that shows no sign of life keeps a photo, in milliseconds. */
  leaseMs: number;
  /** Of one photo, as it is fetched. */
  maxPhotoBytes: number;
  /** Told AFTER a photo has become READY or REJECTED: jobs that waited for it are due. */
  onReady: () => void;
}

/** A photo that this worker has in hand. */
type ClaimedPhoto = Claimed<PhotoEntity & { sourceUrl: string }>;

/** Photos that are still to be fetched. A claim counts as a try, so that a photo that ends the process is refused in the end. */
const fetchingPhotos = {
  table: 'photos',
  rows: "due_at IS NOT NULL AND status = 'FETCHING'",
  set: 'tries = tries + 1',
} as const;

/** Fetches photos from the URLs that clients gave. */
export class PhotoWork {
  private readonly rows: LeasedRows<ClaimedPhoto>;
  private readonly slots = new OwnerShares(maxFetches);
  private readonly download: PhotoDownload;

  constructor(private readonly deps: PhotoWorkDeps) {
    this.rows = new LeasedRows(deps.database, fetchingPhotos, deps);
    this.download = new PhotoDownload(deps.downloads, deps.maxPhotoBytes);
  }

  /**
   * Starts to fetch what is due, owners in turn. A photo becomes READY or REJECTED, or is due again later; no photo's
   * failure is an error of the pass.
   * @param signal - ends the fetches early; their photos are due again at once
   */
  async processBatch(signal: AbortSignal): Promise<StartedBatch> {
    await this.slots.whenFree(signal);
    if (signal.aborted) return emptyBatch;
    return this.rows.start(this.slots, {}, (photo) => this.fetch(photo, signal));
  }

  /** Never throws: what cannot even be written down is taken up again when the lease ends. */
  private async fetch(photo: ClaimedPhoto, signal: AbortSignal): Promise<void> {
    try {
      if (!(await this.settle(photo, signal))) return;
      await wakeJobs(this.deps.database, await jobsOf(this.deps.database, photo.id));
      this.deps.onReady();
    } catch (error) {
      this.deps.logger.warn({ err: error, photoId: photo.id }, 'a photo is left until its lease ends');
    }
  }

  /** @returns whether the photo has become READY or REJECTED by this worker */
  private async settle(photo: ClaimedPhoto, signal: AbortSignal): Promise<boolean> {
    const { intake } = this.deps;
    try {
      const checked = await this.download.run(photo, signal, (bytes) => intake.check(bytes));
      return (await intake.keep(photo.id, checked, photo.lease)) !== null;
    } catch (error) {
      if (signal.aborted || error instanceof DownloadDeferred) return this.defer(photo, signal);
      const problem = this.problemOf(error, photo.tries);
      if (problem) return intake.rejectFetched(photo.id, problem, photo.lease);
      await this.putBack(photo, error);
      return false;
    }
  }

  /** Gives a photo back that was not fetched; the claim was no try. */
  private async defer(photo: ClaimedPhoto, signal: AbortSignal): Promise<false> {
    await this.rows.release(photo, signal.aborted ? 0 : deferredMs, 'tries = tries - 1');
    // Its slot is kept for a while: otherwise claims would go through all of the owner's photos at once.
    await pause(deferredSlotMs, signal);
    return false;
  }

  /** What refuses the photo for good; null if it may still be had. */
  private problemOf(error: unknown, tries: number): PhotoProblemRow | null {
    if (error instanceof PictureProblem) return { code: error.code, message: error.message };
    if (!(error instanceof DownloadError)) return tries >= maxClaims ? unreachable : null;
    if (error.kind === 'TOO_LARGE') {
      const { code, message } = photoTooLarge(this.deps.maxPhotoBytes);
      return { code, message };
    }
    return error.kind === 'REFUSED_ADDRESS' || tries >= maxTries ? unreachable : null;
  }

  private async putBack(photo: ClaimedPhoto, error: unknown): Promise<void> {
    const { id, tries } = photo;
    // A download's failure is the address's affair; anything else is ours and must be seen.
    if (!(error instanceof DownloadError)) {
      this.deps.logger.warn(
        { err: error, photoId: id, tries },
        'a photo could not be kept; it will be tried again',
      );
    }
    const uncounted = isOutOfDescriptors(error) ? 'tries = tries - 1' : undefined;
    await this.rows.release(photo, backoffMs(tries, firstRetryMs, maxRetryDelayMs), uncounted);
  }
}
