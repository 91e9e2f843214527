import { isBeingErased } from '../accounts/write-admission.repository';
import { isAnyOf, isCreatedIn, type CreatedRange } from '../core/list-conditions';
import { isOwnedBy, type ListTable } from '../core/list-statements';
import { groupsOf, type Sql } from '../core/sql';
import { bytesColumns, PhotoEntity, type PhotoBytes, type PhotoProblemRow } from './photo.entity';
import { photoStatuses, type PhotoStatus } from './photo.state';

/**
 * How long a photo that no training uses is kept after it was uploaded or rejected, in milliseconds. After a
 * training, `PHOTO_RETENTION` applies.
 */
export const unusedPhotoMs = 24 * 3_600_000;

/** How long a slot without bytes is kept, in milliseconds: the URL's hour, and another for an upload in progress. */
export const unusedSlotMs = 2 * 3_600_000;

/** How long bytes that are being stored block other bytes for the same photo, in milliseconds. */
export const storingMs = 60_000;

/** Which photos. All conditions hold; null or absent: any. */
export interface PhotoFilter {
  readonly statuses?: readonly PhotoStatus[] | null;
  readonly isUnused?: boolean | null;
  readonly created?: CreatedRange | null;
}

/**
 * SQL: no model or generation uses the photo. Such a photo is always to be purged, and has an index of its own with the few
 * of which it is not known that one does. `LIMIT` keeps PostgreSQL from reading all rows of the other tables into a hash
 * table, which it does for `EXISTS` in an `OR`.
 */
const isUnused = `(purge_at IS NOT NULL AND NOT is_used AND (SELECT true FROM model_photos WHERE photo_id = photos.id LIMIT 1) IS NULL
  AND (SELECT true FROM generations WHERE photo_id = photos.id LIMIT 1) IS NULL)`;

/** The lists of photos. */
export const photoTable: ListTable<PhotoEntity, PhotoFilter> = {
  entity: PhotoEntity,
  table: 'photos',
  indexed: { status: photoStatuses },
  conditionsOf: (filter) => [
    ...isAnyOf('status', filter.statuses, 'filter.statuses'),
    ...(filter.isUnused == null ? [] : [filter.isUnused ? { text: isUnused } : { exceptText: isUnused }]),
    ...isCreatedIn(filter.created, 'filter.created'),
  ],
};

/** A photo to be uploaded. It is REJECTED if it has problems. */
export interface NewSlot {
  readonly id: string;
  readonly filename: string | null;
  readonly problems: readonly PhotoProblemRow[];
  /** Whether it is uploaded to the bucket. */
  readonly isDirect: boolean;
}

/** When an upload to the bucket is looked for first, in milliseconds. */
const firstLookMs = 1_000;

/** Inserts rows for photos to be uploaded, in any order. */
export function insertSlots(sql: Sql, owner: string, slots: readonly NewSlot[]): Promise<PhotoEntity[]> {
  return sql.entities(
    PhotoEntity,
    `INSERT INTO photos (id, owner, status, filename, problems, purge_at, due_at)
     SELECT slot.id, $1, CASE WHEN slot.problems = '[]' THEN 'AWAITING_UPLOAD' ELSE 'REJECTED' END,
            slot.filename, slot.problems::jsonb, now() + $5 * interval '1 ms',
            CASE WHEN slot.is_direct THEN now() + $7 * interval '1 ms' END
       FROM unnest($2::uuid[], $3::text[], $4::text[], $6::boolean[]) AS slot (id, filename, problems, is_direct)
     RETURNING *`,
    [
      owner,
      slots.map(({ id }) => id),
      slots.map(({ filename }) => filename),
      slots.map(({ problems }) => JSON.stringify(problems)),
      unusedSlotMs,
      slots.map(({ isDirect }) => isDirect),
      firstLookMs,
    ],
  );
}

/** Inserts rows for photos to be fetched. They are kept until their job ends. */
export async function insertLinked(
  sql: Sql,
  owner: string,
  ids: readonly string[],
  urls: readonly string[],
  filenames: readonly (string | null)[],
): Promise<void> {
  await sql.rows(
    `INSERT INTO photos (id, owner, status, filename, source_url, due_at)
     SELECT source.id, $1, 'FETCHING', source.filename, source.url, now()
       FROM unnest($2::uuid[], $3::text[], $4::text[]) AS source (id, filename, url)`,
    [owner, ids, filenames, urls],
  );
}

