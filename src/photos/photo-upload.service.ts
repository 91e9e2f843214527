import { isBeingErased } from '../accounts/erasure-gate';
import { withinMs } from '../core/clock';
import { DomainError, notFound } from '../core/errors';
import { fromGlobalId, toGlobalId } from '../core/ids';
import { camelRow, type Transactions } from '../core/sql';
import { ByteBudget } from './byte-budget';
import { sha256Of, type CheckedPhoto, type PhotoIntake } from './photo-intake';
import type { PhotoUrls } from './photo-urls';
import type { PhotoEntity, PhotoProblemRow } from './photo.entity';
import { photoTooLarge, UploadConflict } from './photo.errors';
import type { PhotoStatus } from './photo.state';
import { PictureProblem } from './picture-problem';

/** The longest that an upload may take, and pause between two pieces, in milliseconds. */
const uploadMs = 120_000;
const uploadIdleMs = 15_000;

/** How many photos of the greatest size may be in memory at once; of smaller ones accordingly more. */
const largestAtOnce = 4;

/** How many uploads may wait for memory. */
const mostWaiting = 200;

/** For how long, in milliseconds, bytes that are being stored keep other bytes for the same photo out. */
const storingMs = 60_000;

/** What a photo's upload is answered with. */
interface UploadedPhoto {
  id: string;
  status: PhotoStatus;
  /** Of the photo as it was sent, upright, in pixels. */
  width: number | null;
  height: number | null;
  /** Of the photo as it is kept. */
  byteSize: number | null;
  problems: PhotoProblemRow[];
}

/** How an upload ended well: `created` is false where the same bytes had come before. */
export interface UploadAnswer {
  created: boolean;
  photo: UploadedPhoto;
}

/** Takes the bytes of photos whose slots `PhotoService.createUploads` gave out. */
export class PhotoUploadService {
  private readonly budget: ByteBudget;

  /** @param maxBytes - of one photo, as it is sent */
  constructor(
    private readonly database: Transactions,
    private readonly urls: PhotoUrls,
    private readonly intake: PhotoIntake,
    private readonly maxBytes: number,
  ) {
    this.budget = new ByteBudget(maxBytes * largestAtOnce, mostWaiting, tooManyUploads);
  }

  /**
   * Reads a photo, checks it and keeps it. The same bytes may be sent again and are answered alike; a photo that was
   * refused may be sent anew.
   * @param photoId - the global id in the URL
   * @param body - read at most once, and left early after an error; that must not end the connection, which is still
   * to be answered
   * @param byteSize - the request's Content-Length, where it has one
   * @throws DomainError INVALID_SIGNATURE, UPLOAD_URL_EXPIRED; NOT_FOUND if the photo was deleted; PHOTO_TOO_LARGE,
   * PHOTO_TYPE_UNSUPPORTED, PHOTO_INVALID if it is refused, which the photo's `problems` then say too;
   * {@link UploadConflict} for other bytes than it has; TIMEOUT; SERVICE_UNAVAILABLE, after which the same works later
   */
  async receiveUpload(
    photoId: string,
    query: URLSearchParams,
    body: AsyncIterable<Uint8Array>,
    byteSize?: number,
  ): Promise<UploadAnswer> {
    this.urls.checkUpload(photoId, query);
    const id = fromGlobalId('Photo', photoId);
    if ((await this.find(id)) === null) throw notFound('photo');
    try {
      if (byteSize !== undefined && byteSize > this.maxBytes) throw photoTooLarge(this.maxBytes);
      return await this.budget.run(byteSize ?? this.maxBytes, () => this.take(id, body));
    } catch (error) {
      const refusal = asRefusal(error);
      if (refusal === null) throw error;
      await this.intake.rejectUploaded(id, refusal.problem);
      throw refusal.error;
    }
  }

  private async take(id: string, body: AsyncIterable<Uint8Array>): Promise<UploadAnswer> {
    const bytes = await readAll(body, this.maxBytes);
    const row = await this.find(id);
    if (row?.status === 'READY') return repeated(row, sha256Of(bytes));
    const checked = await this.intake.check(bytes);
    const kept = (await this.announce(id, checked)) ? await this.intake.keep(id, checked, null) : null;
    if (kept) return { created: true, photo: uploadedPhoto(kept) };
    return this.beaten(id, checked.sha256);
  }

  /**
   * Writes into the row which bytes are about to be stored, unless others are. So bytes and row always fit together,
   * though two uploads for one photo may race.
   */
  private async announce(id: string, { sha256 }: CheckedPhoto): Promise<boolean> {
    const rows = await this.database.rows(
      `UPDATE photos SET source_sha256 = $2, updated_at = now()
        WHERE id = $1 AND status IN ('AWAITING_UPLOAD', 'REJECTED')
          AND (source_sha256 IS NULL OR source_sha256 = $2 OR updated_at < now() - $3 * interval '1 ms')
       RETURNING id`,
      [id, sha256, storingMs],
    );
    return rows.length > 0;
  }

  private async beaten(id: string, sha256: string): Promise<UploadAnswer> {
    const row = await this.find(id);
    if (row === null) throw notFound('photo');
    if (row.status === 'READY') return repeated(row, sha256);
    throw new DomainError(
      'SERVICE_UNAVAILABLE',
      'Another upload of this photo is being stored. Send it again in a minute.',
    );
  }

  /** The row, or null if it is gone for good. */
  private async find(id: string): Promise<PhotoEntity | null> {
    const [row] = await this.database.rows<Record<string, unknown>>(
      `SELECT * FROM photos WHERE id = $1 AND status <> 'PURGED' AND NOT ${isBeingErased('photos.owner')}`,
      [id],
    );
    return row ? camelRow<PhotoEntity>(row) : null;
  }
}

function repeated(row: PhotoEntity, sha256: string): UploadAnswer {
  if (row.sourceSha256 !== sha256) throw new UploadConflict();
  return { created: false, photo: uploadedPhoto(row) };
}

function uploadedPhoto({ id, status, width, height, byteSize, problems }: PhotoEntity): UploadedPhoto {
  return { id: toGlobalId('Photo', id), status, width, height, byteSize, problems };
}

async function readAll(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const endsAt = Date.now() + uploadMs;
  const iterator: AsyncIterator<Uint8Array, unknown> = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await withinMs(Math.min(uploadIdleMs, endsAt - Date.now()), nextChunk(iterator), tooSlow);
      if (next === null) return Buffer.concat(chunks);
      size += next.length;
      if (size > maxBytes) throw photoTooLarge(maxBytes);
      chunks.push(next);
    }
  } finally {
    // Not awaited: after a timeout it would wait for the very chunk that does not come.
    iterator.return?.().catch(() => undefined);
  }
}

async function nextChunk(iterator: AsyncIterator<Uint8Array, unknown>): Promise<Uint8Array | null> {
  try {
    const next = await iterator.next();
    return next.done ? null : next.value;
  } catch (error) {
    if (error instanceof DomainError) throw error;
    throw new DomainError('INVALID_INPUT', 'The upload ended before all bytes had come. Send it again.', {
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

function tooSlow(): DomainError {
  return new DomainError(
    'TIMEOUT',
    'The bytes came too slowly. Send the photo again, or a smaller copy of it.',
  );
}

function tooManyUploads(): DomainError {
  return new DomainError(
    'SERVICE_UNAVAILABLE',
    'Too many photos are being uploaded. Send it again in a few seconds.',
  );
}
