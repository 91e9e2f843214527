import { backoffMs } from '../core/clock';
import { UpstreamError, type PollPlan, type UpstreamState } from '../upstream/provider';
import { failure, quote, timedOut, type JobFailure } from './failure';
import type { JobRow, JobPatch } from './job.kind';
import { isWatched, nextWatchMs } from './late-watch';
import { afterPoll, isSeen, type PacedKind } from './pace';

/** Parameters of {@link effectOf}; times in milliseconds. */
export interface PollRules {
  readonly now: Date;
  readonly pollPlan: PollPlan;
  readonly retentionMs: number;
  /** How long all polls of a job must be answered by 404 before it counts as lost. */
  readonly lostAfterMs: number;
  readonly kind: PacedKind;
  /** The time until the next poll of a running job. */
  readonly nextPollMs: number;
  /** The time of the answer; `now` is when the poll was started. */
  readonly answeredAtMs: number;
}

/** The consequence of a poll for a job. */
export type PollEffect =
  | { then: 'fail'; why: JobFailure }
  /** The job keeps its state; `appendsEvent`: its progress has changed. */
  | { then: 'stay'; set: JobPatch; dueInMs: number | null; appendsEvent: boolean };

/** The answer to a poll, or its error. */
export type PollAnswer = UpstreamState | UpstreamError;

/** Minimum number of 404 answers before a job counts as lost. */
const minNotFound = 10;
/** After this many consecutive polls without a definite answer, earlier 404 answers are discarded. */
const maxUnanswered = 5;
const firstRetryMs = 2_000;
const maxRetryMs = 60_000;

const lost = failure(
  'MODEL_LOST_UPSTREAM',
  'If it is found again, its result is still stored. A retry is charged again.',
);

const noNotFound = { notFoundSince: null, notFoundCount: 0 } as const;

/**
 * Evaluates an answer for a job that is running or, after it failed, under the late watch. A job that is DONE with
 * a result is not handled here; DONE without a result is a failure.
 */
export function effectOf(row: JobRow, answer: PollAnswer, rules: PollRules): PollEffect {
  const reading = { ...readingOf(row, answer, rules.now), polls: row.polls + 1 };
  if (isWatched(row)) {
    return { then: 'stay', set: reading, dueInMs: nextWatchMs(row, rules.now, rules), appendsEvent: false };
  }
  const why = failureOf(row, answer, reading, rules);
  if (why) return { then: 'fail', why };
  return answer instanceof UpstreamError
    ? { then: 'stay', set: reading, dueInMs: retryMs(row, answer, reading, rules), appendsEvent: false }
    : { then: 'stay', ...progressOf(row, answer, reading, rules) };
}

/** Columns that a poll updates. */
type Reading = Required<
  Pick<JobRow, 'tries' | 'notFoundSince' | 'notFoundCount' | 'lastRunningAt' | 'lastError'>
>;

/** Only consecutive 404 answers count: any other definite answer resets the count. */
function readingOf(row: JobRow, answer: PollAnswer, now: Date): Reading {
  const { lastRunningAt, notFoundSince, notFoundCount } = row;
  if (!(answer instanceof UpstreamError)) {
    const isRunning = 'known' in answer && answer.known;
    return { tries: 0, lastError: null, lastRunningAt: isRunning ? now : lastRunningAt, ...noNotFound };
  }
  const lastError = answer.message;
  if (isNotFound(answer)) {
    const count = { notFoundSince: notFoundSince ?? now, notFoundCount: notFoundCount + 1 };
    return { tries: 0, lastError, lastRunningAt, ...count };
  }
  const tries = row.tries + 1;
  const endsCount = answer.outcome === 'REFUSED' || tries >= maxUnanswered;
  return { tries, lastError, lastRunningAt, ...(endsCount ? noNotFound : { notFoundSince, notFoundCount }) };
}

function failureOf(row: JobRow, answer: PollAnswer, reading: Reading, rules: PollRules): JobFailure | null {
  if (!(answer instanceof UpstreamError)) {
    if (answer.state === 'FAILED') return failure(answer.code, quote(answer.reason));
    if (answer.state === 'DONE') return failure('UPSTREAM_FAILED', 'It returned no picture.');
  }
  if (isLost(reading, rules)) return lost;
  return row.deadlineAt && row.deadlineAt <= rules.now ? timedOut : null;
}

function isLost({ notFoundSince, notFoundCount }: Reading, { now, lostAfterMs }: PollRules): boolean {
  return (
    notFoundSince !== null &&
    notFoundCount >= minNotFound &&
    now.getTime() - notFoundSince.getTime() >= lostAfterMs
  );
}

function isNotFound({ refusal }: UpstreamError): boolean {
  return refusal === 'NOT_FOUND';
}

function retryMs(row: JobRow, error: UpstreamError, reading: Reading, rules: PollRules): number {
  if (isNotFound(error)) {
    // Short enough for all tries to fit into the period.
    const maxMs = Math.min(maxRetryMs, rules.lostAfterMs / (2 * minNotFound));
    return untilDeadline(
      row,
      rules.now,
      backoffMs(reading.notFoundCount, Math.min(firstRetryMs, maxMs), maxMs),
    );
  }
  const waitMs = Math.max(error.retryAfterMs ?? 0, backoffMs(reading.tries, firstRetryMs, maxRetryMs));
  return untilDeadline(row, rules.now, waitMs);
}

/** The last poll is at the deadline. */
function untilDeadline({ deadlineAt }: JobRow, now: Date, ms: number): number {
  return Math.max(0, Math.min(ms, (deadlineAt?.getTime() ?? Infinity) - now.getTime()));
}

function progressOf(
  row: JobRow,
  answer: UpstreamState,
  reading: Reading,
  { now, kind, nextPollMs, answeredAtMs }: PollRules,
): { set: JobPatch; dueInMs: number; appendsEvent: boolean } {
  const reported = 'progress' in answer ? answer.progress : undefined;
  const after = afterPoll(kind, row, reported, answeredAtMs);
  return {
    set: { ...reading, ...after },
    dueInMs: untilDeadline(row, now, nextPollMs),
    appendsEvent: isSeen(row, after),
  };
}
