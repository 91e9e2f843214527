import type { FailpointName } from '../../src/core/failpoint';
import { deadlineMs, graceMs } from './job-process';
import {
  done,
  failed,
  isNotFound,
  limits,
  hasUnknownStatus,
  running,
  timesOut,
  type PollAnswer,
} from './scripted-provider';

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

/** Calls that stay open. */
export const holds = ['holdTaken', 'holdLost'] as const;
/** One of {@link holds}. */
export type HoldName = (typeof holds)[number];

/** What polls are answered. */
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

/** How much time may pass at once, in milliseconds. */
export const times = {
  aMoment: 2 * 60_000,
  grace: graceMs + 1_000,
  deadline: deadlineMs + 1_000,
  aDay: 25 * 3_600_000,
} as const;

/** Where a process may die while it submits, and while it polls. */
export const submitCrashes = [
  'submission:before-call',
  'submission:answered',
  'submission:journaled',
  'submission:stored',
  'move:before-commit',
] as const satisfies FailpointName[];

/** Where a process may die while it polls. */
export const pollCrashes = ['poll:answered', 'move:before-commit', 'move:committed'] as const;

/** Where a process may die while it stores pictures. */
export const storeCrashes = ['result:fetched', 'result:stored', 'move:before-commit'] as const;

/** What may happen in the middle of another thing. */
export type Meanwhile =
  | { op: 'poll'; job: number; says: keyof typeof answers }
  | { op: 'cancel' | 'retry' | 'delete'; job: number }
  | { op: 'wait'; job: number; time: keyof typeof times };

/** One thing that happens. Jobs, processes and calls are given by their numbers. */
export type Step =
  | { op: 'submit'; by: number; job: number; response: ResponseName | HoldName; crash: FailpointName | null }
  | { op: 'answer'; call: number; response: ResponseName; crash: FailpointName | null }
  | {
      op: 'poll';
      by: number;
      job: number;
      says: keyof typeof answers;
      crash: FailpointName | null;
      /** What happens between the answer and the writing of it; by the other process, where one does it. */
      meanwhile: Meanwhile | null;
    }
  | { op: 'store'; by: number; crash: FailpointName | null }
  | { op: 'fetch' | 'cancel' | 'retry' | 'delete'; job: number }
  | { op: 'wait'; job: number; time: keyof typeof times }
  | { op: 'crash' | 'cut' | 'mend' | 'replay'; by: number };

/** Whether the upstream works on a call that ends so, and wants to be paid. */
export const isExecutedBy = (response: ResponseName | HoldName): boolean =>
  ['accept', 'acceptWhileCut', 'duplicate', 'unclearTaken', 'holdTaken'].includes(response);

/**
 * How a call that was open may end. What the upstream did with it was decided when it came; only what it says of it can
 * vary.
 */
export function endOf(isExecuted: boolean, response: ResponseName): ResponseName {
  if (isExecuted === isExecutedBy(response)) return response;
  return isExecuted ? 'unclearTaken' : 'unclearLost';
}
