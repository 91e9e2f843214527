/**
 * The states of a model. One method moves a row (`JobStore.move`), conditionally on the state it leaves.
 *
 * - QUEUED: accepted; its photos may still be fetched and checked. Left by a worker's submission, by a bad photo, by
 *   a cancel, or by the journal where an attempt given up for lost turns out to have been taken.
 * - SUBMITTING: the paid call is being made, under the attempt's number. Left by its answer; by the end of its lease
 *   to UNCERTAIN.
 * - UNCERTAIN: whether the upstream took the training cannot be known. Left by the journal (it has the id), by evidence
 *   that it never arrived (QUEUED), by the end of the grace period (FAILED), or by a person.
 * - TRAINING: the upstream's id is stored; it is asked until the end. Left by its answer or the deadline.
 * - READY: avatars can be made from it. Final.
 * - FAILED: `failure` says why. If it was submitted, it is still polled until the upstream's retention is over. Left by
 *   `retryModel`, or by an id or a success that comes late.
 * - CANCELLED: somebody stopped it. Final.
 */
export const modelMoves = {
  QUEUED: ['SUBMITTING', 'TRAINING', 'FAILED', 'CANCELLED'],
  SUBMITTING: ['TRAINING', 'QUEUED', 'UNCERTAIN', 'FAILED', 'CANCELLED'],
  UNCERTAIN: ['TRAINING', 'QUEUED', 'FAILED', 'CANCELLED'],
  TRAINING: ['READY', 'FAILED', 'CANCELLED'],
  READY: [],
  FAILED: ['QUEUED', 'TRAINING', 'READY'],
  CANCELLED: [],
} as const satisfies Record<string, readonly string[]>;

/** A state of {@link modelMoves}. */
export type ModelStatus = keyof typeof modelMoves;

/** All states, for the API's enum. */
export const modelStatuses = Object.keys(modelMoves) as ModelStatus[];

/** States in which nothing more will happen by itself. */
export const modelEnds = ['READY', 'FAILED', 'CANCELLED'] as const satisfies readonly ModelStatus[];
