import { remainingQuantile } from './durations';
import { noFailure } from './failure';
import { notPolled, type JobMove } from './job-move';
import type { ReadJob } from './job-row.repository';
import type { JobSteps } from './job-steps';
import type { JobRow, JobPatch } from './job.kind';
import type { JournalEntry } from './journal-lines';
import { startPace } from './pace';
import type { Acceptance } from './submission.repository';

/** How long an accepted job is expected to take; `isTimed`: the upstream has just accepted it. */
export type AcceptedExpectation = Awaited<ReturnType<JobSteps['expect']>> & { isTimed: boolean };

/** Why a newly accepted id cannot be stored in the row, for the log; null if it can. */
export function rejectionReason(
  row: JobRow | null,
  entry: JournalEntry,
  acceptance: Acceptance,
): string | null {
  if (!row) return 'the upstream accepted a job that was deleted in the meantime';
  if (acceptance === 'OTHER_ID')
    return 'the upstream accepted an attempt that the database had lost as well: the job was paid twice';
  if (row.attempt === entry.attempt && row.providerRef === null) return null;
  if (row.attempt < entry.attempt) return 'the database has lost an attempt that the upstream accepted';
  return 'the upstream accepted an earlier attempt as well: the job was paid twice';
}

/** Whether the job only waits for this id. */
function isWaitedFor(row: JobRow): boolean {
  return row.status !== 'FAILED' || row.failureCode === 'SUBMISSION_UNKNOWN';
}

/** Continues the job of an accepted id: it is polled from now on. */
export function acceptingMove(
  row: ReadJob,
  entry: JournalEntry,
  steps: JobSteps,
  { durations, firstPollMs, isTimed }: AcceptedExpectation,
): JobMove {
  const inMs = (ms: number): Date => new Date(row.readAt.getTime() + ms);
  const hold = { id: row.id, from: [row.status], attempt: entry.attempt };
  const accepted: JobPatch = {
    providerRef: entry.ref,
    submittedAt: 'now',
    deadlineAt: inMs(steps.deadlineMs),
    ...notPolled,
    lastError: null,
  };
  if (row.status === 'CANCELLED') return { ...hold, set: accepted, dueInMs: null, appendsEvent: false };
  if (!isWaitedFor(row)) {
    // The job failed for another reason but was paid: the late watch polls it.
    const set = { ...accepted, deadlineAt: inMs(steps.retentionMs) };
    return { ...hold, set, dueInMs: steps.pollPlan.firstMs, appendsEvent: false };
  }
  const { notEnded, running } = steps.kind;
  const set = {
    ...{ ...accepted, ...notEnded, status: running, ...noFailure },
    pace: startPace(durations, row.readAt.getTime(), isTimed && row.status === 'SUBMITTING'),
    estimatedReadyAt: inMs(remainingQuantile(durations, 0, 0.5)),
  };
  return { ...hold, set, dueInMs: firstPollMs, appendsEvent: true };
}
