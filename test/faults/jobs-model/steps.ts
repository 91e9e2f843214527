import type { FailpointName } from '../../../src/core/failpoint';
import { deadlineMs, graceMs } from '../../support/job-process';
import {
  done,
  failed,
  isNotFound,
  limits,
  hasUnknownStatus,
  running,
  timesOut,
  type PollAnswer,
} from '../../support/scripted-provider';

/** How a paid call ends. `Taken` and `Lost` state whether the upstream executed it, which the gateway does not learn. */
export type ResponseName =
  | 'accept'
  | 'acceptWhileCut'
  | 'duplicate'
  | 'refuse'
  | 'refuseForNow'
  | 'later'
  | 'unreachable'
  | 'unclearTaken'
  | 'unclearLost';

/** Calls without a response yet. */
export const holds = ['holdTaken', 'holdLost'] as const;
/** One of {@link holds}. */
export type HoldName = (typeof holds)[number];

/** Responses to polls. */
export const answers = {
  running: running(),
  half: running(50),
  most: running(90),
  hasUnknownStatus: hasUnknownStatus(),
  notFound: isNotFound(),
  timesOut: timesOut(),
  limits: limits(30_000),
  failed: failed(),
  done: done('https://pictures.example/fine/1', 'https://pictures.example/fine/2'),
  doneInPart: done('https://pictures.example/fine/1', 'https://pictures.example/broken/2'),
  doneInVain: done('https://pictures.example/broken/1', 'https://pictures.example/broken/2'),
  doneEmpty: done(),
} as const satisfies Record<string, PollAnswer>;

/** Steps of time, in milliseconds. */
export const times = {
  aMoment: 2 * 60_000,
  grace: graceMs + 1_000,
  deadline: deadlineMs + 1_000,
  aDay: 25 * 3_600_000,
} as const;

/** The failpoints of a submission. */
export const submitCrashes = [
  'submission:before-call',
  'submission:answered',
  'submission:journaled',
  'submission:stored',
  'move:before-commit',
] as const satisfies FailpointName[];

/** The failpoints of a poll. */
export const pollCrashes = ['poll:answered', 'move:before-commit', 'move:committed'] as const;

/** The failpoints of storing pictures. */
export const storeCrashes = ['result:fetched', 'result:stored', 'move:before-commit'] as const;

/** Steps during another step. */
export type Meanwhile =
  | { op: 'poll'; job: number; says: keyof typeof answers }
  | { op: 'cancel' | 'retry' | 'delete'; job: number }
  | { op: 'wait'; job: number; time: keyof typeof times };

/** A step. Jobs, processes and calls are given by index. */
export type Step =
  | { op: 'submit'; by: number; job: number; response: ResponseName | HoldName; crash: FailpointName | null }
  | { op: 'answer'; call: number; response: ResponseName; crash: FailpointName | null }
  | {
      op: 'poll';
      by: number;
      job: number;
      says: keyof typeof answers;
      crash: FailpointName | null;
      /** What happens between the response and its commit, in the other process if applicable. */
      meanwhile: Meanwhile | null;
    }
  | { op: 'store'; by: number; crash: FailpointName | null }
  | { op: 'fetch' | 'cancel' | 'retry' | 'delete'; job: number }
  | { op: 'wait'; job: number; time: keyof typeof times }
  | { op: 'crash' | 'cut' | 'mend' | 'replay'; by: number };

/** Whether the upstream executes and charges a call with this response. */
export const isExecutedBy = (response: ResponseName | HoldName): boolean =>
  ['accept', 'acceptWhileCut', 'duplicate', 'unclearTaken', 'holdTaken'].includes(response);

/**
 * The possible end of an open call. Whether the upstream executed it was decided at its arrival; only the response can
 * vary.
 */
export function endOf(isExecuted: boolean, response: ResponseName): ResponseName {
  if (isExecuted === isExecutedBy(response)) return response;
  return isExecuted ? 'unclearTaken' : 'unclearLost';
}
