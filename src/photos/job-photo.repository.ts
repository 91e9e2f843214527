import { isBeingErased } from '../accounts/write-admission.repository';
import { dueAt } from '../core/due';
import { textList, type Sql } from '../core/sql';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import type { PaidCall } from './photo-urls';
import { bytesColumns, keysOf, PhotoEntity, uploadKey, type PhotoBytes, type PhotoUse } from './photo.entity';

/** How long the row of a purged photo without a job is kept, in milliseconds, so that its owner can query it. */
const purgedRowMs = 30 * 86_400_000;

/** SQL for the photos of the job `$1`, as rows of `photo_id` and `position`. */
const photosOfJob = `(SELECT photo_id, position FROM model_photos WHERE model_id = $1
                      UNION ALL
                      SELECT photo_id, 0 FROM generations WHERE id = $1 AND photo_id IS NOT NULL)`;

/** An SQL condition that is true of a photo that a model or generation refers to. */
const isReferenced = `(EXISTS (SELECT FROM model_photos WHERE photo_id = photos.id)
                      OR EXISTS (SELECT FROM generations WHERE photo_id = photos.id))`;

/**
 * An SQL condition that is true of a row of `photos` while a model or generation needs its bytes.
 * @param exceptJob - SQL for the UUID of a job to ignore
 */
const isNeeded = (use: PhotoUse, exceptJob: string): string =>
  `(EXISTS (SELECT FROM model_photos JOIN models ON models.id = model_photos.model_id
             WHERE model_photos.photo_id = photos.id AND models.id IS DISTINCT FROM ${exceptJob}
               AND models.status IN (${textList(use.models)}))
    OR EXISTS (SELECT FROM generations
                WHERE generations.photo_id = photos.id AND generations.id IS DISTINCT FROM ${exceptJob}
                  AND generations.status IN (${textList(use.generations)})))`;

/** The photos of a job, in the given order, without those that have been deleted. */
export function listJobPhotos(sql: Sql, jobId: string): Promise<PhotoEntity[]> {
  return sql.entities(
    PhotoEntity,
    `SELECT photos.* FROM photos JOIN ${photosOfJob} AS used ON used.photo_id = photos.id ORDER BY used.position`,
    [jobId],
  );
}

/**
 * Locks an owner's photos in a fixed order, to prevent deadlocks, and keeps their bytes. If one of them is purged, the
 * transaction must be rolled back.
 */
export async function holdPhotos(sql: Sql, owner: string, ids: readonly string[]): Promise<PhotoEntity[]> {
  if (ids.length === 0) return [];
  return sql.entities(
    PhotoEntity,
    `WITH locked AS (SELECT id FROM photos WHERE id = ANY($1) AND owner = $2 ORDER BY id FOR UPDATE)
     UPDATE photos SET purge_at = NULL
       FROM locked WHERE photos.id = locked.id
     RETURNING photos.*`,
    [ids, owner],
  );
}

/**
 * SQL: the number of photos of a model that are neither deleted nor purged, as {@link countKept} counts them. All parameters
 * are SQL.
 */
export function keptPhotosOfModel(modelId: string, owner: string): string {
  return `(SELECT count(*) FROM model_photos JOIN photos ON photos.id = model_photos.photo_id
            WHERE model_photos.model_id = ${modelId} AND photos.owner = ${owner} AND photos.status <> 'PURGED')`;
}

/** SQL: the same of the only photo of a generation. */
export function keptPhotos(photoId: string, owner: string): string {
  return `(SELECT count(*) FROM photos WHERE id = ${photoId} AND owner = ${owner} AND status <> 'PURGED')`;
}

/**
 * SQL: when the first of a model's photos was or will be purged; null if no such time is set. All parameters are SQL.
 */
export function photosPurgedAt(modelId: string, owner: string): string {
  return `(SELECT min(CASE photos.status WHEN 'PURGED' THEN photos.updated_at ELSE photos.purge_at END)
             FROM model_photos JOIN photos ON photos.id = model_photos.photo_id
            WHERE model_photos.model_id = ${modelId} AND photos.owner = ${owner})`;
}

