import { type Exchange, type Operation } from '@urql/core';
import { filter, makeSubject, merge, pipe } from 'wonka';

/** Between two requests of the same query. */
const minIntervalMs = 1_000;

/**
 * Sends the same query at most once a second. Activity comes in bursts, and each event makes the lists that are shown out of
 * date: without it, a generation of many avatars could use up the viewer's rate of operations.
 */
export const coalesceExchange: Exchange =
  ({ forward }) =>
  (operations$) => {
    const sentAt = new Map<number, number>();
    const waiting = new Map<number, ReturnType<typeof setTimeout>>();
    const delayed = makeSubject<Operation>();

    const isDue = (operation: Operation): boolean => {
      const { kind, key } = operation;
      clearTimeout(waiting.get(key));
      if (kind === 'teardown') sentAt.delete(key);
      if (kind !== 'query') return true;
      const delayMs = (sentAt.get(key) ?? -minIntervalMs) + minIntervalMs - performance.now();
      if (delayMs <= 0) {
        sentAt.set(key, performance.now());
        return true;
      }
      const send = (): void => {
        waiting.delete(key);
        sentAt.set(key, performance.now());
        delayed.next(operation);
      };
      waiting.set(key, setTimeout(send, delayMs));
      return false;
    };
    return forward(merge([pipe(operations$, filter(isDue)), delayed.source]));
  };
