import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** The units of durations in settings and options, in milliseconds. */
export const durationUnits = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads a duration such as `90s`, `20m`, `48h`, `500ms` or `0`, in milliseconds; undefined for another text. */
export function readDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  return match ? Number(match[1]) * durationUnits[match[2] as keyof typeof durationUnits] : undefined;
}

/** A time in messages, to the minute: `2026-03-01 00:00 UTC`. */
export function timeText(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/**
 * Measures for how long a process may have been suspended, among other things.
 * @returns the milliseconds since this call, by the clock that says more: the monotonic one does not advance while the machine
 * is suspended, and the other one may be set back
 */
export function elapsedSince(): () => number {
  const [monotonicMs, wallMs] = [performance.now(), Date.now()];
  return () => Math.max(performance.now() - monotonicMs, Date.now() - wallMs);
}

/**
 * Notices that the process, or the machine, was suspended for longer than `maxMs`. Call {@link stop} at the end, after which
 * it remembers whether it was.
 */
export class SuspensionWatch {
  private isNoticed = false;
  private elapsedMs = elapsedSince();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly maxMs: number) {
    this.timer = setInterval(() => this.wasSuspended(), maxMs / 5);
  }

  /** Whether it was since the watch was made. */
  wasSuspended(): boolean {
    this.isNoticed ||= this.elapsedMs() > this.maxMs;
    this.elapsedMs = elapsedSince();
    return this.isNoticed;
  }

  stop(): void {
    const isNoticed = this.wasSuspended();
    clearInterval(this.timer);
    this.wasSuspended = () => isNoticed;
  }
}

/** Waits. Returns early, without an error, when the signal is aborted. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal, ref: true });
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

/**
 * The result of a promise, if the signal is not aborted before it settles.
 * @throws the signal's reason
 */
export async function unlessAborted<Result>(signal: AbortSignal, result: Promise<Result>): Promise<Result> {
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/**
 * Runs `work` with a signal that aborts when `parent` does, after `timeoutMs`, or once `work` has settled. Use it
 * instead of `AbortSignal.any`, which leaks about 60 bytes into a long-lived parent for every derived signal.
 */
export async function withSignal<T>(
  parent: AbortSignal,
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort(parent.reason);
  };
  const timer = setTimeout(() => {
    controller.abort(new DOMException(`Not finished within ${timeoutMs} ms.`, 'TimeoutError'));
  }, timeoutMs);
  // Many calls share a parent; each removes its listener.
  setMaxListeners(0, parent);
  parent.addEventListener('abort', abort, { once: true });
  if (parent.aborted) abort();
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    parent.removeEventListener('abort', abort);
    controller.abort(finished);
  }
}

/** The reason of a signal that ended with the work that it limited. A constant, since making an error is slow. */
const finished = new Error('The work has ended.');

/**
 * Exponential backoff: the delay before attempt `tries + 1`, doubling from `firstMs` up to `maxMs`, minus up to 25 % of
 * jitter so that simultaneous failures are not retried simultaneously.
 * @param tries - failed attempts so far, at least 1
 */
export function backoffMs(tries: number, firstMs: number, maxMs: number, random = Math.random): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(tries - 1, 30));
  return Math.round(full * (1 - random() / 4));
}

/**
 * Waits at most `ms` for `work`. Unlike an abort signal, this also returns when `work` ignores its signal.
 * @throws the error made by `onTimeout`
 */
export function withinMs<T>(ms: number, work: Promise<T>, onTimeout: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(onTimeout()), ms);
    const settle = (): void => {
      clearTimeout(timer);
      resolve(work);
    };
    work.then(settle, settle);
  });
}
