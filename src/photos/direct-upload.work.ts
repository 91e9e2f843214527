import { backoffMs } from '../core/clock';
import type { DueQuery } from '../core/due';
import { DomainError, isServiceUnavailable } from '../core/errors';
import { toGlobalId } from '../core/ids';
import {
  emptyBatch,
  LeasedRows,
  type Claimed,
  type LeaseOptions,
  type StartedBatch,
} from '../core/leased-rows';
import { levelOf } from '../core/outage';
import { OwnerShares } from '../core/owner-shares';
import type { Transactions } from '../core/sql';
import { PictureProblem } from '../images/picture-file';
import type { MediaDeletion } from '../storage/media-deletion';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import { inStore, type MediaStore, type OpenObject } from '../storage/media-store';
import type { SpooledUpload, UploadSpool } from '../storage/upload-spool';
import type { CheckedPhoto, PhotoIntake } from './photo-intake';
import { PhotoEntity, uploadKey, type PhotoProblemRow } from './photo.entity';
import { markFetchRejected } from './photo.repository';
import { photoTooLarge } from './photo.service';

/** A file is looked for after an eighth of the age of its slot, within these limits, in milliseconds. */
const lookMs = { ageShare: 1 / 8, min: 1_000, max: 30_000 } as const;

/** The maximum number of failed checks, for example because the photo crashes the process. */
const maxTries = 20;

/** The first and the maximum delay after a failure, in milliseconds. */
const firstRetryMs = 2_000;
const maxRetryDelayMs = 300_000;

const unreadable: PhotoProblemRow = {
  code: 'UNREADABLE',
  message:
    'The photo could not be checked. Open it in another program, save it as JPEG, and upload the copy.',
};

/** Photos to be found in the bucket. */
const directUploads = {
  entity: PhotoEntity,
  table: 'photos',
  rows: "due_at IS NOT NULL AND status = 'AWAITING_UPLOAD'",
  set: 'tries = tries + 1',
} as const;

export interface DirectUploadWorkDeps extends LeaseOptions {
  database: Transactions;
  media: Pick<MediaStore, 'open'>;
  intake: PhotoIntake;
  spool: UploadSpool;
  deletion: Pick<MediaDeletion, 'deleteNow'>;
  /** Maximum size of an uploaded photo. */
  maxPhotoBytes: number;
  /** Maximum concurrent checks per process. */
  maxChecks: number;
}

/** A claimed row. */
type ClaimedPhoto = Claimed<PhotoEntity>;

/**
 * Checks the files that clients have uploaded to the bucket. What is checked is what was read: it is stored under another key,
 * which no upload URL can write, so a file that is replaced later changes nothing. The file itself is deleted.
 */
export class DirectUploadWork {
  private readonly rows: LeasedRows<PhotoEntity>;
  private readonly slots: OwnerShares;

  constructor(private readonly deps: DirectUploadWorkDeps) {
    this.rows = new LeasedRows(deps.database, directUploads, deps);
    this.slots = new OwnerShares(deps.maxChecks, deps.weights);
  }

  /** When the next file is looked for. */
  get due(): DueQuery {
    return this.rows.due();
  }

  /** Starts looking for due files, round-robin between owners. Each photo becomes READY or REJECTED, or is due again later. */
  async processBatch(signal: AbortSignal): Promise<StartedBatch> {
    await this.slots.whenFree(signal);
    if (signal.aborted) return emptyBatch;
    return this.rows.start(this.slots, {}, (photo) => this.look(photo));
  }

  /** Never throws: if the result cannot be stored, the photo is due again when its lease ends. */
  private async look(photo: ClaimedPhoto): Promise<void> {
    try {
      const isSettled = await this.settle(photo);
      if (isSettled) await this.deps.deletion.deleteNow([uploadKey(photo.id)]);
    } catch (error) {
      this.report(
        photo,
        error,
        'an uploaded photo could not be processed; it is retried when its lease ends',
      );
    }
  }

  /** @returns whether the photo has become READY or REJECTED by this worker, and the deletion of its file is scheduled */
  private async settle(photo: ClaimedPhoto): Promise<boolean> {
    const { media, intake } = this.deps;
    const key = uploadKey(photo.id);
    try {
      const object = await media.open(key);
      if (object === null) {
        await this.rows.release(photo, nextLookMs(photo), 'tries = 0');
        return false;
      }
      const checked = await this.check(object, photo.owner);
      return (await intake.keep(photo.id, checked, photo.lease, [key])) !== null;
    } catch (error) {
      const problem = problemOf(error, photo.tries);
      if (problem) return this.reject(photo, problem);
      this.report(photo, error, 'an uploaded photo could not be checked; retrying');
      await this.rows.release(photo, backoffMs(photo.tries, firstRetryMs, maxRetryDelayMs));
      return false;
    }
  }

  private reject({ id, lease }: ClaimedPhoto, problem: PhotoProblemRow): Promise<boolean> {
    return this.deps.database.transaction(async (sql) => {
      const isRejected = await markFetchRejected(sql, id, problem, lease);
      if (isRejected) await scheduleDeletion(sql, [uploadKey(id)]);
      return isRejected;
    });
  }

  private async check({ stream }: OpenObject, owner: string): Promise<CheckedPhoto> {
    const { spool, intake, maxPhotoBytes } = this.deps;
    try {
      return await spool.use(async (upload) => {
        await copy(stream, upload, maxPhotoBytes);
        return intake.checkUpload(upload, owner);
      });
    } finally {
      stream.destroy();
    }
  }

  private report({ id, tries }: ClaimedPhoto, error: unknown, message: string): void {
    this.deps.logger[levelOf(error, 'warn')](
      { err: error, photoId: toGlobalId('Photo', id), tries },
      message,
    );
  }
}

async function copy(
  bytes: AsyncIterable<Uint8Array>,
  upload: SpooledUpload,
  maxBytes: number,
): Promise<void> {
  const iterator: AsyncIterator<Uint8Array, unknown> = bytes[Symbol.asyncIterator]();
  for (;;) {
    // An answer that ends early is not because of the photo.
    const next = await inStore(() => iterator.next());
    if (next.done) return;
    if (upload.byteSize + next.value.length > maxBytes) throw photoTooLarge(maxBytes);
    await upload.write(next.value);
  }
}

/** When to look again for a file that is not there, in milliseconds from now. */
function nextLookMs({ createdAt, claimedAt }: ClaimedPhoto): number {
  const ageMs = claimedAt.getTime() - createdAt.getTime();
  return Math.min(lookMs.max, Math.max(lookMs.min, ageMs * lookMs.ageShare));
}

/** The reason to reject the photo; null to retry. */
function problemOf(error: unknown, tries: number): PhotoProblemRow | null {
  if (error instanceof PictureProblem) return { code: error.code, message: error.message };
  if (error instanceof DomainError && error.code === 'PHOTO_TOO_LARGE')
    return { code: error.code, message: error.message };
  // Not because of the photo.
  if (isServiceUnavailable(error)) return null;
  return tries >= maxTries ? unreadable : null;
}
