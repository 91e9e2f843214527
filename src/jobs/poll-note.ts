import { UpstreamError } from '../upstream/provider';
import type { JobRow } from './job.kind';
import { isWatched } from './late-watch';
import type { PollAnswer } from './poll-effect';
import type { PollOutcome } from './timeline-entry.entity';
import type { PollNote } from './timeline-note';

/**
 * The note of a poll.
 * @param ms - how long the call took, in milliseconds
 */
export function pollNote({ polls }: Pick<JobRow, 'polls'>, answer: PollAnswer, ms: number): PollNote {
  const { notice } = answer;
  const status = answer instanceof UpstreamError ? answer.status : notice.httpStatus;
  return {
    kind: 'POLLED',
    polls,
    outcome: outcomeOf(answer),
    httpStatus: status ?? null,
    durationMs: Math.round(ms),
    correlationId: notice.correlationId ?? null,
  };
}

/**
 * Whether the answer to a poll may differ from the one before, as far as the row shows; the statement that adds the note
 * compares the entries. Most polls of a running job are answered as the one before, and need no such comparison.
 */
export function mayDiffer(row: JobRow, answer: PollAnswer): boolean {
  const error = answer instanceof UpstreamError ? answer.message : null;
  return row.polls === 0 || isWatched(row) || error !== row.lastError;
}

function outcomeOf(answer: PollAnswer): PollOutcome {
  if (answer instanceof UpstreamError) return answer.refusal === 'NOT_FOUND' ? 'NOT_FOUND' : 'ERROR';
  return answer.state === 'DONE' || answer.state === 'FAILED' ? answer.state : 'RUNNING';
}
