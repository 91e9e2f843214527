/**
 * The states of a generation. A row moves only through `JobRepository.move`, conditionally on its current state.
 *
 * - QUEUED: accepted. Next: a worker's submission, CANCELLED, or GENERATING if the journal has an id of an earlier
 *   attempt.
 * - SUBMITTING: the paid call is being made, under the attempt's number. Next: by its answer, or UNCERTAIN when its
 *   lease ends.
 * - UNCERTAIN: it is unknown whether the upstream accepted it. Next: GENERATING by an id from the journal, QUEUED
 *   on evidence that the call did not arrive (only if the upstream had to fetch a photo), FAILED at the end of the
 *   grace period, or by the owner's action.
 * - GENERATING: the upstream's id is stored, and the upstream is polled. Next: by its answer or the deadline.
 * - STORING: the upstream has finished and its pictures are being fetched. Next: when each is stored, lost, or has
 *   failed for longer than `RESULT_DEADLINE` (avatar.entity.ts: DELAYED).
 * - COMPLETED: every requested picture was stored. Final.
 * - PARTIAL: some were stored, others could not be fetched. Next: COMPLETED if the last of those arrives late;
 *   DELAYED pictures are retried until the upstream's retention ends. QUEUED if `retryGeneration` orders the missing
 *   pictures; if that attempt fails, PARTIAL again, with the failure, and GENERATING or STORING by an id or a success
 *   of it that arrives late. If it is cancelled while it is QUEUED, PARTIAL again.
 * - FAILED: `failure` has the reason. If it was submitted, it or its pictures are polled until the upstream's
 *   retention ends. Next: by `retryGeneration`, or by an id, a success or a picture that arrives late.
 * - CANCELLED: its owner cancelled it, other than a QUEUED retry of missing pictures. Final.
 */
export const generationMoves = {
  QUEUED: ['SUBMITTING', 'GENERATING', 'PARTIAL', 'FAILED', 'CANCELLED'],
  SUBMITTING: ['GENERATING', 'QUEUED', 'UNCERTAIN', 'PARTIAL', 'FAILED', 'CANCELLED'],
  UNCERTAIN: ['GENERATING', 'QUEUED', 'PARTIAL', 'FAILED', 'CANCELLED'],
  GENERATING: ['STORING', 'PARTIAL', 'FAILED', 'CANCELLED'],
  STORING: ['COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'],
  COMPLETED: [],
  PARTIAL: ['QUEUED', 'GENERATING', 'STORING', 'COMPLETED'],
  FAILED: ['QUEUED', 'GENERATING', 'STORING', 'PARTIAL', 'COMPLETED'],
  CANCELLED: [],
} as const satisfies Record<string, readonly string[]>;

/** A state of {@link generationMoves}. */
export type GenerationStatus = keyof typeof generationMoves;

/** All states, for the API enum. */
export const generationStatuses = Object.keys(generationMoves) as GenerationStatus[];

/** States that are left without a request; the others end only by a request or a late result. */
export const unfinishedGenerationStates = [
  'QUEUED',
  'SUBMITTING',
  'UNCERTAIN',
  'GENERATING',
  'STORING',
] as const satisfies readonly GenerationStatus[];

/** States in which a generation needs the bytes of its photo: all before the upstream has made its pictures. */
export const generationStatesUsingPhotos: readonly GenerationStatus[] = unfinishedGenerationStates.filter(
  (status) => status !== 'STORING',
);
