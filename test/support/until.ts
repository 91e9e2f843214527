import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';

/** Waits until the condition holds, checking every 10 to 50 ms. */
export async function until(holds: () => boolean | Promise<boolean>, limitMs = 25_000): Promise<void> {
  const startedAt = Date.now();
  while (!(await holds())) {
    const waitedMs = Date.now() - startedAt;
    if (waitedMs > limitMs) throw new Error(`The condition did not hold in time: ${holds.toString()}`);
    await pause(pauseMs(waitedMs, { min: 10, max: 50, share: 0.05 }));
  }
}

/** How often {@link eventually} asks. */
interface Pace {
  /** The shortest and the longest pause, in milliseconds. */
  min: number;
  max: number;
  /** The pause as a share of the time that was waited. */
  share: number;
}

const quick: Pace = { min: 50, max: 500, share: 0.1 };

/** For states that last: a request costs about 8 ms of processor time, and many wait at once. */
export const slow: Pace = { min: 150, max: 500, share: 0.2 };

/**
 * Polls until the result is as expected. Errors count as no result: the gateway may be unavailable.
 * @param what - what is awaited, for the error message
 * @param boundMs - far more than it should take on a busy machine
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T>,
  holds: (answer: T) => boolean,
  boundMs = 60_000,
  pace = quick,
): Promise<T> {
  const startedAt = Date.now();
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (holds(answer)) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    const waitedMs = Date.now() - startedAt;
    if (waitedMs > boundMs) {
      throw new Error(`${what} was not reached within ${boundMs / 1_000} s; last: ${inspect(last)}`);
    }
    await pause(pauseMs(waitedMs, pace));
  }
}

function pauseMs(waitedMs: number, { min, max, share }: Pace): number {
  return Math.min(Math.max(waitedMs * share, min), max);
}

/** Waits for a promise with a time limit. */
export async function within<T>(what: string, coming: Promise<T>, boundMs = 60_000): Promise<T> {
  const end = new AbortController();
  const late = pause(boundMs, undefined, { signal: end.signal }).then(() => {
    throw new Error(`${what} was not reached within ${boundMs / 1_000} s`);
  });
  try {
    return await Promise.race([coming, late]);
  } finally {
    late.catch(() => undefined);
    end.abort();
  }
}
