import { ConnectionFailedError, LikenessError, NoAnswerError } from './errors.ts';

/** When calls are repeated. */
export interface RetryPolicy {
  /** The delay before a repetition, in milliseconds. `attempt` is 0 after the first failure. */
  retryDelayMs: (attempt: number, error: LikenessError) => number;
  /** Called after a failure, before the delay if the call is repeated. */
  onFailure: (error: LikenessError) => void;
}

/** Options of a repeated call. */
export interface RetryOptions {
  /** For how long to repeat after the first failure, in milliseconds. */
  retryForMs: number;
  signal: AbortSignal;
}

const maxDelayMs = 15_000;

/** Close codes of a server that asks its clients to come back at different times, with the latest time. */
const spreadMs: ReadonlyMap<number | null, number> = new Map([
  [1001, 3_000],
  [1012, 3_000],
  [1013, 10_000],
]);

/** Exponential backoff with jitter: up to 0.5 s after the first failure, up to 15 s later, and never before `Retry-After`. */
export function defaultRetryDelayMs(attempt: number, error: LikenessError): number {
  const spread = error instanceof ConnectionFailedError ? (spreadMs.get(error.closeCode) ?? 0) : 0;
  const longest = Math.max(spread, Math.min(maxDelayMs, 500 * 2 ** attempt));
  const { retryAfterSeconds } = error.details;
  const earliest = typeof retryAfterSeconds === 'number' ? 1_000 * retryAfterSeconds : 0;
  return earliest + Math.random() * longest;
}

/** Waits; rejects with the signal's reason when it is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal.addEventListener('abort', abort, { once: true });
  });
}

/**
 * Counts the temporary failures of a call, and reports all.
 * @returns a function that waits until the next repetition, and throws what cannot be repeated
 */
export function retries(
  { retryDelayMs, onFailure }: RetryPolicy,
  { retryForMs, signal }: RetryOptions,
): { after: (error: unknown) => Promise<void>; succeeded: () => void } {
  let attempt = 0;
  let sinceMs = 0;
  const after = async (error: unknown): Promise<void> => {
    if (!(error instanceof LikenessError)) throw error;
    onFailure(error);
    if (!error.isTemporary) throw error;
    const nowMs = Date.now();
    if (attempt === 0) sinceMs = nowMs;
    const delayMs = retryDelayMs(attempt++, error);
    if (nowMs + delayMs > sinceMs + retryForMs) throw error;
    await pause(delayMs, signal);
  };
  return { after, succeeded: () => void (attempt = 0) };
}

/**
 * Runs work with a time limit, which also ends work that ignores its signal.
 * @param work - `restart` starts the time limit again
 * @param outer - aborts the work with its reason
 * @throws NoAnswerError; the reason of the outer signal; what `work` throws
 */
export async function withTimeout<Result>(
  timeoutMs: number,
  outer: AbortSignal,
  work: (signal: AbortSignal, restart: () => void) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const { signal } = controller;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  const restart = (): void => {
    clearTimeout(timer);
    // Work that ignores its signal may still report progress.
    if (isOver) return;
    timer = setTimeout(() => controller.abort(new NoAnswerError(timeoutMs)), timeoutMs);
  };
  const unlink = link([outer], controller);
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  // It stays unsettled if the work ends first.
  aborted.catch(() => undefined);
  try {
    signal.throwIfAborted();
    restart();
    return await Promise.race([work(signal, restart), aborted]);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    isOver = true;
    clearTimeout(timer);
    unlink();
  }
}

/**
 * Aborts a controller with the first of the signals. `AbortSignal.any` would leak into signals that live on.
 * @returns a function that removes the listeners
 */
export function link(signals: readonly (AbortSignal | undefined)[], controller: AbortController): () => void {
  const present = signals.filter((signal) => signal !== undefined);
  const abort = (event: Event): void => controller.abort((event.target as AbortSignal).reason);
  for (const signal of present) {
    if (signal.aborted) controller.abort(signal.reason);
    else signal.addEventListener('abort', abort);
  }
  return () => {
    for (const signal of present) signal.removeEventListener('abort', abort);
  };
}