/** SQL that selects an owner's photo by its id, or several by `ANY`. */
export function selectPhoto(id: string, owner: string): string {
  return `SELECT * FROM photos WHERE id = ${id} AND owner = ${owner}`;
}

/** SQL that selects the photos of a model in the given order, or those of several by `ANY`. */
export function selectPhotosOfModel(modelId: string, owner: string, columns = 'photos.*'): string {
  return `SELECT ${columns}
            FROM model_photos JOIN photos ON photos.id = model_photos.photo_id
           WHERE model_photos.model_id = ${modelId} AND ${isOwnedBy(owner)} ORDER BY model_photos.position`;
}

/** The owner's photos with the given ids, in their order. */
export async function findPhotos(
  sql: Sql,
  owner: string,
  ids: readonly string[],
): Promise<(PhotoEntity | null)[]> {
  const rows = await sql.entities(PhotoEntity, selectPhoto('ANY($1)', '$2'), [ids, owner]);
  const photos = new Map(rows.map((photo) => [photo.id, photo]));
  return ids.map((id) => photos.get(id) ?? null);
}

/** The photos of each model, in the given order. */
export async function photosOfModels(
  sql: Sql,
  owner: string,
  modelIds: readonly string[],
): Promise<PhotoEntity[][]> {
  const rows = await sql.entities<PhotoEntity, { modelId: string }>(
    PhotoEntity,
    selectPhotosOfModel('ANY($1)', '$2', 'photos.*, model_photos.model_id AS "modelId"'),
    [modelIds, owner],
  );
  return groupsOf(modelIds, rows, ({ modelId }) => modelId);
}

/** The photo that a signed URL names; null if it is deleted or purged, or its owner's data are being erased. */
export async function findAvailable(sql: Sql, id: string): Promise<PhotoEntity | null> {
  const [photo] = await sql.entities(
    PhotoEntity,
    `SELECT * FROM photos WHERE id = $1 AND status <> 'PURGED' AND NOT ${isBeingErased('photos.owner')}`,
    [id],
  );
  return photo ?? null;
}

/** Counts the owner's photos that no model uses, among those with a later id. */
export async function countUnused(sql: Sql, owner: string, afterId: string): Promise<number> {
  const [unused] = await sql.rows<{ count: number }>(
    `SELECT count(*)::integer AS count FROM photos
      WHERE owner = $1 AND id > $2 AND purge_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM model_photos WHERE photo_id = photos.id)`,
    [owner, afterId],
  );
  return unused!.count;
}

/** Bytes that are about to be stored. */
export interface AnnouncedBytes {
  id: string;
  /** The lease of the fetch; null for an upload to the gateway. */
  lease: string | null;
  /** The SHA-256 of the received bytes. */
  sha256: string;
}

/** Media tokens of a photo, when bytes are announced. */
export interface AnnouncedTokens {
  /** To store the bytes with; no other try gets it. */
  readonly mediaToken: string;
  /** That of the try before, which may have left bytes; null if there was none. */
  readonly earlierToken: string | null;
}

/**
 * Records in the row which bytes are about to be stored, and in which media key, unless others are. So row and bytes match
 * even if two uploads for one photo run concurrently.
 * @param token - for the media key, unless this is the first try
 * @returns null if the row does not expect them
 */
export async function announceBytes(
  sql: Sql,
  { id, lease, sha256 }: AnnouncedBytes,
  token: string,
): Promise<AnnouncedTokens | null> {
  const [row] = await sql.rows<AnnouncedTokens>(
    `UPDATE photos SET source_sha256 = $3, updated_at = now(), media_token = CASE WHEN earlier_token IS NULL THEN '' ELSE $4 END
       FROM (SELECT id AS earlier_id, media_token AS earlier_token FROM photos WHERE id = $1 FOR UPDATE) earlier
      WHERE id = earlier_id
        AND ((status IN ('FETCHING', 'AWAITING_UPLOAD') AND lease = $2)
          OR (status IN ('AWAITING_UPLOAD', 'REJECTED') AND $2::uuid IS NULL
              AND (source_sha256 IS NULL OR source_sha256 = $3 OR updated_at < now() - $5 * interval '1 ms')))
     RETURNING media_token AS "mediaToken", earlier_token AS "earlierToken"`,
    [id, lease, sha256, token, storingMs],
  );
  return row ?? null;
}

