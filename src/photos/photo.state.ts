/**
 * The states of a photo.
 *
 * - AWAITING_UPLOAD: a slot was given out and no bytes have come. Left by the upload, or purged unused.
 * - FETCHING: a worker is to fetch it from the URL that the client gave. Left by the fetch.
 * - READY: checked, reduced and stored. Left by the purge.
 * - REJECTED: it cannot be used; `problems` says why. A rejected upload may be sent anew while its URL lives.
 * - PURGED: the bytes are gone for good, since no training needs them any more. Final.
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

/** All states, for the API's enum. */
export const photoStatuses = Object.keys(photoMoves) as PhotoStatus[];
