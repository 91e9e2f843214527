import { encodeEventCursor } from '../events/event';
import type { Positioned } from '../events/event-log.repository';
import { columns, computed, type FieldSource } from '../reads/source';
import { failureOf } from './failure.type';
import { isRetryable, isUnfinished, type JobKind, type JobRow } from './job.kind';

/**
 * The sources of the fields that models and generations have in common, except `canRetry`.
 * @param streamNeeds - the properties from which `streamOf` takes the stream
 */
export function jobFields<Row extends JobRow>(
  kind: JobKind<Row>,
  streamNeeds: readonly (keyof Row & string)[],
): Readonly<Record<string, FieldSource>> {
  return {
    ...columns('status', 'progress', 'attempt', 'provider', 'consentVersion', 'consentAt'),
    ...columns('createdAt', 'updatedAt', 'submittedAt', 'estimatedReadyAt'),
    id: { kind: 'id' },
    canCancel: computed<JobRow, 'status'>(['status'], (row) => isUnfinished(kind, row)),
    cursor: computed<Row & Positioned, (keyof Row & string) | 'sequence'>(
      [...streamNeeds, 'sequence'],
      (row) => encodeEventCursor(kind.streamOf(row as Row), row.sequence),
    ),
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
