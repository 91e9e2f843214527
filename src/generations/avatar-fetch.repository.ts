import { textList, type Sql, type Transactions } from '../core/sql';
import { appendEvents } from '../events/event-log.repository';
import type { DownloadOutcome } from '../jobs/timeline-entry.entity';
import type { CallNote } from '../jobs/timeline-note';
import { addCall, trimTimelines } from '../jobs/timeline.repository';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import { AvatarEntity, type AvatarFailure, avatarKeys } from './avatar.entity';
import { unfinishedAvatarStates, type AvatarStatus } from './avatar.state';
import type { DownloadCall } from './download-call';
import type { GenerationCompletion } from './generation-completion';
import { avatarPayload, generationKind } from './generation.kind';
import { deleteRenditionsOf } from './rendition.repository';

/** One try to store a picture: the claimed row, the token of the bytes written for it, and its download, if any. */
export interface FetchTry {
  readonly row: AvatarEntity;
  token: string | null;
  download: DownloadCall | null;
}

/** The columns of a stored picture. */
export type StoredPicture = Pick<
  AvatarEntity,
  | 'width'
  | 'height'
  | 'byteSize'
  | 'contentType'
  | 'sha256'
  | 'placeholder'
  | 'previewSha256'
  | 'thumbhash'
  | 'hasContentCredentials'
>;

/** The failure of a try. */
export interface FailedTry {
  /** The failure code; null for a local error, which does not make the picture DELAYED or LOST. */
  code: AvatarFailure | null;
  message: string;
  /** How its download failed; null if it did not. */
  outcome: DownloadOutcome | null;
  retryInMs: number;
}

/** The bytes came from a fresh URL and are those of another picture of the generation, so the URL is not its own. */
export class DuplicatePicture extends Error {}

/** How long after storing a picture its bytes are first compared with its hash, in milliseconds. */
const firstCheckMs = 3_600_000;

/** Rows whose bytes are still to be fetched, or fetched again because they are damaged. */
const unfinished = `(status IN (${textList(unfinishedAvatarStates)}) OR damaged_at IS NOT NULL)`;

/**
 * The statements that end a try. Each changes the row only while the caller's lease is valid, and deletes the bytes
 * of the try unless the row refers to them.
 */
export class AvatarFetches {
  /** @param deadlineMs - how long fetching a picture may fail before its generation stops waiting for it */
  constructor(
    private readonly database: Transactions,
    private readonly completion: GenerationCompletion,
    private readonly deadlineMs: number,
  ) {}

  /**
   * Records the token of the bytes before they are written, so that they are deleted with the row or by the next
   * try even after a crash. Deletes the bytes of an earlier unfinished try.
   * @returns whether the lease is still valid
   */
  async begin({ row }: FetchTry, token: string): Promise<boolean> {
    // The token of a damaged picture is kept until the picture is replaced, since its bytes may be restored from a
    // backup.
    if (row.damagedAt !== null) return true;
    return this.database.transaction(async (sql) => {
      const held = await sql.rows(
        'UPDATE avatars SET media_token = $3 WHERE id = $1 AND lease = $2 AND due_at > now() RETURNING id',
        [row.id, row.lease, token],
      );
      if (held.length === 0) return false;
      if (row.mediaToken !== null) await scheduleDeletion(sql, avatarKeys(row));
      return true;
    });
  }

