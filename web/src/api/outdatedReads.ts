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
 * well, but urql drops the first request for a query that has no answer yet.
 */
export const outdatedReadsExchange: Exchange =
  ({ client, forward }) =>
  (operations$) => {
    /** The queries without an answer, and whether something has changed since they were sent. */
    const reads = new Map<number, boolean>();
    return pipe(
      operations$,
      tap(({ kind, key }) => {
        if (kind === 'query') reads.set(key, false);
        if (kind === 'teardown') reads.delete(key);
      }),
      forward,
      tap((result) => {
        const { operation } = result;
        if (isChange(result)) for (const key of reads.keys()) reads.set(key, true);
        const isOutdated = reads.get(operation.key) === true;
        reads.delete(operation.key);
        if (isOutdated)
          client.reexecuteOperation(
            makeOperation('query', operation, { ...operation.context, requestPolicy: 'network-only' }),
          );
      }),
    );
  };
