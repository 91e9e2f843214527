import { DomainError, notFound } from '../core/errors';
import { toGlobalId } from '../core/ids';
import type { Transactions } from '../core/sql';
import type { Transfer } from '../core/transfer';
import {
  TransferSlots,
  type TransferErrors,
  type TransferLimits,
  type WaitOutcome,
} from '../core/transfer-slots';
import { PictureProblem } from '../images/picture-file';
import type { SpooledUpload, UploadSpool } from '../storage/upload-spool';
import type { PhotoIntake } from './photo-intake';
import type { PhotoUrls } from './photo-urls';
import type { PhotoEntity, PhotoProblemRow } from './photo.entity';
import { findAvailable, markUploadRejected, storingMs } from './photo.repository';
import { photoTooLarge } from './photo.service';
import type { PhotoStatus } from './photo.state';

/** Maximum number of rejected uploads per slot; each costs a decoding. */
const maxRejections = 10;

/** How long an upload waits for a slot: the server reads none of its bytes before. */
const maxWaitMs = 10_000;

/** The `retryAfterSeconds` of refused uploads. */
const retryAfterSeconds = 5;

/** The response to an upload. */
interface UploadedPhoto {
  id: string;
  status: PhotoStatus;
  /** Dimensions of the uploaded photo, upright, in pixels. */
  originalWidth: number | null;
  originalHeight: number | null;
  /** The same as `originalWidth`, until 1.0. */
  width: number | null;
  /** The same as `originalHeight`, until 1.0. */
  height: number | null;
  /** The size of the stored photo. */
  byteSize: number | null;
  problems: PhotoProblemRow[];
}

/** A successful upload. `created` is false if the same bytes had been uploaded before. */
export interface UploadAnswer {
  created: boolean;
  photo: UploadedPhoto;
}

export interface PhotoUploadServiceDeps {
  database: Transactions;
  urls: PhotoUrls;
  intake: PhotoIntake;
  spool: UploadSpool;
  /** Maximum size of an uploaded photo. */
  maxBytes: number;
  limits: TransferLimits;
  /** Called when an upload no longer waits for a slot. */
  onWaited: (outcome: WaitOutcome) => void;
}

/** Receives the bytes of photos for the slots of `PhotoService.createUploads`. */
export class PhotoUploadService {
  readonly transfers: TransferSlots;
  /** Photos whose bytes this process is receiving. */
  private readonly receiving = new Set<string>();

  constructor(private readonly deps: PhotoUploadServiceDeps) {
    const queue = { maxWaiting: deps.limits.maxTransfers, maxWaitMs, onWaited: deps.onWaited };
    this.transfers = new TransferSlots({ ...deps.limits, queue }, transferErrors);
  }

  /** Refuses uploads that wait for a slot, so that a process that stops does not wait for them. */
  stop(): void {
    this.transfers.stop();
  }

  /**
   * Reads, checks and stores a photo. Uploading the same bytes again returns the same answer. After a rejected
   * photo another one may be uploaded, up to ten times.
   * @param photoId - the global id in the URL
   * @param body - read at most once, and not to its end after an error; the caller keeps the connection open for
   * the response
   * @param byteSize - the request's Content-Length, if present
   * @throws DomainError INVALID_SIGNATURE, UPLOAD_URL_EXPIRED; NOT_FOUND if the photo was deleted;
   * UPLOAD_IN_PROGRESS; PHOTO_TOO_LARGE, PHOTO_TYPE_UNSUPPORTED or PHOTO_INVALID if it is rejected, which is then
   * also in the photo's `problems`; {@link UploadConflict} if it already has other bytes; TIMEOUT if the client is
   * too slow; RATE_LIMITED if the owner had too many concurrent uploads for {@link maxWaitMs}, or too many that wait;
   * SERVICE_UNAVAILABLE for temporary failures, such as too many uploads of all owners
   */
  async receiveUpload(
    photoId: string,
    query: URLSearchParams,
    body: AsyncIterable<Uint8Array>,
    byteSize?: number,
  ): Promise<UploadAnswer> {
    const { database, maxBytes } = this.deps;
    const row = await this.openSlot(photoId, query);
    const { id } = row;
    if (this.receiving.has(id)) throw uploadInProgress(retryAfterSeconds);
    this.receiving.add(id);
    try {
      if (byteSize !== undefined && byteSize > maxBytes) throw photoTooLarge(maxBytes);
      return await this.transfers.run(row.owner, (transfer) => this.store(row, body, transfer));
    } catch (error) {
      const refusal = asRefusal(error);
      if (refusal === null) throw error;
      await markUploadRejected(database, id, refusal.problem);
      throw refusal.error;
    } finally {
      this.receiving.delete(id);
    }
  }

  private async openSlot(photoId: string, query: URLSearchParams): Promise<PhotoEntity> {
    const row = await findAvailable(this.deps.database, this.deps.urls.checkUpload(photoId, query));
    if (row === null) throw notFound('photo');
    if (row.status === 'REJECTED' && row.tries >= maxRejections) throw tooManyRejections();
    return row;
  }

