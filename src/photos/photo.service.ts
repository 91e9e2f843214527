import { audit } from '../accounts/audit';
import { isBeingErased, transactionFor } from '../accounts/erasure-gate';
import { DomainError, notFound } from '../core/errors';
import { fromGlobalId, newId, readGlobalId, toGlobalId } from '../core/ids';
import { camelRow, type Sql, type Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { scheduleDeletion, type MediaDeletion } from '../storage/media-deletion';
import type { ByteRange, MediaStore, OpenObject } from '../storage/media-store';
import { checkFiles, type PhotoFile } from './photo-file';
import { photoKey, unusedPhotoMs, unusedSlotMs } from './photo-lifetime';
import { photoUrlMs, type PhotoUrls } from './photo-urls';
import type { PhotoEntity } from './photo.entity';
import { jobsOf, wakeJobs } from './waiting-jobs';

/** How many photos an owner may have that no training uses. */
const maxUnused = 1_000;

/** Where and how to send one photo. */
export interface PhotoUpload {
  photo: PhotoEntity;
  /** Takes a PUT of the bytes. */
  uploadUrl: string;
  headers: { name: string; value: string }[];
  expiresAt: Date;
}

/** What {@link PhotoService} stands on. */
export interface PhotoServiceDeps {
  database: Transactions;
  store: MediaStore;
  deletion: MediaDeletion;
  urls: PhotoUrls;
  /** Of one photo, as it is sent. */
  maxPhotoBytes: number;
}

/** What owners do with their photos. Whatever is somebody else's is answered as if it did not exist. */
export class PhotoService {
  constructor(private readonly deps: PhotoServiceDeps) {}

  /**
   * Gives out a slot for each file, in the files' order. Nothing is stored under a filename: it is only shown.
   * @throws DomainError INVALID_INPUT, PHOTO_TYPE_UNSUPPORTED, PHOTO_TOO_LARGE with the file's field; QUOTA_EXCEEDED
   */
  async createUploads(viewer: Viewer, files: readonly PhotoFile[]): Promise<PhotoUpload[]> {
    const { database, urls, maxPhotoBytes } = this.deps;
    checkFiles(files, maxPhotoBytes);
    await this.checkUnused(viewer, files.length);
    const ids = files.map(() => newId());
    const rows = await transactionFor(database, viewer, (sql) =>
      sql.rows<Record<string, unknown>>(
        `INSERT INTO photos (id, owner, status, filename, purge_at)
       SELECT slot.id, $1, 'AWAITING_UPLOAD', slot.filename, now() + $4 * interval '1 ms'
         FROM unnest($2::uuid[], $3::text[]) AS slot (id, filename)
       RETURNING *`,
        [viewer.owner, ids, files.map(({ filename }) => filename), unusedSlotMs],
      ),
    );
    const photos = byId(rows);
    const expiresAt = new Date(Date.now() + photoUrlMs);
    return ids.map((id, index) => ({
      photo: photos.get(id)!,
      uploadUrl: urls.upload(id, expiresAt.getTime()),
      headers: [{ name: 'Content-Type', value: files[index]!.contentType }],
      expiresAt,
    }));
  }

  /** The viewer's photo with this global id, or null. */
  async find(viewer: Viewer, globalId: string): Promise<PhotoEntity | null> {
    const read = readGlobalId(globalId);
    if (read?.kind !== 'Photo') return null;
    const [row] = await this.deps.database.rows<Record<string, unknown>>(
      'SELECT * FROM photos WHERE id = $1 AND owner = $2',
      [read.id, viewer.owner],
    );
    return row ? camelRow<PhotoEntity>(row) : null;
  }

  /** Loads photos by UUID, whoever's they are, in the order of the ids. For loaders below a row that was checked. */
  async byIds(ids: readonly string[]): Promise<(PhotoEntity | null)[]> {
    const rows = await this.deps.database.rows<Record<string, unknown>>(
      'SELECT * FROM photos WHERE id = ANY($1)',
      [ids],
    );
    const photos = byId(rows);
    return ids.map((id) => photos.get(id) ?? null);
  }

  /** Loads the photos of models in the order they were given, for each of the models' UUIDs; likewise for loaders. */
  async ofModels(modelIds: readonly string[]): Promise<PhotoEntity[][]> {
    const rows = await this.deps.database.rows<Record<string, unknown> & { model_id: string }>(
      `SELECT photos.*, model_photos.model_id FROM model_photos JOIN photos ON photos.id = model_photos.photo_id
        WHERE model_photos.model_id = ANY($1) ORDER BY model_photos.position`,
      [modelIds],
    );
    const photos = new Map<string, PhotoEntity[]>(modelIds.map((id) => [id, []]));
    for (const { model_id, ...row } of rows) photos.get(model_id)?.push(camelRow<PhotoEntity>(row));
    return modelIds.map((id) => photos.get(id)!);
  }

  /** A URL that shows the photo for an hour; null unless there is something to show. Only for the owner's eyes. */
  viewUrl(photo: Pick<PhotoEntity, 'id' | 'status'>): string | null {
    return photo.status === 'READY' ? this.deps.urls.view(photo.id, Date.now() + photoUrlMs) : null;
  }

  /**
   * Opens the photo of a URL made by {@link viewUrl}: a JPEG.
   * @param photoId - the global id in the URL
   * @throws DomainError INVALID_SIGNATURE; NOT_FOUND once the photo is deleted or purged
   */
  async openForViewer(photoId: string, query: URLSearchParams, range?: ByteRange): Promise<OpenObject> {
    this.deps.urls.checkView(photoId, query);
    const id = fromGlobalId('Photo', photoId);
    const ready = await this.deps.database.rows(
      `SELECT id FROM photos WHERE id = $1 AND status = 'READY' AND NOT ${isBeingErased('photos.owner')}`,
      [id],
    );
    const object = ready.length > 0 ? await this.deps.store.open(photoKey(id), range) : null;
    if (!object) throw notFound('photo');
    return object;
  }

  /**
   * Deletes the photo and its bytes, also while a training uses it: that fails unless it was submitted already. Deleting
   * what is deleted already, or never was the viewer's, is answered alike.
   * @returns the id that was given
   * @throws DomainError NOT_FOUND if the id is no photo's at all
   */
  async deletePhoto(viewer: Viewer, photoId: string): Promise<string> {
    const { database, deletion } = this.deps;
    const id = fromGlobalId('Photo', photoId);
    const waiting = await transactionFor(database, viewer, (sql) => deleteRow(sql, viewer, id));
    if (waiting === null) return photoId;
    await deletion.deleteNow([photoKey(id)]);
    await wakeJobs(database, waiting);
    return photoId;
  }

  private async checkUnused(viewer: Viewer, more: number): Promise<void> {
    // Ids begin with their time, so that older photos, purged by now, are not even looked at.
    const oldest = newId(Date.now() - unusedPhotoMs - unusedSlotMs);
    const [unused] = await this.deps.database.rows<{ count: number }>(
      `SELECT count(*)::integer AS count FROM photos
        WHERE owner = $1 AND id > $2 AND purge_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM model_photos WHERE photo_id = photos.id)`,
      [viewer.owner, oldest],
    );
    if (unused!.count + more <= maxUnused) return;
    throw new DomainError(
      'QUOTA_EXCEEDED',
      `You have ${unused!.count} photos that no model uses, of at most ${maxUnused}. Train with them or delete some; what is not used goes by itself within a day.`,
      { details: { given: unused!.count, maximum: maxUnused } },
    );
  }
}

/** @returns the jobs that may wait for the photo, or null if the viewer has no such photo */
async function deleteRow(sql: Sql, viewer: Viewer, id: string): Promise<string[] | null> {
  // The deletion writes to the photo's generations. They come first here as in their own ends, which lock their row and
  // then the photo's: so none waits for the other.
  await sql.rows('SELECT id FROM generations WHERE photo_id = $1 AND owner = $2 FOR UPDATE', [
    id,
    viewer.owner,
  ]);
  const jobs = await jobsOf(sql, id);
  const deleted = await sql.rows('DELETE FROM photos WHERE id = $1 AND owner = $2 RETURNING id', [
    id,
    viewer.owner,
  ]);
  if (deleted.length === 0) return null;
  await scheduleDeletion(sql, [photoKey(id)]);
  await audit(sql, viewer, { action: 'deletePhoto', subject: toGlobalId('Photo', id) });
  return jobs;
}

function byId(rows: readonly Record<string, unknown>[]): Map<string, PhotoEntity> {
  return new Map(rows.map((row) => camelRow<PhotoEntity>(row)).map((photo) => [photo.id, photo]));
}
