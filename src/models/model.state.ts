/**
 * The states of a model. A row moves only through `JobRepository.move`, conditionally on its current state.
 *
 * - QUEUED: accepted; its photos may still be fetched and checked. Next: a worker's submission, FAILED because of a
 *   photo, CANCELLED, or TRAINING if the journal has an id of an earlier attempt.
 * - SUBMITTING: the paid call is being made, under the attempt's number. Next: by its answer, or UNCERTAIN when its
 *   lease ends.
 * - UNCERTAIN: it is unknown whether the upstream accepted the training. Next: TRAINING by an id from the journal,
 *   QUEUED on evidence that the call did not arrive, FAILED at the end of the grace period, or by the owner's
 *   action.
 * - TRAINING: the upstream's id is stored, and the upstream is polled. Next: by its answer or the deadline.
 * - READY: avatars can be generated from it. Final.
 * - FAILED: `failure` has the reason. If it was submitted, it is polled until the upstream's retention ends. Next:
 *   by `retryModel`, or by an id or a success that arrives late.
 * - CANCELLED: its owner cancelled it. Final.
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

/** All states, for the API enum. */
export const modelStatuses = Object.keys(modelMoves) as ModelStatus[];

/** States that are left without a request; the others end only by a request or a late result. */
export const unfinishedModelStates = [
  'QUEUED',
  'SUBMITTING',
  'UNCERTAIN',
  'TRAINING',
] as const satisfies readonly ModelStatus[];