  /**
   * Marks the picture as STORED, appends the event and updates the generation.
   * @returns false if the lease has ended or the row is deleted; the bytes are then deleted
   * @throws DuplicatePicture
   */
  async markStored(attempt: FetchTry, picture: StoredPicture): Promise<boolean> {
    const { row, token } = attempt;
    const isStored = await this.database.transaction(async (sql) => {
      // Lock order: the generation's row first, so that of two workers storing the last two pictures one sees the
      // other's.
      await this.completion.lock(sql, row.generationId);
      const [stored] = await sql.entities(
        AvatarEntity,
        `UPDATE avatars SET status = 'STORED', source_url = NULL, due_at = NULL, lease = NULL, last_error = NULL,
                failing_since = NULL, failure_code = NULL, damaged_at = NULL, check_at = now() + $11 * interval '1 ms',
                width = $3, height = $4, byte_size = $5, content_type = $6, sha256 = $7, placeholder = $8,
                preview_sha256 = $9, media_token = $10, thumbhash = $12, has_content_credentials = $13
          WHERE id = $1 AND lease = $2 AND due_at > now() AND ${unfinished} RETURNING *`,
        [
          ...[row.id, row.lease, picture.width, picture.height, picture.byteSize, picture.contentType],
          ...[picture.sha256, picture.placeholder, picture.previewSha256, token, firstCheckMs],
          ...[picture.thumbhash, picture.hasContentCredentials],
        ],
      );
      if (!stored) {
        await this.discard(sql, attempt);
        return false;
      }
      // An id proves whose picture it is, and so do the bytes of the damaged picture itself.
      if (row.resultRef === null && row.sha256 !== stored.sha256) await this.refuseDuplicate(sql, row.id);
      if (row.damagedAt !== null) {
        await scheduleDeletion(sql, avatarKeys(row));
        await deleteRenditionsOf(sql, [row.id]);
      }
      await this.appendEvent(sql, row, stored);
      await addCall(sql, generationKind, row.generationId, { kind: 'AVATAR_STORED', ...callOf(attempt) });
      await this.completion.updateProgress(sql, row.generationId);
      return true;
    });
    if (isStored) this.completion.notify(row);
    return isStored;
  }

  /**
   * Records a failed try that will be repeated. A picture that has failed for too long becomes DELAYED.
   * @returns the row's new state; null if the lease has ended or the row is deleted
   */
  async markFailed(
    attempt: FetchTry,
    { code, message, outcome, retryInMs }: FailedTry,
  ): Promise<AvatarStatus | null> {
    const { row } = attempt;
    const status = await this.database.transaction(async (sql) => {
      await this.completion.lock(sql, row.generationId);
      const [failed] = await sql.rows<{ status: AvatarStatus }>(
        `UPDATE avatars a
            SET tries = tries + 1, lease = NULL, last_error = $3, failure_code = coalesce($4::text, failure_code),
                media_token = CASE WHEN damaged_at IS NULL THEN NULL ELSE media_token END,
                failing_since = f.since,
                status = CASE WHEN status = 'PENDING' AND f.since <= now() - $6 * interval '1 ms' THEN 'DELAYED' ELSE status END,
                due_at = least(now() + $5 * interval '1 ms',
                               CASE WHEN status = 'PENDING' AND f.since IS NOT NULL
                                    THEN greatest(f.since + $6 * interval '1 ms', now() + interval '1 s') END,
                               CASE WHEN expires_at > now() THEN expires_at END)
           FROM (SELECT id, coalesce(failing_since, CASE WHEN $4::text IS NOT NULL THEN now() END) AS since FROM avatars WHERE id = $1) f
          WHERE a.id = f.id AND lease = $2 AND ${unfinished}
         RETURNING status`,
        [row.id, row.lease, message.slice(0, 500), code, retryInMs, this.deadlineMs],
      );
      await this.discard(sql, attempt);
      if (failed) await this.recordFailure(sql, attempt, outcome);
      if (failed?.status === 'DELAYED' && row.status === 'PENDING') {
        await this.completion.updateProgress(sql, row.generationId);
      }
      return failed?.status ?? null;
    });
    if (status !== row.status) this.completion.notify(row);
    return status;
  }

  /** Returns the row at shutdown without counting a failure, so that another process retries immediately. */
  async release(attempt: FetchTry): Promise<void> {
    const { row } = attempt;
    await this.database.transaction(async (sql) => {
      await sql.rows(
        `UPDATE avatars SET lease = NULL, due_at = now(),
                media_token = CASE WHEN damaged_at IS NULL THEN NULL ELSE media_token END
          WHERE id = $1 AND lease = $2 AND ${unfinished}`,
        [row.id, row.lease],
      );
      await this.discard(sql, attempt);
    });
  }

