/**
 * The states of a photo.
 *
 * - AWAITING_UPLOAD: the slot has no bytes yet, or they are in the bucket and have not been checked. Next: by the upload, by
 *   the check, or purged when unused.
 * - FETCHING: a worker fetches it from the client's URL. Next: by the fetch.
 * - READY: checked, reduced and stored. Next: by the purge.
 * - REJECTED: it cannot be used; `problems` has the reason. A rejected upload may be repeated while its URL is
 *   valid.
 * - PURGED: the bytes are permanently deleted, since no training needs them. Final.
 */
export const photoMoves = {
  AWAITING_UPLOAD: ['READY', 'REJECTED', 'PURGED'],
  FETCHING: ['READY', 'REJECTED', 'PURGED'],
  READY: ['PURGED'],
  REJECTED: ['READY', 'REJECTED', 'PURGED'],
  PURGED: [],
} as const satisfies Record<string, readonly string[]>;

/** A state of {@link photoMoves}. */
export type PhotoStatus = keyof typeof photoMoves;

/** All states, for the API enum. */
export const photoStatuses = Object.keys(photoMoves) as PhotoStatus[];
