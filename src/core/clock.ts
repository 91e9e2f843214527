import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits; returns early, without an error, when the signal is aborted. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal, ref: true });
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

/**
 * Runs `work` with a signal that aborts when `parent` does, after `timeoutMs`, or once `work` has settled. To be used
 * in place of `AbortSignal.any`, which leaves some 60 bytes in a parent that lives on for every signal made from it.
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
    controller.abort();
  }
}

/**
 * The wait before try number `tries + 1`: doubling from `firstMs`, at most `mostMs`, with up to a quarter of jitter
 * taken off so that many that failed together do not return together.
 * @param tries - failures so far, 1 or more
 */
export function backoffMs(tries: number, firstMs: number, maxMs: number, random = Math.random): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(tries - 1, 30));
  return Math.round(full * (1 - random() / 4));
}

/**
 * Waits for `work` at most `ms`. Unlike an abort alone, this also returns when `work` ignores the signal.
 * @throws the error made by `onTimeout`
 */
export async function withinMs<T>(ms: number, work: Promise<T>, onTimeout: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(onTimeout());
    }, ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
