/**
 * The states of an avatar, with the states that may follow each.
 * - PENDING: finished upstream, not stored yet; the generation waits for it.
 * - DELAYED: fetching it has failed for longer than `RESULT_DEADLINE`. The generation no longer waits for it, but
 *   it is retried until the upstream's retention ends.
 * - STORED: its bytes are durable, under keys made from `mediaToken`. Final.
 * - LOST: the upstream's retention has ended and a fresh URL has failed too, or its answer lacks the picture. Final;
 *   a retry of the missing pictures replaces the row.
 */
export const avatarMoves = {
  PENDING: ['DELAYED', 'STORED', 'LOST'],
  DELAYED: ['STORED', 'LOST'],
  STORED: [],
  LOST: [],
} as const satisfies Record<string, readonly string[]>;

/** A state of {@link avatarMoves}. */
export type AvatarStatus = keyof typeof avatarMoves;

/** All states. */
export const avatarStatuses = Object.keys(avatarMoves) as AvatarStatus[];

/** States whose bytes are still to be fetched. */
export const unfinishedAvatarStates = ['PENDING', 'DELAYED'] as const satisfies readonly AvatarStatus[];

/** States of the avatars that a generation lacks when it has ended. */
export const missingAvatarStates = ['LOST', 'DELAYED'] as const satisfies readonly AvatarStatus[];