  private store(
    { id, owner }: PhotoEntity,
    body: AsyncIterable<Uint8Array>,
    transfer: Transfer,
  ): Promise<UploadAnswer> {
    const { spool, intake, maxBytes } = this.deps;
    return spool.use(async (upload) => {
      await receive(body, { upload, transfer, maxBytes });
      const row = await findAvailable(this.deps.database, id);
      if (row?.status === 'READY') return repeated(row, upload.sha256);
      const checked = await intake.checkUpload(upload, owner);
      const kept = await intake.keep(id, checked, null);
      if (kept) return { created: true, photo: uploadedPhoto(kept) };
      return this.resolveRace(id, checked.sha256);
    });
  }

  private async resolveRace(id: string, sha256: string): Promise<UploadAnswer> {
    const row = await findAvailable(this.deps.database, id);
    if (row === null) throw notFound('photo');
    if (row.status === 'READY') return repeated(row, sha256);
    throw uploadInProgress(storingMs / 1_000);
  }
}

function repeated(row: PhotoEntity, sha256: string): UploadAnswer {
  if (row.sourceSha256 !== sha256) throw new UploadConflict();
  return { created: false, photo: uploadedPhoto(row) };
}

function uploadedPhoto({ id, status, width, height, byteSize, problems }: PhotoEntity): UploadedPhoto {
  const original = { originalWidth: width, originalHeight: height };
  return { id: toGlobalId('Photo', id), status, ...original, width, height, byteSize, problems };
}

/** Writes the body to the spool, with backpressure: the client is read only as fast as the disk writes. */
async function receive(
  body: AsyncIterable<Uint8Array>,
  { upload, transfer, maxBytes }: { upload: SpooledUpload; transfer: Transfer; maxBytes: number },
): Promise<void> {
  const iterator: AsyncIterator<Uint8Array, unknown> = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await transfer.wait(nextChunk(iterator));
      if (next === null) return;
      transfer.count(next.length);
      if (upload.byteSize + next.length > maxBytes) throw photoTooLarge(maxBytes);
      await upload.write(next);
    }
  } finally {
    // Not awaited: after a timeout it would wait for the missing chunk.
    iterator.return?.().catch(() => undefined);
  }
}

async function nextChunk(iterator: AsyncIterator<Uint8Array, unknown>): Promise<Uint8Array | null> {
  try {
    const next = await iterator.next();
    return next.done ? null : next.value;
  } catch (error) {
    if (error instanceof DomainError) throw error;
    throw new DomainError('INVALID_INPUT', 'The upload ended before all bytes had arrived. Send it again.', {
      cause: error,
    });
  }
}

function asRefusal(error: unknown): { error: DomainError; problem: PhotoProblemRow } | null {
  if (error instanceof DomainError && error.code === 'PHOTO_TOO_LARGE') {
    return { error, problem: { code: error.code, message: error.message } };
  }
  if (!(error instanceof PictureProblem)) return null;
  const problem = { code: error.code, message: error.message };
  const code = error.code === 'UNSUPPORTED_TYPE' ? 'PHOTO_TYPE_UNSUPPORTED' : 'PHOTO_INVALID';
  return {
    error: new DomainError(code, error.message, { details: { problems: [problem] }, cause: error }),
    problem,
  };
}

const transferErrors: TransferErrors = {
  tooSlow: () =>
    new DomainError('TIMEOUT', 'The upload was too slow. Send the photo again, or a smaller copy of it.'),
  ownerFull: () =>
    new DomainError(
      'RATE_LIMITED',
      'You have too many concurrent uploads. Send the photo again when one has ended.',
      {
        details: { retryAfterSeconds },
      },
    ),
  full: () => busy('Too many photos are being uploaded.'),
  displaced: () => busy('Too many photos are being uploaded, and this upload was the slowest.'),
};

function busy(reason: string): DomainError {
  return new DomainError('SERVICE_UNAVAILABLE', `${reason} Send the photo again in a few seconds.`, {
    details: { retryAfterSeconds },
  });
}

function tooManyRejections(): DomainError {
  return new DomainError(
    'UPLOAD_URL_EXPIRED',
    `${maxRejections} unusable photos were sent to this upload URL. Call createPhotoUploads for a new one.`,
  );
}

/** An upload to the same URL is still running. */
function uploadInProgress(retryAfterSeconds: number): DomainError {
  return new DomainError(
    'UPLOAD_IN_PROGRESS',
    'Another upload to this URL is in progress. Wait for its response, or send the photo again later.',
    { details: { retryAfterSeconds } },
  );
}

/** The photo already has other bytes and keeps them. Status 409. */
class UploadConflict extends DomainError {
  constructor() {
    super(
      'INVALID_INPUT',
      'This photo has already been uploaded with other bytes. Call createPhotoUploads for a URL for each photo.',
    );
  }

  override get httpStatus(): number {
    return 409;
  }
}
