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
 * - STORING: the upstream is done and its pictures are being fetched. Left when each is stored, lost, or has failed for
 *   longer than `RESULT_DEADLINE` (avatar.entity.ts: DELAYED).
 * - COMPLETED: every picture asked for is stored. Final.
 * - PARTIAL: some are stored, others could not be fetched. Left when the last of those arrives after all; pictures that
 *   are DELAYED are tried until their time upstream is over.
 * - FAILED: `failure` says why. If it was submitted, it, or its pictures, are asked for until the upstream's retention is
 *   over. Left by `retryGeneration`, by an id or a success that comes late, or by a picture that arrives late.
 * - CANCELLED: somebody stopped it. Final.
 */
export const generationMoves = {
  QUEUED: ['SUBMITTING', 'GENERATING', 'FAILED', 'CANCELLED'],
  SUBMITTING: ['GENERATING', 'QUEUED', 'UNCERTAIN', 'FAILED', 'CANCELLED'],
  UNCERTAIN: ['GENERATING', 'QUEUED', 'FAILED', 'CANCELLED'],
  GENERATING: ['STORING', 'FAILED', 'CANCELLED'],
  STORING: ['COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'],
  COMPLETED: [],
  PARTIAL: ['COMPLETED'],
  FAILED: ['QUEUED', 'GENERATING', 'STORING', 'PARTIAL', 'COMPLETED'],
  CANCELLED: [],
} as const satisfies Record<string, readonly string[]>;

/** A state of {@link generationMoves}. */
export type GenerationStatus = keyof typeof generationMoves;

/** All states, for the API's enum. */
export const generationStatuses = Object.keys(generationMoves) as GenerationStatus[];

/**
 * States in which nobody waits for anything. PARTIAL and FAILED may still become better by what arrives late; see their
 * paragraphs.
 */
export const generationEnds = [
  'COMPLETED',
  'PARTIAL',
  'FAILED',
  'CANCELLED',
] as const satisfies readonly GenerationStatus[];
