/**
 * How long a photo that no training uses is kept after it was uploaded or rejected, in milliseconds. After a
 * training, `PHOTO_RETENTION` applies.
 */
export const unusedPhotoMs = 24 * 3_600_000;

/** How long a slot without bytes is kept, in milliseconds: the URL's hour, and another for an upload in progress. */
export const unusedSlotMs = 2 * 3_600_000;

/** The media key of a photo. */
export function photoKey(photoId: string): string {
  return `photos/${photoId}.jpg`;
}

const unfinishedModels = `('QUEUED', 'SUBMITTING', 'UNCERTAIN', 'TRAINING')`;
const unfinishedGenerations = `('QUEUED', 'SUBMITTING', 'UNCERTAIN', 'GENERATING')`;

/**
 * An SQL condition that is true of a row of `photos` while an unfinished model or generation needs its bytes.
 * @param exceptJob - SQL for the UUID of a job to ignore
 */
export function isNeeded(exceptJob: string): string {
  return `(EXISTS (SELECT FROM model_photos JOIN models ON models.id = model_photos.model_id
                    WHERE model_photos.photo_id = photos.id AND models.status IN ${unfinishedModels}
                      AND models.id IS DISTINCT FROM ${exceptJob})
        OR EXISTS (SELECT FROM generations
                    WHERE generations.photo_id = photos.id AND generations.status IN ${unfinishedGenerations}
                      AND generations.id IS DISTINCT FROM ${exceptJob}))`;
}

/**
 * SQL for the photos of a job, as rows of `photo_id` and `position`: those of a model, or the one of a generation
 * without training.
 * @param job - SQL for the job's UUID
 */
export function photosOfJob(job: string): string {
  return `(SELECT photo_id, position FROM model_photos WHERE model_id = ${job}
           UNION ALL
           SELECT photo_id, 0 FROM generations WHERE id = ${job} AND photo_id IS NOT NULL)`;
}
