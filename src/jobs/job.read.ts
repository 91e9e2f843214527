import { encodeEventCursor } from '../events/event';
import type { Positioned } from '../events/event-log.repository';
import { columns, computed, type FieldSource } from '../reads/source';
import { failureOf } from './failure.type';
import { isRetryable, isUnfinished, type JobKind, type JobRow } from './job.kind';
import { likelyReadyAt, readyEstimate, shownProgress, type PacedJob, type PacedKind } from './pace';
import { priorityOf } from './queue-options';

/**
 * The sources of the fields that models and generations have in common, except `canRetry`.
 * @param streamNeeds - the properties from which `streamOf` takes the stream
 */
export function jobFields<Row extends JobRow>(
  kind: JobKind<Row>,
  streamNeeds: readonly (keyof Row & string)[],
): Readonly<Record<string, FieldSource>> {
  return {
    ...columns('status', 'attempt', 'provider', 'consentVersion', 'consentAt'),
    ...columns('createdAt', 'updatedAt', 'submittedAt', 'startBy'),
    ...pacedFields(kind),
    id: { kind: 'id' },
    canCancel: computed<JobRow, 'status'>(['status'], (row) => isUnfinished(kind, row)),
    cursor: computed<Row & Positioned, (keyof Row & string) | 'sequence'>(
      [...streamNeeds, 'sequence'],
      (row) => encodeEventCursor(kind.streamOf(row as Row), row.sequence),
    ),
    priority: computed<JobRow, 'queueRank'>(['queueRank'], priorityOf),
    failure: computed<JobRow, 'failureCode' | 'failureMessage' | 'failureRetryable'>(
      ['failureCode', 'failureMessage', 'failureRetryable'],
      failureOf,
    ),
  };
}

/** The columns that {@link isRetryableBy} needs. */
export type RetryColumns = 'status' | 'failureRetryable' | 'provider';

/** Whether the configured provider could retry a job, if it has what a retry needs. */
export function isRetryableBy(provider: { readonly name: string }, row: Pick<JobRow, RetryColumns>): boolean {
  return isRetryable(row) && row.provider === provider.name;
}

/**
 * The fields that depend on the time, as of the read: later, the job may have ended with less progress. Only those of running
 * jobs are computed.
 */
function pacedFields(kind: PacedKind): Readonly<Record<string, FieldSource>> {
  const needs = ['status', 'progress', 'submittedAt', 'pace', 'estimatedReadyAt', 'now'] as const;
  type Row = PacedJob & Pick<Positioned, 'now'> & { readonly estimatedReadyAt: string | null };
  const paced = (compute: (row: Row) => unknown, property: (typeof needs)[number]): FieldSource =>
    computed<Row, (typeof needs)[number]>(needs, compute, { isNull: 'pace', property });
  return {
    progress: paced((row) => shownProgress(kind, row, row.now), 'progress'),
    estimatedReadyAt: paced((row) => likelyReadyAt(kind, row, row.now), 'estimatedReadyAt'),
    estimatedReadyBetween: computed<Row, (typeof needs)[number]>(needs, (row) =>
      readyEstimate(kind, row, row.now),
    ),
  };
}
