/**
 * The states of a generation. One method moves a row (`JobStore.move`), conditionally on the state it leaves.
 *
 * - QUEUED: accepted. Left by a worker's submission, by a cancel, or by the journal where an attempt given up for lost
 *   turns out to have been taken.
 * - SUBMITTING: the paid call is being made, under the attempt's number. Left by its answer; by the end of its lease
 *   to UNCERTAIN.
 * - UNCERTAIN: whether the upstream took it cannot be known. Left by the journal (it has the id), by evidence that
 *   it never arrived (QUEUED, only where a photo was to be fetched), by the end of the grace period (FAILED), or by a
 *   person.
 * - GENERATING: the upstream's id is stored; it is asked until the end. Left by its answer or the deadline.
 * - STORING: the upstream is done and its pictures are being fetched. Left when each is stored or lost.
 * - COMPLETED: every picture asked for is stored. Final.
 * - PARTIAL: some are stored, others could not be had. Final.
 * - FAILED: `failure` says why. If it was submitted, it is still polled until the upstream's retention is over. Left by
 *   `retryGeneration`, or by an id or a success that comes late.
 * - CANCELLED: somebody stopped it. Final.
 */
export const generationMoves = {
  QUEUED: ['SUBMITTING', 'GENERATING', 'FAILED', 'CANCELLED'],
  SUBMITTING: ['GENERATING', 'QUEUED', 'UNCERTAIN', 'FAILED', 'CANCELLED'],
  UNCERTAIN: ['GENERATING', 'QUEUED', 'FAILED', 'CANCELLED'],
  GENERATING: ['STORING', 'FAILED', 'CANCELLED'],
  STORING: ['COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'],
  COMPLETED: [],
  PARTIAL: [],
  FAILED: ['QUEUED', 'GENERATING', 'STORING'],
  CANCELLED: [],
} as const satisfies Record<string, readonly string[]>;

/** A state of {@link generationMoves}. */
export type GenerationStatus = keyof typeof generationMoves;

/** All states, for the API's enum. */
export const generationStatuses = Object.keys(generationMoves) as GenerationStatus[];

/** States in which nothing more will happen by itself. */
export const generationEnds = [
  'COMPLETED',
  'PARTIAL',
  'FAILED',
  'CANCELLED',
] as const satisfies readonly GenerationStatus[];