/** The same of several models, in the order of the ids. */
export async function findPhotosPurgedAt(
  sql: Sql,
  owner: string,
  modelIds: readonly string[],
): Promise<(Date | null)[]> {
  const rows = await sql.rows<{ at: Date | null }>(
    `SELECT ${photosPurgedAt('m.id', '$2')} AS at FROM unnest($1::uuid[]) WITH ORDINALITY AS m(id, n) ORDER BY m.n`,
    [modelIds, owner],
  );
  return rows.map(({ at }) => at);
}

/** The number of photos of each job that are neither deleted nor purged; a job without such photos is missing. */
export async function countKept(
  sql: Sql,
  owner: string,
  jobIds: readonly string[],
): Promise<Map<string, number>> {
  const rows = await sql.rows<{ id: string; kept: number }>(
    `SELECT used.job_id AS id, count(*)::int AS kept
       FROM (SELECT model_id AS job_id, photo_id FROM model_photos WHERE model_id = ANY($1)
             UNION ALL
             SELECT id, photo_id FROM generations WHERE id = ANY($1) AND photo_id IS NOT NULL) AS used
       JOIN photos ON photos.id = used.photo_id
      WHERE photos.owner = $2 AND photos.status <> 'PURGED'
      GROUP BY used.job_id`,
    [jobIds, owner],
  );
  return new Map(rows.map(({ id, kept }) => [id, kept]));
}

/** Locks a job's photos in a fixed order, to prevent deadlocks; returns their ids. */
export async function lockPhotosOf(sql: Sql, jobId: string): Promise<string[]> {
  const locked = await sql.rows<{ id: string }>(
    `SELECT photos.id FROM photos WHERE id IN (SELECT photo_id FROM ${photosOfJob} AS used) ORDER BY id FOR UPDATE`,
    [jobId],
  );
  return locked.map(({ id }) => id);
}

/**
 * Sets when a job's photos are purged, unless another unfinished job needs them. A separate statement, so that it sees,
 * after the photos are locked, every job that holds them. Purged photos are released too, so that their rows are
 * deleted with the last job that refers to them. The mark that they are used is reset by a trigger.
 */
export async function releasePhotos(
  sql: Sql,
  use: PhotoUse,
  jobId: string,
  ids: readonly string[],
  retentionMs: number,
): Promise<void> {
  await sql.rows(
    `UPDATE photos SET purge_at = now() + $3 * interval '1 ms', is_used = true,
                       updated_at = CASE status WHEN 'PURGED' THEN updated_at ELSE now() END
      WHERE id = ANY($1) AND NOT ${isNeeded(use, '$2::uuid')}`,
    [ids, jobId, retentionMs],
  );
}

/** Deletes those of the photos that only this model used. */
export function deleteUnshared(sql: Sql, modelId: string, ids: readonly string[]): Promise<PhotoBytes[]> {
  return sql.rows(
    `DELETE FROM photos
      WHERE id = ANY($1)
        AND NOT EXISTS (SELECT FROM model_photos WHERE photo_id = photos.id AND model_id <> $2)
        AND NOT EXISTS (SELECT FROM generations WHERE photo_id = photos.id)
     RETURNING ${bytesColumns}`,
    [ids, modelId],
  );
}

/** When the next photo is to be purged. */
export const photoPurgeDue = dueAt('(SELECT min(purge_at) FROM photos)');

/**
 * Purges due photos, in the caller's transaction: schedules deletion of their bytes, and clears personal data. Deletes
 * unused slots, and after 30 days the rows of purged photos that no model or generation refers to. Photos that a job has
 * started to use are kept. Safe to run concurrently in several processes.
 * @returns the number of due photos; if it equals `limit`, more may be due
 */
