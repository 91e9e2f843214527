import { makeOperation, type Exchange, type OperationResult } from '@urql/core';
import { pipe, tap } from 'wonka';
import { type ActivitySubscription } from '../graphql/operations';

/** Whether a result is an event after which a list may have other entries. */
function isChange({ operation, data }: OperationResult): boolean {
  if (operation.kind !== 'subscription' || !data) return false;
  const { change, isEstimate, isSnapshot } = (data as ActivitySubscription).activity;
  if (change.__typename === 'CaughtUp') return change.hasGap || operation.variables?.after == null;
  return !isEstimate && !isSnapshot;
}

/**
 * Reads again what was being read when something changed: the answer may be older than the change. The cache asks for it as
 * well, but urql drops the first request for a query that has no answer yet. The same after two requests for one query at
 * once, since the older answer may come last.
 */
export const outdatedReadsExchange: Exchange =
  ({ client, forward }) =>
  (operations$) => {
    /** By query: the requests without an answer, and whether the last answer may be outdated. */
    const reads = new Map<number, { unanswered: number; isOutdated: boolean }>();
    return pipe(
      operations$,
      tap(({ kind, key }) => {
        if (kind === 'query') {
          const unanswered = (reads.get(key)?.unanswered ?? 0) + 1;
          reads.set(key, { unanswered, isOutdated: unanswered > 1 });
        }
        if (kind === 'teardown') reads.delete(key);
      }),
      forward,
      tap((result) => {
        const { operation } = result;
        if (isChange(result)) for (const read of reads.values()) read.isOutdated = true;
        const read = reads.get(operation.key);
        if (!read || --read.unanswered > 0) return;
        reads.delete(operation.key);
        if (read.isOutdated)
          client.reexecuteOperation(
            makeOperation('query', operation, { ...operation.context, requestPolicy: 'network-only' }),
          );
      }),
    );
  };
