import { backoffMs } from '../core/clock';
import { UpstreamError, type PollPlan, type UpstreamState } from '../upstream/provider';
import { failure, quote, timedOut, type Failure } from './failure';
import type { JobPatch, JobRow } from './job';
import { nextWatchMs } from './late-watch';
import { forecast } from './progress';

/** What the meaning of an answer depends on besides the answer and the row; times in milliseconds. */
export interface PollRules {
  readonly now: Date;
  readonly pollPlan: PollPlan;
  readonly retentionMs: number;
  /** For how long a job must be answered by 404 alone before it counts as lost. */
  readonly lostAfterMs: number;
  /** The share of the whole job that the upstream's progress stands for. */
  readonly shareOfUpstream: number;
  /** How long such a job typically takes. */
  readonly typicalMs: number;
}

/** What follows from a poll for a job. */
export type PollOutcome =
  | { then: 'fail'; why: Failure }
  /** The job stays as it is; `tell`: its progress has changed. */
  | { then: 'stay'; set: JobPatch; dueInMs: number | null; appendsEvent: boolean };

/** What a poll came to. */
export type PollAnswer = UpstreamState | UpstreamError;

/** A job counts as lost only after as many answers of 404. */
const minNotFound = 10;
/** After as many polls in a row without a definite answer, earlier answers of 404 prove nothing any more. */
const maxUnanswered = 5;
const firstRetryMs = 2_000;
const maxRetryMs = 60_000;

const lost = failure(
  'MODEL_LOST_UPSTREAM',
  'If it is found again, the result is still taken. A retry pays again.',
);

const noNotFound = { notFoundSince: null, notFoundCount: 0 } as const;

/**
 * What an answer means for a job that is running or, after it failed, under the late watch; unless it is done and has a
 * result. (Done without one is a failure.)
 */
export function outcomeOf(row: JobRow, answer: PollAnswer, rules: PollRules): PollOutcome {
  const found = { ...readingOf(row, answer, rules.now), polls: row.polls + 1 };
  if (row.status === 'FAILED') {
    return { then: 'stay', set: found, dueInMs: nextWatchMs(row, rules.now, rules), appendsEvent: false };
  }
  const why = failureOf(row, answer, found, rules);
  if (why) return { then: 'fail', why };
  return answer instanceof UpstreamError
    ? { then: 'stay', set: found, dueInMs: retryMs(row, answer, found, rules), appendsEvent: false }
    : { then: 'stay', ...progressOf(row, answer, found, rules) };
}

/** What was learnt of the job, in its columns. */
type Reading = Required<
  Pick<JobRow, 'tries' | 'notFoundSince' | 'notFoundCount' | 'lastRunningAt' | 'lastError'>
>;

/** Answers of 404 are counted alone: any other definite answer ends the count. */
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

function failureOf(row: JobRow, answer: PollAnswer, found: Reading, rules: PollRules): Failure | null {
  if (!(answer instanceof UpstreamError)) {
    if (answer.state === 'FAILED') return failure(answer.code, quote(answer.reason));
    if (answer.state === 'DONE') return failure('UPSTREAM_FAILED', 'It delivered no picture.');
  }
  if (isLost(found, rules)) return lost;
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

function retryMs(row: JobRow, error: UpstreamError, found: Reading, rules: PollRules): number {
  if (isNotFound(error)) {
    // Often enough that all tries fit into the time.
    const maxMs = Math.min(maxRetryMs, rules.lostAfterMs / (2 * minNotFound));
    return untilDeadline(
      row,
      rules.now,
      backoffMs(found.notFoundCount, Math.min(firstRetryMs, maxMs), maxMs),
    );
  }
  const waitMs = Math.max(error.retryAfterMs ?? 0, backoffMs(found.tries, firstRetryMs, maxRetryMs));
  return untilDeadline(row, rules.now, waitMs);
}

/** The last poll before a deadline is at the deadline. */
function untilDeadline({ deadlineAt }: JobRow, now: Date, ms: number): number {
  return Math.max(0, Math.min(ms, (deadlineAt?.getTime() ?? Infinity) - now.getTime()));
}

function progressOf(
  row: JobRow,
  answer: UpstreamState,
  found: Reading,
  { now, pollPlan, shareOfUpstream: share, typicalMs }: PollRules,
): { set: JobPatch; dueInMs: number; appendsEvent: boolean } {
  const { progress, readyAt } = forecast({
    now,
    submittedAt: row.submittedAt ?? now,
    typicalMs,
    reported: 'progress' in answer ? answer.progress : undefined,
    lastProgress: row.progress / share,
  });
  const shown = Math.max(row.progress, Math.floor(progress * share));
  return {
    set: { ...found, progress: shown, estimatedReadyAt: readyAt },
    dueInMs: untilDeadline(row, now, pollPlan.nextMs),
    appendsEvent: shown !== row.progress,
  };
}
