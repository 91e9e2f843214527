import { isBeingErased } from '../accounts/erasure-gate';
import { DomainError, notFound, type ErrorCode } from '../core/errors';
import { newId } from '../core/ids';
import { camelRow, type Sql, type Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { scheduleDeletion } from '../storage/media-deletion';
import type { MediaStore, OpenObject, RangeRequest } from '../storage/media-store';
import { isNeeded, photoKey, photosOfJob } from './photo-lifetime';
import { invalidSignature, type PaidCall, type PhotoUrls } from './photo-urls';
import type { PhotoEntity } from './photo.entity';
import type { PhotoStatus } from './photo.state';

/** The field of the photo at an index of the input, for errors: `input.photoIds[3]`. */
export type FieldAt = (index: number) => string;

export interface TrainingPhotoServiceDeps {
  database: Transactions;
  store: MediaStore;
  urls: PhotoUrls;
  /** Throws if a URL is invalid without being fetched: not http(s), too long, or a private address. */
  checkUrl: (url: string) => URL;
  /** Called when a fetch by an upstream could not be recorded and was therefore refused. */
  onUnrecordedFetch: () => void;
  /** How long photos are kept after the end of the job that needed them, in milliseconds. */
  retentionMs: number;
}

/**
 * The photos of paid calls: those of a model's training, or the one of a generation without training. Both are
 * called a job here, identified by their UUID.
 */
export class TrainingPhotoService {
  constructor(private readonly deps: TrainingPhotoServiceDeps) {}

  /**
   * Creates rows for photos to be fetched, for a job that is created in the same transaction.
   * @returns their UUIDs, in the order of the URLs
   * @throws DomainError INVALID_INPUT with the field of the first invalid URL
   */
  async addFromUrls(sql: Sql, viewer: Viewer, urls: readonly string[], fieldAt: FieldAt): Promise<string[]> {
    if (urls.length === 0) return [];
    const addresses = urls.map((url, index) => this.checkAddress(url, fieldAt(index)));
    refuseDoubles(addresses, 'address', fieldAt);
    const ids = addresses.map(() => newId());
    await sql.rows(
      `INSERT INTO photos (id, owner, status, filename, source_url, due_at)
       SELECT source.id, $1, 'FETCHING', source.filename, source.url, now()
         FROM unnest($2::uuid[], $3::text[], $4::text[]) AS source (id, filename, url)`,
      [viewer.owner, ids, addresses.map(filenameIn), addresses],
    );
    return ids;
  }

  /**
   * Keeps the viewer's photos for a new job until {@link releaseAfterTraining}. They are locked until the
   * transaction ends.
   * @throws DomainError NOT_FOUND, INVALID_INPUT (duplicate), PHOTO_NOT_READY or PHOTO_INVALID with the field of
   * the first photo that cannot be used; the transaction must be rolled back
   */
  async holdForTraining(sql: Sql, viewer: Viewer, ids: readonly string[], fieldAt: FieldAt): Promise<void> {
    refuseDoubles(ids, 'photo', fieldAt);
    const photos = new Map((await hold(sql, viewer, ids)).map((photo) => [photo.id, photo]));
    ids.forEach((id, index) => assertUsable(photos.get(id), fieldAt(index)));
  }

  /**
   * Keeps the photos of the viewer's job for a retry, until {@link releaseAfterTraining}.
   * @returns how many are kept; the others have been deleted or purged
   */
  async holdForRetry(sql: Sql, viewer: Viewer, jobId: string): Promise<number> {
    const photos = await this.trainingPhotos(sql, jobId);
    const ids = photos.map(({ id }) => id);
    return (await hold(sql, viewer, ids)).filter(({ status }) => status !== 'PURGED').length;
  }

  /**
   * Releases the photos of a job, in the transaction that ends it (ready, failed, cancelled) and BEFORE its row is
   * deleted. They are purged after the retention period, unless another unfinished job uses them.
   */
  async releaseAfterTraining(sql: Sql, jobId: string): Promise<void> {
    await this.release(sql, jobId, await lockPhotosOf(sql, jobId));
  }

  /**
   * Deletes the photos that only this model used, with their bytes, and releases the others; in the transaction
   * that deletes the model, BEFORE its row is deleted.
   */
  async deleteOfModel(sql: Sql, modelId: string): Promise<void> {
    const ids = await lockPhotosOf(sql, modelId);
    await this.release(sql, modelId, ids);
    const deleted = await sql.rows<{ id: string }>(
      `DELETE FROM photos
        WHERE id = ANY($1)
          AND NOT EXISTS (SELECT FROM model_photos WHERE photo_id = photos.id AND model_id <> $2)
          AND NOT EXISTS (SELECT FROM generations WHERE photo_id = photos.id)
       RETURNING id`,
      [ids, modelId],
    );
    await scheduleDeletion(
      sql,
      deleted.map(({ id }) => photoKey(id)),
    );
  }

  /** The photos of a job, in the given order, without those that have been deleted. */
  async trainingPhotos(sql: Sql, jobId: string): Promise<PhotoEntity[]> {
    const rows = await sql.rows<Record<string, unknown>>(
      `SELECT photos.* FROM photos JOIN ${photosOfJob('$1')} AS used ON used.photo_id = photos.id
        ORDER BY used.position`,
      [jobId],
    );
    return rows.map((row) => camelRow<PhotoEntity>(row));
  }

  /**
   * The URL by which the upstream fetches a photo for one paid call. It is valid until the given time, or until the
   * upstream has finished the job.
   * @param photoId - the row's UUID
   */
  upstreamUrl(photoId: string, call: PaidCall, expiresAtMs: number): string {
    return this.deps.urls.upstream(photoId, call, expiresAtMs);
  }

  /**
   * Opens the photo, a JPEG, for a URL made by {@link upstreamUrl}. The request proves that the paid call arrived,
   * so it is recorded first, also for an expired or invalid signature; if it cannot be recorded, nothing is served.
   * @param photoId - the row's UUID in the URL
   * @throws DomainError INVALID_SIGNATURE; NOT_FOUND if the URL has expired or the photo is deleted;
   * SERVICE_UNAVAILABLE if the fetch cannot be recorded
   */
  async openForUpstream(
    photoId: string,
    call: PaidCall,
    query: URLSearchParams,
    range?: RangeRequest,
  ): Promise<OpenObject> {
    const verdict = this.deps.urls.checkUpstream(photoId, call, query);
    // Also with an invalid signature: only the upstream knows the call's URLs, and another process may sign with a
    // secret that this one does not have.
    const wanted = await this.recordFetch(call);
    if (verdict === 'invalid') throw invalidSignature();
    const object =
      wanted && verdict === 'valid' ? await this.deps.store.open(photoKey(photoId), range) : null;
    if (!object) throw notFound('photo');
    return object;
  }

  /**
   * A separate statement, so that it sees, after the photos are locked, every job that holds them. Purged photos
   * are released too, so that their rows are deleted with the last job that refers to them.
   */
  private async release(sql: Sql, jobId: string, photoIds: readonly string[]): Promise<void> {
    await sql.rows(
      `UPDATE photos SET purge_at = now() + $3 * interval '1 ms', updated_at = now()
        WHERE id = ANY($1) AND NOT ${isNeeded('$2::uuid')}`,
      [photoIds, jobId, this.deps.retentionMs],
    );
  }

  /** Two statements: whether the photo is still needed is read after the fetch is recorded. */
  private async recordFetch({ jobId, attempt }: PaidCall): Promise<boolean> {
    const { database, onUnrecordedFetch } = this.deps;
    try {
      await database.rows(
        `UPDATE submissions SET photos_fetched_at = now()
          WHERE (model_id = $1 OR generation_id = $1) AND attempt = $2 AND photos_fetched_at IS NULL`,
        [jobId, attempt],
      );
    } catch (error) {
      onUnrecordedFetch();
      throw error;
    }
    const wanting = await database.rows(
      `SELECT owner FROM (
         SELECT owner FROM models
          WHERE id = $1 AND attempt = $2 AND status IN ('SUBMITTING', 'UNCERTAIN', 'TRAINING')
         UNION ALL
         SELECT owner FROM generations
          WHERE id = $1 AND attempt = $2 AND status IN ('SUBMITTING', 'UNCERTAIN', 'GENERATING')) AS jobs
        WHERE NOT ${isBeingErased('jobs.owner')}`,
      [jobId, attempt],
    );
    return wanting.length > 0;
  }

  /** @returns the normalized URL */
  private checkAddress(url: string, field: string): string {
    try {
      return this.deps.checkUrl(url).href;
    } catch (error) {
      throw new DomainError(
        'INVALID_INPUT',
        'Photos are fetched from public http or https URLs only. Use another URL, or upload the photo.',
        { field, cause: error },
      );
    }
  }
}

/** Locks photos in a fixed order, to prevent deadlocks, and keeps their bytes if they have any. */
async function hold(sql: Sql, { owner }: Viewer, ids: readonly string[]): Promise<PhotoEntity[]> {
  if (ids.length === 0) return [];
  const rows = await sql.rows<Record<string, unknown>>(
    `WITH locked AS (SELECT id FROM photos WHERE id = ANY($1) AND owner = $2 ORDER BY id FOR UPDATE)
     UPDATE photos SET purge_at = CASE WHEN status = 'PURGED' THEN purge_at END
       FROM locked WHERE photos.id = locked.id
     RETURNING photos.*`,
    [ids, owner],
  );
  return rows.map((row) => camelRow<PhotoEntity>(row));
}

/** Locks a job's photos in a fixed order, to prevent deadlocks. */
async function lockPhotosOf(sql: Sql, jobId: string): Promise<string[]> {
  const locked = await sql.rows<{ id: string }>(
    `SELECT photos.id FROM photos WHERE id IN (SELECT photo_id FROM ${photosOfJob('$1')} AS used)
      ORDER BY id FOR UPDATE`,
    [jobId],
  );
  return locked.map(({ id }) => id);
}

function refuseDoubles(values: readonly string[], noun: string, fieldAt: FieldAt): void {
  const second = values.findIndex((value, index) => values.indexOf(value) < index);
  if (second < 0) return;
  throw new DomainError('INVALID_INPUT', `This ${noun} is given twice. Remove the duplicate.`, {
    field: fieldAt(second),
  });
}

/** The error for each state in which a photo cannot be used. */
const unusable = {
  AWAITING_UPLOAD: ['PHOTO_NOT_READY', 'This photo has not been uploaded yet. Upload it first.'],
  FETCHING: ['PHOTO_NOT_READY', 'This photo is still being fetched. Retry when it is READY.'],
  REJECTED: ['PHOTO_INVALID', 'This photo cannot be used.'],
  PURGED: ['PHOTO_INVALID', 'The bytes of this photo have been deleted. Upload it again.'],
} as const satisfies Record<Exclude<PhotoStatus, 'READY'>, readonly [ErrorCode, string]>;

function assertUsable(photo: PhotoEntity | undefined, field: string): void {
  if (!photo) throw notFound('photo', field);
  if (photo.status === 'READY') return;
  const [code, message] = unusable[photo.status];
  const { problems } = photo;
  throw new DomainError(code, [message, ...problems.map((problem) => problem.message)].join(' '), {
    field,
    details: problems.length > 0 ? { problems } : undefined,
  });
}

/** The filename in the last segment of a URL, if it clearly is one. */
function filenameIn(url: string): string | null {
  return /\/([\w.()-]{1,120}\.(?:jpe?g|png))(?:[?#]|$)/i.exec(url)?.[1] ?? null;
}