  /** Marks the picture as LOST. A damaged one keeps its state: its bytes may be restored from a backup. */
  async markLost(attempt: FetchTry, code: AvatarFailure): Promise<void> {
    const { row } = attempt;
    await this.database.transaction(async (sql) => {
      await this.completion.lock(sql, row.generationId);
      const [changed] = await sql.rows<{ status: AvatarStatus }>(
        `UPDATE avatars SET status = CASE WHEN damaged_at IS NULL THEN 'LOST' ELSE status END,
                media_token = CASE WHEN damaged_at IS NULL THEN NULL ELSE media_token END,
                source_url = NULL, due_at = NULL, lease = NULL, failure_code = $3
          WHERE id = $1 AND lease = $2 AND ${unfinished} RETURNING status`,
        [row.id, row.lease, code],
      );
      await this.discard(sql, attempt);
      if (changed?.status === 'LOST') await this.recordFailure(sql, attempt, 'LOST');
      await this.completion.updateProgress(sql, row.generationId);
    });
    this.completion.notify(row);
  }

  /** Adds a failed download to the timeline, and the loss of a picture that was not even requested. */
  private async recordFailure(sql: Sql, attempt: FetchTry, outcome: DownloadOutcome | null): Promise<void> {
    if (outcome === null || (attempt.download === null && outcome !== 'LOST')) return;
    const { generationId, tries } = attempt.row;
    await addCall(sql, generationKind, generationId, {
      kind: 'DOWNLOAD_FAILED',
      outcome,
      ...callOf(attempt),
    });
    await trimTimelines(sql, generationKind, [{ id: generationId, downloads: tries }]);
  }

  /**
   * Deletes the bytes of a try, and those of an earlier try whose process died, unless the row refers to them: a commit
   * may have succeeded although its answer was lost.
   */
  private async discard(sql: Sql, { row, token }: FetchTry): Promise<void> {
    for (const mediaToken of new Set([row.mediaToken, token])) {
      if (mediaToken === null) continue;
      const named = await sql.rows('SELECT id FROM avatars WHERE id = $1 AND media_token = $2', [
        row.id,
        mediaToken,
      ]);
      if (named.length === 0) await scheduleDeletion(sql, avatarKeys({ id: row.id, mediaToken }));
    }
  }

  /**
   * Position does not prove that a fresh URL is the picture's own. Equal pictures with the URLs of the first answer are
   * stored: the upstream delivered them as two.
   */
  private async refuseDuplicate(sql: Sql, id: string): Promise<void> {
    const [duplicate] = await sql.rows(
      `SELECT other.id FROM avatars a JOIN avatars other ON other.generation_id = a.generation_id AND other.id <> a.id
        WHERE a.id = $1 AND other.status = 'STORED' AND other.sha256 = a.sha256
          AND other.provider_ref IS NOT DISTINCT FROM a.provider_ref
          AND (a.source_url_at > a.created_at OR other.source_url_at > other.created_at)`,
      [id],
    );
    if (duplicate)
      throw new DuplicatePicture('The fresh URL leads to another picture of the same generation.');
  }

  /** No event for a damaged picture that was replaced by the same bytes. */
  private async appendEvent(sql: Sql, before: AvatarEntity, stored: AvatarEntity): Promise<void> {
    if (before.damagedAt !== null && before.sha256 === stored.sha256) return;
    await appendEvents(sql, [
      {
        streamId: stored.modelId ?? stored.generationId,
        kind: 'AVATAR',
        subjectId: stored.id,
        generationId: stored.generationId,
        payload: avatarPayload.write(stored),
      },
    ]);
  }
}

/** The call of a try. */
function callOf({ download }: FetchTry): Pick<CallNote, 'httpStatus' | 'durationMs' | 'correlationId'> {
  return {
    httpStatus: download?.httpStatus ?? null,
    durationMs: download?.durationMs ?? null,
    correlationId: download?.correlationId ?? null,
  };
}