export async function purgeDuePhotos(sql: Sql, use: PhotoUse, limit: number): Promise<number> {
  const due = await sql.rows<{ id: string }>(
    `SELECT id FROM photos WHERE purge_at <= now() ORDER BY purge_at LIMIT $1 FOR UPDATE ${sql.engine.skipLocked}`,
    [limit],
  );
  if (due.length === 0) return 0;
  const ids = due.map(({ id }) => id);
  // A job may have started to use a photo after its time was set. With the rows locked, no new job can.
  await sql.rows(`UPDATE photos SET purge_at = NULL WHERE id = ANY($1) AND ${isNeeded(use, 'NULL')}`, [ids]);
  const deleted = await sql.rows<PhotoBytes>(
    `DELETE FROM photos
      WHERE id = ANY($1) AND purge_at IS NOT NULL
        AND (status = 'AWAITING_UPLOAD' OR (status = 'PURGED' AND NOT ${isReferenced}))
     RETURNING ${bytesColumns}`,
    [ids],
  );
  const purged = await sql.rows<PhotoBytes>(
    `UPDATE photos
        SET status = 'PURGED', filename = NULL, source_url = NULL, source_sha256 = NULL, problems = '[]',
            due_at = NULL, lease = NULL, updated_at = CASE status WHEN 'PURGED' THEN updated_at ELSE now() END,
            purge_at = CASE WHEN NOT ${isReferenced} THEN now() + $2 * interval '1 ms' END
      WHERE id = ANY($1) AND purge_at IS NOT NULL
     RETURNING ${bytesColumns}`,
    [ids, purgedRowMs],
  );
  // Of the deleted rows, only files in the bucket that were not checked in time have bytes.
  const unchecked = deleted.filter(({ dueAt }) => dueAt !== null).map(({ id }) => uploadKey(id));
  await scheduleDeletion(sql, [...unchecked, ...purged.flatMap(keysOf)]);
  return ids.length;
}

/** Records that the upstream has fetched a photo of a paid call. */
export async function recordFetch(sql: Sql, { jobId, attempt }: PaidCall): Promise<void> {
  await sql.rows(
    `UPDATE submissions SET photos_fetched_at = now()
      WHERE (model_id = $1 OR generation_id = $1) AND attempt = $2 AND photos_fetched_at IS NULL`,
    [jobId, attempt],
  );
}

/** What names the bytes of a photo; null if it is deleted. */
export async function findBytes(sql: Sql, id: string): Promise<PhotoBytes | null> {
  const [photo] = await sql.rows<PhotoBytes>(`SELECT ${bytesColumns} FROM photos WHERE id = $1`, [id]);
  return photo ?? null;
}

/** Whether the upstream may still need the photos of a paid call, and its owner's data are not being erased. */
export async function mayFetch(sql: Sql, use: PhotoUse, { jobId, attempt }: PaidCall): Promise<boolean> {
  const called = (states: readonly string[]): string =>
    textList(states.filter((state) => state !== 'QUEUED'));
  const jobs = await sql.rows(
    `SELECT owner FROM (
       SELECT owner FROM models
        WHERE id = $1 AND attempt = $2 AND status IN (${called(use.models)})
       UNION ALL
       SELECT owner FROM generations
        WHERE id = $1 AND attempt = $2 AND status IN (${called(use.generations)})) AS jobs
      WHERE NOT ${isBeingErased('jobs.owner')}`,
    [jobId, attempt],
  );
  return jobs.length > 0;
}

/** Locks the owner's generations that use a photo. */
export async function lockGenerationsUsing(sql: Sql, owner: string, photoId: string): Promise<void> {
  await sql.rows('SELECT id FROM generations WHERE photo_id = $1 AND owner = $2 FOR UPDATE', [
    photoId,
    owner,
  ]);
}

/** The models and generations that use a photo, by UUID. */
export async function jobsOf(sql: Sql, photoId: string): Promise<string[]> {
  const rows = await sql.rows<{ id: string }>(
    `SELECT model_id AS id FROM model_photos WHERE photo_id = $1
     UNION ALL
     SELECT id FROM generations WHERE photo_id = $1`,
    [photoId],
  );
  return rows.map(({ id }) => id);
}

/**
 * Makes the given jobs due now if they wait for photos. Call it AFTER the photo's change has been committed, never
 * in the same transaction: the end of a job locks its row first and then its photos, so that would deadlock. A lost
 * wake-up only causes a delay, since QUEUED rows always have a due time.
 */
export async function makeJobsDue(sql: Sql, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length === 0) return;
  for (const table of ['models', 'generations']) {
    await sql.rows(
      `UPDATE ${table} SET due_at = now() WHERE id = ANY($1) AND status = 'QUEUED' AND due_at > now()`,
      [jobIds],
    );
  }
}
