import { type Exchange, type Operation } from '@urql/core';
import { map, pipe, tap } from 'wonka';
import { type ActivitySubscription } from '../graphql/operations';

/** A model or generation as an answer or an event has it. */
interface Copy {
  readonly id: string;
  readonly updatedAt: string;
}

const isCopy = (value: object): value is Copy =>
  'id' in value && 'updatedAt' in value && typeof value.updatedAt === 'string';

/** Whether activity begins again after events that are lost, such as after the database was restored. */
const hasGap = (data: unknown): boolean => {
  const change = (data as Partial<ActivitySubscription> | null | undefined)?.activity?.change;
  return change?.__typename === 'CaughtUp' && change.hasGap;
};

/**
 * Replaces the fields of a model or generation by those of a newer copy that was received before. Answers and events have
 * connections of their own: without it, a late answer would replace the state of the last event of a job, and stay.
 */
export const newestJobsExchange: Exchange =
  ({ forward }) =>
  (operations$) => {
    const newest = new Map<string, Copy>();

    /** Activity is followed without a cursor after the database was restored into another server, which may have made jobs older. */
    const forget = ({ kind, variables }: Operation): void => {
      if (kind === 'subscription' && (variables as { after: string | null }).after === null) newest.clear();
    };
    const renew = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(renew);
      if (typeof value !== 'object' || value === null) return value;
      const fields = Object.fromEntries(Object.entries(value).map(([name, field]) => [name, renew(field)]));
      if (!isCopy(fields)) return fields;
      const known = newest.get(fields.id);
      if (known && known.updatedAt > fields.updatedAt) return { ...fields, ...known };
      // The answer to a mutation has only some of the fields.
      newest.set(fields.id, { ...known, ...fields });
      return fields;
    };
    return pipe(
      operations$,
      tap(forget),
      forward,
      map((result) => {
        if (hasGap(result.data)) newest.clear();
        return { ...result, data: renew(result.data) };
      }),
    );
  };
