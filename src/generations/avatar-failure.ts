import type { Claimed } from '../core/leased-rows';
import { PictureProblem } from '../images/picture-file';
import type { DownloadOutcome } from '../jobs/timeline-entry.entity';
import { ObjectTooLargeError } from '../storage/media-store';
import { DownloadError } from '../upstream/download';
import { DuplicatePicture } from './avatar-fetch.repository';
import type { AvatarEntity, AvatarFailure } from './avatar.entity';
import type { UrlAnswer } from './result-urls';

/** A claimed picture. */
export type ClaimedAvatar = Claimed<AvatarEntity>;

/** Statuses of file hosts for a missing picture or an expired URL. */
const goneStatuses: ReadonlySet<number> = new Set([403, 404, 410]);
/** After this many failures of any other kind a fresh URL is requested too. */
const triesBeforeFreshUrl = 2;

/** Errors of the bytes themselves. */
const unusable = [PictureProblem, ObjectTooLargeError, DuplicatePicture];

/** Whether the picture has less than a quarter of its time left. */
export function isLate({ claimedAt, createdAt, expiresAt, damagedAt }: ClaimedAvatar): boolean {
  if (expiresAt === null || damagedAt !== null) return false;
  return expiresAt.getTime() - claimedAt.getTime() < (expiresAt.getTime() - createdAt.getTime()) / 4;
}

/**
 * The failure of the picture that an error means; null for local errors: of the media store, the database, or
 * overload.
 */
export function failureOf(error: unknown): AvatarFailure | null {
  if (unusable.some((kind) => error instanceof kind)) return 'RESULT_UNUSABLE';
  if (!(error instanceof DownloadError)) return null;
  return error.kind === 'TOO_LARGE' ? 'RESULT_UNUSABLE' : 'RESULT_UNREACHABLE';
}

/** How the download failed, for the timeline; null for local errors. */
export function downloadOutcomeOf(error: unknown): DownloadOutcome | null {
  const code = failureOf(error);
  if (code === null) return null;
  return code === 'RESULT_UNUSABLE' ? 'UNUSABLE' : 'UNREACHABLE';
}

/** Whether a fresh URL is requested before the next try. */
export function needsFreshUrl(row: ClaimedAvatar, error: unknown): boolean {
  return isExpired(row) || row.tries >= triesBeforeFreshUrl || isGone(error);
}

/** Whether the upstream may have deleted the picture. */
export function isExpired({ claimedAt, expiresAt }: ClaimedAvatar): boolean {
  return expiresAt !== null && expiresAt <= claimedAt;
}

/** Whether the URL itself fails: it has expired, redirects, or is not allowed. */
function isGone(error: unknown): boolean {
  if (!(error instanceof DownloadError)) return false;
  const { kind, status = 0 } = error;
  return kind === 'REFUSED_ADDRESS' || goneStatuses.has(status) || (status >= 300 && status < 400);
}

/** Whether the picture is lost: it has expired, and a fresh URL has failed or is not available. */
export function isOver(row: ClaimedAvatar, answer: UrlAnswer | null, resultTtlMs: number): boolean {
  if (!isExpired(row)) return false;
  const lateMs = row.claimedAt.getTime() - row.expiresAt!.getTime();
  const isUrlFresh = row.sourceUrl !== null && row.sourceUrlAt >= row.expiresAt!;
  // If the upstream does not answer for the retention period once more, the picture is lost too.
  return isUrlFresh || answer === 'gone' || lateMs >= resultTtlMs;
}
