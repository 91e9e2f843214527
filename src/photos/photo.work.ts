import { randomUUID } from 'node:crypto';
import { backoffMs } from '../core/clock';
import type { Logger } from '../core/logger';
import { camelRow, type Transactions } from '../core/sql';
import { DownloadError } from '../upstream/download';
import type { Downloads } from '../upstream/downloads';
import type { PhotoIntake } from './photo-intake';
import type { PhotoEntity, PhotoProblemRow } from './photo.entity';
import { photoTooLarge } from './photo.errors';
import { PictureProblem } from './picture-problem';
import { jobsOf, wakeJobs } from './waiting-jobs';

/** Photos in hand at once in one pass; each may be as large as a photo may be, and is in memory. */
const atOnce = 8;

/** The longest that one download may take, in milliseconds, from the name's resolution to the last byte. */
const downloadMs = 30_000;

/** How often an address that gives nothing is tried before the photo is refused. */
const mostTries = 3;

/** How often a photo is taken up in all, whatever hinders it: a store that is down, or a process that dies of it. */
const mostClaims = 20;

/** The wait after a first failure and the longest, in milliseconds. */
const firstRetryMs = 2_000;
const longestRetryMs = 300_000;

/** One message for whatever went wrong, so that nobody learns from it what there is on somebody's network. */
const unreachable: PhotoProblemRow = {
  code: 'PHOTO_UNREACHABLE',
  message:
    'The photo could not be fetched from its URL, which must give a JPEG or PNG to anybody, without login, within 30 seconds. Open it in a private browser window to see what it gives, or upload the photo.',
};

/** What {@link PhotoWork} stands on. */
export interface PhotoWorkParts {
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
type ClaimedPhoto = PhotoEntity & { sourceUrl: string; lease: string };

/** Fetches photos from the URLs that clients gave. */
export class PhotoWork {
  constructor(private readonly parts: PhotoWorkParts) {}

  /**
   * One pass: fetches what is due, the longest due first, and returns when that is done. A photo becomes READY or
   * REJECTED, or is due again later; no photo's failure is an error of the pass.
   * @param limit - the most photos taken up
   * @param signal - ends it early; what is in hand is due again at once
   * @returns how many were taken up
   */
  async fetchDue(limit: number, signal: AbortSignal): Promise<number> {
    const lease = randomUUID();
    const first = await this.claim(lease, Math.min(limit, atOnce));
    let taken = first.length;
    const follow = async (photo: ClaimedPhoto): Promise<void> => {
      let next: ClaimedPhoto | undefined = photo;
      while (next) {
        await this.fetch(next, signal);
        if (signal.aborted || taken >= limit) return;
        taken += 1;
        [next] = await this.claim(lease, 1);
        if (!next) taken -= 1;
      }
    };
    const ends = await this.keepingLease(lease, () => Promise.allSettled(first.map(follow)));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
    return taken;
  }

  private async claim(lease: string, limit: number): Promise<ClaimedPhoto[]> {
    const rows = await this.parts.database.rows<Record<string, unknown>>(
      `UPDATE photos SET lease = $1, due_at = now() + $2 * interval '1 ms', tries = tries + 1
        WHERE id IN (SELECT id FROM photos WHERE due_at <= now() AND status = 'FETCHING'
                      ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
       RETURNING *`,
      [lease, this.parts.leaseMs, limit],
    );
    return rows.map((row) => camelRow<ClaimedPhoto>(row));
  }

  /** Shows signs of life while `work` runs. One that is missed only means that a photo may be fetched twice. */
  private async keepingLease<Result>(lease: string, work: () => Promise<Result>): Promise<Result> {
    const { database, leaseMs, logger } = this.parts;
    const timer = setInterval(() => {
      database
        .rows(
          `UPDATE photos SET due_at = now() + $2 * interval '1 ms'
            WHERE lease = $1 AND status = 'FETCHING' AND due_at IS NOT NULL`,
          [lease, leaseMs],
        )
        .catch((error: unknown) => logger.warn({ err: error }, 'the lease of photos could not be renewed'));
    }, leaseMs / 3);
    try {
      return await work();
    } finally {
      clearInterval(timer);
    }
  }

  /** Never throws: what cannot even be written down is taken up again when the lease ends. */
  private async fetch(photo: ClaimedPhoto, signal: AbortSignal): Promise<void> {
    try {
      if (!(await this.settle(photo, signal))) return;
      await wakeJobs(this.parts.database, await jobsOf(this.parts.database, photo.id));
      this.parts.onReady();
    } catch (error) {
      this.parts.logger.warn({ err: error, photoId: photo.id }, 'a photo is left until its lease ends');
    }
  }

  /** @returns whether the photo has become READY or REJECTED by this worker */
  private async settle(photo: ClaimedPhoto, signal: AbortSignal): Promise<boolean> {
    const { intake } = this.parts;
    try {
      const checked = await intake.check(await this.download(photo.sourceUrl, signal));
      return (await intake.keep(photo.id, checked, photo.lease)) !== null;
    } catch (error) {
      const problem = signal.aborted ? null : this.problemOf(error, photo.tries);
      if (problem) return intake.rejectFetched(photo.id, problem, photo.lease);
      await this.putBack(photo, signal, error);
      return false;
    }
  }

  private async download(url: string, signal: AbortSignal): Promise<Buffer> {
    const { downloads, maxPhotoBytes } = this.parts;
    const { bytes } = await downloads.photo(url, { maxBytes: maxPhotoBytes, timeoutMs: downloadMs, signal });
    const chunks: Uint8Array[] = [];
    for await (const chunk of bytes) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** What refuses the photo for good; null if it may still be had. */
  private problemOf(error: unknown, tries: number): PhotoProblemRow | null {
    if (error instanceof PictureProblem) return { code: error.code, message: error.message };
    if (!(error instanceof DownloadError)) return tries >= mostClaims ? unreachable : null;
    if (error.kind === 'TOO_LARGE') {
      const { code, message } = photoTooLarge(this.parts.maxPhotoBytes);
      return { code, message };
    }
    return error.kind === 'REFUSED_ADDRESS' || tries >= mostTries ? unreachable : null;
  }

  private async putBack(
    { id, lease, tries }: ClaimedPhoto,
    signal: AbortSignal,
    error: unknown,
  ): Promise<void> {
    const { database, logger } = this.parts;
    const waitMs = signal.aborted ? 0 : backoffMs(tries, firstRetryMs, longestRetryMs);
    // A download's failure is the address's affair; anything else is ours and must be seen.
    if (!signal.aborted && !(error instanceof DownloadError)) {
      logger.warn({ err: error, photoId: id, tries }, 'a photo could not be kept; it will be tried again');
    }
    await database.rows(
      `UPDATE photos SET lease = NULL, due_at = now() + $3 * interval '1 ms', tries = tries - $4
        WHERE id = $1 AND lease = $2 AND status = 'FETCHING'`,
      [id, lease, waitMs, signal.aborted ? 1 : 0],
    );
  }
}
