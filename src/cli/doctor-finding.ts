import { reasonOf } from '../core/reason';

/** The result of a check. */
export interface Finding {
  readonly check: string;
  /** `warn`: it works, but should be looked at. `fail`: the gateway cannot work, or photos are public. */
  readonly result: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** What to do; null if nothing has to be done. */
  readonly cure: string | null;
}

/** What the store, or another outside system, has said; the message of the error if it said nothing. */
export function answerOf(error: unknown): string {
  return reasonOf((error as Error).cause ?? error);
}

/** Larger differences disturb deadlines and signed URLs. */
const maxClockMs = { warn: 1_000, fail: 60_000 };

/** Judges how far a clock is ahead of that of this machine. */
export function clockFinding(check: string, whose: string, aheadMs: number): Finding {
  const detail = `differs from that of the ${whose} by ${Math.round(aheadMs)} ms`;
  const size = Math.abs(aheadMs);
  if (size <= maxClockMs.warn) return finding(check, 'ok', detail);
  return finding(
    check,
    size > maxClockMs.fail ? 'fail' : 'warn',
    detail,
    'Synchronise the clocks of all machines, for example by chrony or systemd-timesyncd.',
  );
}

/** Makes the result of a check. */
export function finding(
  check: string,
  result: Finding['result'],
  detail: string,
  cure: string | null = null,
): Finding {
  return { check, result, detail, cure };
}