/** A photo whose bytes are stored. */
export interface StoredPhoto extends AnnouncedBytes {
  mediaToken: string;
  width: number;
  height: number;
  byteSize: number;
}

/** Moves a row to READY; null if it no longer expects these bytes. */
export async function markReady(sql: Sql, photo: StoredPhoto): Promise<PhotoEntity | null> {
  const [row] = await sql.entities(
    PhotoEntity,
    `UPDATE photos
        SET status = 'READY', source_sha256 = $3, width = $4, height = $5, byte_size = $6, media_token = $8, problems = '[]',
            source_url = NULL, due_at = NULL, lease = NULL, updated_at = now(),
            purge_at = CASE WHEN status = 'FETCHING' THEN purge_at ELSE now() + $7 * interval '1 ms' END
      WHERE id = $1 AND ((status IN ('FETCHING', 'AWAITING_UPLOAD') AND lease = $2)
                      OR (status IN ('AWAITING_UPLOAD', 'REJECTED') AND source_sha256 = $3 AND $2::uuid IS NULL))
     RETURNING *`,
    [
      ...[photo.id, photo.lease, photo.sha256, photo.width, photo.height, photo.byteSize],
      ...[unusedPhotoMs, photo.mediaToken],
    ],
  );
  return row ?? null;
}

/** Moves the row of a fetched photo, or of one found in the bucket, to REJECTED; false if the lease has ended. */
export async function markFetchRejected(
  sql: Sql,
  id: string,
  problem: PhotoProblemRow,
  lease: string,
): Promise<boolean> {
  const rows = await sql.rows(
    `UPDATE photos
        SET status = 'REJECTED', problems = $3, source_url = NULL, due_at = NULL, lease = NULL, updated_at = now(),
            purge_at = CASE WHEN status = 'FETCHING' THEN purge_at ELSE now() + $4 * interval '1 ms' END
      WHERE id = $1 AND status IN ('FETCHING', 'AWAITING_UPLOAD') AND lease = $2
     RETURNING id`,
    [id, lease, JSON.stringify([problem]), unusedPhotoMs],
  );
  return rows.length > 0;
}

/** Moves the row of an uploaded photo to REJECTED, unless a valid one has been stored meanwhile. */
export async function markUploadRejected(sql: Sql, id: string, problem: PhotoProblemRow): Promise<void> {
  await sql.rows(
    `UPDATE photos
        SET status = 'REJECTED', problems = $2, tries = tries + 1, updated_at = now(), purge_at = now() + $3 * interval '1 ms'
      WHERE id = $1 AND status IN ('AWAITING_UPLOAD', 'REJECTED')`,
    [id, JSON.stringify([problem]), unusedPhotoMs],
  );
}

/** Whether the photo has the bytes that were stored with this token. */
export async function hasBytes(sql: Sql, id: string, mediaToken: string): Promise<boolean> {
  const rows = await sql.rows(
    `SELECT id FROM photos WHERE id = $1 AND media_token = $2 AND status = 'READY'`,
    [id, mediaToken],
  );
  return rows.length > 0;
}

/** Deletes an owner's photo; null if it does not exist. */
export async function deletePhoto(
  sql: Sql,
  owner: string,
  id: string,
): Promise<(PhotoBytes & { isOfModel: boolean }) | null> {
  const [deleted] = await sql.rows<PhotoBytes & { isOfModel: boolean }>(
    `DELETE FROM photos WHERE id = $1 AND owner = $2
     RETURNING ${bytesColumns}, EXISTS (SELECT FROM model_photos WHERE photo_id = photos.id) AS "isOfModel"`,
    [id, owner],
  );
  return deleted ?? null;
}
