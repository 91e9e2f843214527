import { DomainError, isServiceUnavailable, notFound, type ErrorCode } from '../core/errors';
import { newId } from '../core/ids';
import { ProblemCollector } from '../core/input-problems';
import type { Sql, Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import type { MediaStore, OpenObject, RangeRequest } from '../storage/media-store';
import {
  countKept,
  deleteUnshared,
  findBytes,
  holdPhotos,
  lockPhotosOf,
  mayFetch,
  listJobPhotos,
  recordFetch,
  releasePhotos,
} from './job-photo.repository';
import { openPhoto } from './open-photo';
import { invalidSignature, readPaidCall, type PaidCall, type PhotoUrls } from './photo-urls';
import { keysOf, type PhotoEntity, type PhotoName, type PhotoUse } from './photo.entity';
import { findPhotos, insertLinked } from './photo.repository';
import type { PhotoStatus } from './photo.state';

/** A photo for a new job: the UUID of an uploaded one, or a public URL; with its path in the input, for errors. */
export type PhotoSource = { readonly field: string } & (
  | { readonly photoId: string; readonly url?: undefined }
  | { readonly url: string; readonly photoId?: undefined }
);

export interface JobPhotoServiceDeps {
  database: Transactions;
  media: MediaStore;
  urls: PhotoUrls;
  /** Throws if a URL is invalid without being fetched: not http(s), too long, or a private address. */
  checkUrl: (url: string) => URL;
  /** Called when a fetch by an upstream could not be recorded and was therefore refused. */
  onUnrecordedFetch: () => void;
  use: PhotoUse;
  /** How long photos are kept after the end of the job that needed them, in milliseconds. */
  retentionMs: number;
}

/**
 * The photos of paid calls: those of a model's training, or the one of a generation without training. Both are
 * called a job here, identified by their UUID.
 */
export class JobPhotoService {
  constructor(private readonly deps: JobPhotoServiceDeps) {}

  /**
   * Keeps the photos of a new job until {@link release}, in the transaction that creates it. Uploaded ones are locked
   * until the transaction ends; for URLs, rows of photos to be fetched are created.
   * @returns the UUIDs of the photos, in the given order
   * @throws DomainError as {@link check}; the transaction must be rolled back
   */
  async accept(sql: Sql, viewer: Viewer, sources: readonly PhotoSource[]): Promise<string[]> {
    const addresses = this.checkSources(sources, await holdPhotos(sql, viewer.owner, uploadedIn(sources)));
    const linked = new Map([...addresses.keys()].map((source) => [source, newId()]));
    const urls = [...addresses.values()];
    if (urls.length > 0)
      await insertLinked(sql, viewer.owner, [...linked.values()], urls, urls.map(filenameIn));
    return sources.map((source) => source.photoId ?? linked.get(source)!);
  }

  /**
   * Checks, without keeping them, whether photos can be used for a new job.
   * @throws DomainError NOT_FOUND, INVALID_INPUT (duplicate, or a URL that is not public), PHOTO_NOT_READY or
   * PHOTO_INVALID with the field of each photo that cannot be used
   */
  async check(viewer: Viewer, sources: readonly PhotoSource[]): Promise<void> {
    const photos = await findPhotos(this.deps.database, viewer.owner, uploadedIn(sources));
    this.checkSources(
      sources,
      photos.filter((photo) => photo !== null),
    );
  }

  /**
   * @param photos - the existing photos of the owner among the sources
   * @returns the normalized URLs by source
   */
  private checkSources(
    sources: readonly PhotoSource[],
    photos: readonly PhotoEntity[],
  ): Map<PhotoSource, string> {
    const uploaded = new Map(photos.map((photo) => [photo.id, photo]));
    const addresses = new Map<PhotoSource, string>();
    const seen = new Set<string>();
    const problems = new ProblemCollector();
    for (const source of sources) {
      problems.check(() => {
        const key = source.photoId ?? this.checkAddress(source.url, source.field);
        if (source.photoId !== undefined) assertUsable(uploaded.get(source.photoId), source.field);
        else addresses.set(source, key);
        if (seen.has(key)) throw duplicate(source);
        seen.add(key);
      });
    }
    problems.throwIfAny();
    return addresses;
  }

  /**
   * Keeps the photos of the viewer's job for a retry, until {@link release}.
   * @returns how many are kept; the others have been deleted or purged, and the transaction must be rolled back
   */
  async holdForRetry(sql: Sql, viewer: Viewer, jobId: string): Promise<number> {
    const ids = (await listJobPhotos(sql, jobId)).map(({ id }) => id);
    const held = await holdPhotos(sql, viewer.owner, ids);
    return held.filter(({ status }) => status !== 'PURGED').length;
  }

  /** The UUIDs of those jobs of the viewer of which {@link holdForRetry} would keep the needed number of photos. */
  async withKept(
    sql: Sql,
    { owner }: Viewer,
    jobs: readonly { id: string; needed: number }[],
  ): Promise<ReadonlySet<string>> {
    const ids = jobs.filter(({ needed }) => needed > 0).map(({ id }) => id);
    const kept = ids.length > 0 ? await countKept(sql, owner, ids) : new Map<string, number>();
    return new Set(jobs.filter(({ id, needed }) => (kept.get(id) ?? 0) >= needed).map(({ id }) => id));
  }

  /**
   * Releases the photos of a job, in the transaction that ends it (ready, failed, cancelled) or deletes it, BEFORE its row
   * is deleted. They are purged after the retention period, unless another unfinished job uses them.
   */
  async release(sql: Sql, jobId: string): Promise<void> {
    const { use, retentionMs } = this.deps;
    await releasePhotos(sql, use, jobId, await lockPhotosOf(sql, jobId), retentionMs);
  }

  /**
   * Deletes the photos that only this model used, with their bytes, and releases the others; in the transaction
   * that deletes the model, BEFORE its row is deleted.
   */
  async deleteOfModel(sql: Sql, modelId: string): Promise<void> {
    const ids = await lockPhotosOf(sql, modelId);
    const { use, retentionMs } = this.deps;
    await releasePhotos(sql, use, modelId, ids, retentionMs);
    const deleted = await deleteUnshared(sql, modelId, ids);
    await scheduleDeletion(sql, deleted.flatMap(keysOf));
  }

  /** The photos of a job, in the given order, without those that have been deleted. */
  list(sql: Sql, jobId: string): Promise<PhotoEntity[]> {
    return listJobPhotos(sql, jobId);
  }

  /**
   * The URL by which the upstream fetches a photo for one paid call. It is valid until the given time, or until the
   * upstream has finished the job.
   * @param photoId - the row's UUID
   */
  upstreamUrl(photoId: string, call: PaidCall, expiresAtMs: number): string {
    return this.deps.urls.upstream(photoId, call, expiresAtMs);
  }

  /** Whether the store of photos is available; also if it has lost this one. */
  async canOpen(photo: PhotoName): Promise<boolean> {
    try {
      const object = await openPhoto(this.deps.media, photo);
      if (object) object.stream.destroy();
      else await this.deps.media.check();
      return true;
    } catch (error) {
      if (isServiceUnavailable(error)) return false;
      throw error;
    }
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
    const isNeeded = await this.recordFetch(call);
    if (verdict === 'invalid') throw invalidSignature();
    const photo = isNeeded && verdict === 'valid' ? await findBytes(this.deps.database, photoId) : null;
    const object = photo && (await openPhoto(this.deps.media, photo, range));
    if (!object) throw notFound('photo');
    return object;
  }

  /**
   * Records a request for a photo that the server refused before {@link openForUpstream}, such as one that a proxy
   * passed on with another Host header or path: it proves too that the paid call arrived. If it cannot be recorded, or
   * has another Host header and a path that does not show the call, photos count as not served at this time. Never
   * throws.
   * @param path - the request's path; paths of other requests are ignored
   */
  async recordRefusedFetch(path: string, reason: 'host' | 'path'): Promise<void> {
    const call = readPaidCall(path);
    if (call === 'unclear') {
      // Not for unknown paths: any client can send them, and would end the evidence of all calls.
      if (reason === 'host') this.deps.onUnrecordedFetch();
    } else if (call !== null) {
      // An error was reported by `onUnrecordedFetch`.
      await this.recordFetch(call).catch(() => undefined);
    }
  }

  /** Two statements: whether the photo is still needed is read after the fetch is recorded. */
  private async recordFetch(call: PaidCall): Promise<boolean> {
    const { database, onUnrecordedFetch } = this.deps;
    try {
      await recordFetch(database, call);
    } catch (error) {
      onUnrecordedFetch();
      throw error;
    }
    return mayFetch(database, this.deps.use, call);
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

/** The UUIDs of the uploaded photos. */
function uploadedIn(sources: readonly PhotoSource[]): string[] {
  return sources.flatMap(({ photoId }) => photoId ?? []);
}

function duplicate({ photoId, field }: PhotoSource): DomainError {
  const noun = photoId === undefined ? 'address' : 'photo';
  return new DomainError('INVALID_INPUT', `This ${noun} is given twice. Remove the duplicate.`, { field });
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
  if (photo.problems.length === 0) throw new DomainError(code, message, { field });
  const problems = photo.problems.map((problem) => ({
    code,
    field,
    message: `${message} ${problem.message}`,
  }));
  throw new DomainError(code, problems[0]!.message, { field, problems });
}

/** The filename in the last segment of a URL, if it clearly is one. */
function filenameIn(url: string): string | null {
  return /\/([\w.()-]{1,120}\.(?:jpe?g|png))(?:[?#]|$)/i.exec(url)?.[1] ?? null;
}
