import { isBeingErased } from '../accounts/erasure-gate';
import { DomainError, notFound, type ErrorCode } from '../core/errors';
import { fromGlobalId, newId } from '../core/ids';
import { camelRow, type Sql, type Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { scheduleDeletion } from '../storage/media-deletion';
import type { ByteRange, MediaStore, OpenObject } from '../storage/media-store';
import { isNeeded, photoKey, photosOfJob } from './photo-lifetime';
import type { PaidCall, PhotoUrls } from './photo-urls';
import type { PhotoEntity } from './photo.entity';
import type { PhotoStatus } from './photo.state';

/** Names the field of the photo at a place in the input, for errors: `input.photoIds[3]`. */
export type FieldAt = (index: number) => string;

/** What {@link TrainingPhotoService} stands on. */
export interface TrainingPhotoServiceDeps {
  database: Transactions;
  store: MediaStore;
  urls: PhotoUrls;
  /** Throws if an address can be refused by looking at it: no web address, too long, or one of a private network. */
  checkUrl: (url: string) => URL;
  /** Called when a fetch by an upstream could not be recorded, and was refused for that. */
  onUnrecordedFetch: () => void;
  /** How long photos are kept after the job that needed them has ended, in milliseconds. */
  retentionMs: number;
}

/**
 * Photos as paid calls need them: those of a model's training, or the one of a generation without training. Both are
 * called a job here, and named by their row's UUID.
 */
export class TrainingPhotoService {
  constructor(private readonly deps: TrainingPhotoServiceDeps) {}

  /**
   * Writes down photos that a worker is to fetch, for a job that is made in the same transaction.
   * @returns their UUIDs, in the order of the addresses
   * @throws DomainError INVALID_INPUT with the field of the first address that cannot be one of a photo
   */
  async addFromUrls(sql: Sql, viewer: Viewer, urls: readonly string[], fieldAt: FieldAt): Promise<string[]> {
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
   * Finds the viewer's photos for a new job, and keeps them from being deleted or purged until the transaction ends;
   * {@link holdForTraining} in the same transaction keeps them beyond it.
   * @param photoIds - global ids
   * @returns their UUIDs, in the same order
   * @throws DomainError NOT_FOUND, INVALID_INPUT (twice the same), PHOTO_NOT_READY or PHOTO_INVALID with the field of
   * the first photo that cannot be used
   */
  async resolveForTraining(
    sql: Sql,
    viewer: Viewer,
    photoIds: readonly string[],
    fieldAt: FieldAt,
  ): Promise<string[]> {
    const ids = photoIds.map((photoId, index) => fromGlobalId('Photo', photoId, fieldAt(index)));
    refuseDoubles(ids, 'photo', fieldAt);
    const rows = await sql.rows<Record<string, unknown>>(
      'SELECT * FROM photos WHERE id = ANY($1) AND owner = $2 ORDER BY id FOR UPDATE',
      [ids, viewer.owner],
    );
    const photos = new Map(rows.map((row) => camelRow<PhotoEntity>(row)).map((photo) => [photo.id, photo]));
    ids.forEach((id, index) => assertUsable(photos.get(id), fieldAt(index)));
    return ids;
  }

  /**
   * Keeps photos until {@link releaseAfterTraining}: for a new job, and again when somebody retries a failed one.
   * @returns the UUIDs of those that are kept; the others are deleted or purged and cannot be had any more
   */
  async holdForTraining(sql: Sql, photoIds: readonly string[]): Promise<Set<string>> {
    const held = await sql.rows<{ id: string }>(
      `WITH wanted AS (SELECT id FROM photos WHERE id = ANY($1) AND status <> 'PURGED' ORDER BY id FOR UPDATE)
       UPDATE photos SET purge_at = NULL FROM wanted WHERE photos.id = wanted.id
       RETURNING photos.id`,
      [photoIds],
    );
    return new Set(held.map(({ id }) => id));
  }

  /**
   * Lets the photos of a job go: in the transaction that ends it (ready, failed, cancelled), and BEFORE the statement
   * that deletes its row. They are purged after the retention time, unless another job that is not finished has them.
   */
  async releaseAfterTraining(sql: Sql, jobId: string): Promise<void> {
    await this.release(sql, jobId, await lockPhotosOf(sql, jobId));
  }

  /**
   * Deletes the photos that nothing but this model was made with, and dooms their bytes; the others are released. In
   * the transaction that deletes the model, BEFORE the statement that does.
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

  /** The photos of a job, in the order in which they were given. Fewer than were given: some were deleted since. */
  async trainingPhotos(sql: Sql, jobId: string): Promise<PhotoEntity[]> {
    const rows = await sql.rows<Record<string, unknown>>(
      `SELECT photos.* FROM photos JOIN ${photosOfJob('$1')} AS used ON used.photo_id = photos.id
        ORDER BY used.position`,
      [jobId],
    );
    return rows.map((row) => camelRow<PhotoEntity>(row));
  }

  /**
   * The URL by which the upstream fetches a photo for one paid call. It ends at the given time, and before that as soon
   * as the upstream is done with the job.
   * @param photoId - the row's UUID
   */
  upstreamUrl(photoId: string, call: PaidCall, expiresAtMs: number): string {
    return this.deps.urls.upstream(photoId, call, expiresAtMs);
  }

  /**
   * Opens the photo of a URL made by {@link upstreamUrl}: a JPEG. That it was asked for proves that the paid call
   * arrived. So this is written down first, also when the URL has ended, and nothing is served if it cannot be.
   * @param photoId - the row's UUID in the URL
   * @throws DomainError INVALID_SIGNATURE; NOT_FOUND once the URL has ended or the photo is gone; SERVICE_UNAVAILABLE
   * if the database takes no evidence now
   */
  async openForUpstream(
    photoId: string,
    call: PaidCall,
    query: URLSearchParams,
    range?: ByteRange,
  ): Promise<OpenObject> {
    const verdict = this.deps.urls.checkUpstream(photoId, call, query);
    const wanted = await this.recordFetch(call);
    const object =
      wanted && verdict === 'valid' ? await this.deps.store.open(photoKey(photoId), range) : null;
    if (!object) throw notFound('photo');
    return object;
  }

  /**
   * A statement of its own: only now, with the photos' locks, does it see every job that holds them. Those that are
   * purged already are let go too, so that their rows go with the last job that names them.
   */
  private async release(sql: Sql, jobId: string, photoIds: readonly string[]): Promise<void> {
    await sql.rows(
      `UPDATE photos SET purge_at = now() + $3 * interval '1 ms', updated_at = now()
        WHERE id = ANY($1) AND NOT ${isNeeded('$2::uuid')}`,
      [photoIds, jobId, this.deps.retentionMs],
    );
  }

  /** Two statements: whether the photo is still wanted is asked after the evidence stands. */
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

  /** @returns the address as it will be asked for */
  private checkAddress(url: string, field: string): string {
    try {
      return this.deps.checkUrl(url).href;
    } catch (error) {
      throw new DomainError(
        'INVALID_INPUT',
        'Photos are fetched from public web addresses only, by http or https. Give another address, or upload the photo.',
        { field, cause: error },
      );
    }
  }
}

/** Locks a job's photos, always in the same order, so that two who end jobs never wait for each other. */
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
  throw new DomainError(
    'INVALID_INPUT',
    `This ${noun} is given twice. Each photo counts once; leave it out.`,
    {
      field: fieldAt(second),
    },
  );
}

/** Why a photo cannot be used, by its state. */
const unusable = {
  AWAITING_UPLOAD: ['PHOTO_NOT_READY', 'The bytes of this photo have not come yet. Upload it first.'],
  FETCHING: ['PHOTO_NOT_READY', 'This photo is still being fetched. Try again when it is READY.'],
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

/** What the last part of an address calls the photo, where that is plainly a file's name. */
function filenameIn(url: string): string | null {
  return /\/([\w.()-]{1,120}\.(?:jpe?g|png))(?:[?#]|$)/i.exec(url)?.[1] ?? null;
}
