import { failureColumns, type JobFailure } from './failure';
import type { JobKind, JobRow, JobPatch } from './job.kind';
import type { TimelineNote } from './timeline-note';

/** The columns of an attempt that has not been polled yet. */
export const notPolled = {
  polls: 0,
  tries: 0,
  notFoundSince: null,
  notFoundCount: 0,
  lastRunningAt: null,
} as const satisfies JobPatch;

/** A conditional change of one row, with an event if `appendsEvent`. */
export interface JobMove {
  id: string;
  /** The states from which the row may move. In any other state nothing is changed. */
  from: readonly string[];
  /** The fencing token that the row must still have. */
  lease?: string;
  /** The attempt number that the row must still have. */
  attempt?: number;
  set: JobPatch;
  /** When the row is due next, in milliseconds from now by the database's clock; null: never. */
  dueInMs: number | null;
  /** Whether the change appends an event. */
  appendsEvent: boolean;
  /**
   * What the timeline of the job records besides the change of its status, in order.
   * @defaultValue nothing
   */
  notes?: readonly TimelineNote[];
}

/** The move by which an attempt of a job that was not accepted fails. */
export function failureMove(
  kind: JobKind,
  row: JobRow,
  hold: Pick<JobMove, 'from' | 'lease' | 'attempt'>,
  why: JobFailure,
): JobMove {
  const set = { ...kind.failedState(row), ...failureColumns(why) };
  return { id: row.id, ...hold, set, dueInMs: null, appendsEvent: true };
}

/** Whether a QUEUED job is to be cancelled, since it was not submitted in time. */
export function isTooLate({ startBy }: Pick<JobRow, 'startBy'>, now: Date): boolean {
  return startBy !== null && startBy <= now;
}

/** The move by which the latest attempt of an unfinished job is cancelled. */
export function cancellationMove(
  kind: JobKind,
  row: JobRow,
  hold: Pick<JobMove, 'from' | 'lease' | 'attempt'>,
): JobMove {
  const set = { ...kind.cancelledState(row), estimatedReadyAt: null };
  return { id: row.id, ...hold, set, dueInMs: null, appendsEvent: true };
}
