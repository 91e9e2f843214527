import type { WorkSize } from '../accounts/prices';
import type { Reservation } from '../accounts/quota.service';
import { DomainError } from '../core/errors';
import type { EntityClass } from '../core/sql';
import type { JobEntity } from './job.entity';

/** How long a job may wait to be submitted, in milliseconds. */
export const queueDeadlineMs = 86_400_000;

/** A row of `models` or `generations`, as code for both kinds reads it. */
export type JobRow = JobEntity & { status: string };

/** Columns that a move may set; times as Date, or `'now'` for the database's time. */
export type JobPatch = Partial<
  Omit<JobRow, 'id' | 'owner' | 'dueAt' | 'submittedAt' | 'createdAt' | 'updatedAt'> & {
    submittedAt: Date | 'now' | null;
  }
> &
  Record<string, unknown>;

/**
 * The differences between a training and a generation, as data. Claiming, submitting and following are implemented
 * once for both.
 */
export interface JobKind<Row extends JobRow = JobRow> {
  readonly entity: EntityClass<Row>;
  readonly table: 'models' | 'generations';
  /** The name of a row in messages. */
  readonly noun: 'model' | 'generation';
  /** The kind of its global ids. */
  readonly node: 'AvatarModel' | 'Generation';
  /** The transitions: for each state, the states that may follow it. */
  readonly moves: Readonly<Record<string, readonly string[]>>;
  /** The states from which a job still moves by itself. */
  readonly unfinished: readonly string[];
  /** The state of a job that the upstream processes. */
  readonly running: 'TRAINING' | 'GENERATING';
  /** The share of the whole job that the upstream works on it. */
  readonly shareOfUpstream: number;
  readonly eventKind: 'MODEL' | 'GENERATION';
  /** SQL for {@link streamOf}, from the columns of the table. */
  readonly streamColumn: string;
  /** The stream that the row's events belong to. */
  streamOf(row: Row): string;
  /** Columns that only a job that has ended has; they are reset when it runs again. */
  readonly notEnded: JobPatch;
  /** The state of a row whose attempt has failed. */
  failedState(row: Row): JobPatch & { status: string };
  /** The state of an unfinished row whose latest attempt is cancelled. */
  cancelledState(row: Row): JobPatch & { status: string };
  /** Whether the latest attempt of a row has been cancelled, so that another cancellation changes nothing. */
  isCancelled(row: Pick<JobRow, 'status' | 'providerRef' | 'failureCode'>): boolean;
  /** The amounts that an attempt of the row requests from the upstream. */
  unitsOf(row: Row): { trainings: number; avatars: number };
  /** What the price of an attempt of the row depends on. */
  sizeOf(row: Row): WorkSize;
  /** SQL: the work and the units of a new attempt of a FAILED row. */
  readonly sizeColumns: { readonly work: string; readonly units: string };
  /** The row as its subscribers receive it. */
  payloadOf(row: Row): object;
}

/** What the next attempt of a job reserves. `afterAttempt`: for a retry, the last attempt before it. */
export function reservationOf<Row extends JobRow>(
  kind: JobKind<Row>,
  row: Row,
  afterAttempt = 0,
): Reservation {
  const size = kind.sizeOf(row);
  return { jobKind: kind.noun, jobId: row.id, ...kind.unitsOf(row), size, afterAttempt };
}

/** Whether a job still moves by itself, and so can be cancelled. */
export function isUnfinished(
  { unfinished }: Pick<JobKind, 'unfinished'>,
  { status }: { status: string },
): boolean {
  return unfinished.includes(status);
}

/** The states from which a job may be retried; from FAILED, only if its failure allows it. */
export const retryableStates: readonly string[] = ['UNCERTAIN', 'PARTIAL', 'FAILED'];

/** Whether the state of a job allows a retry. */
export function isRetryable({
  status,
  failureRetryable,
}: Pick<JobRow, 'status' | 'failureRetryable'>): boolean {
  return retryableStates.includes(status) && (status !== 'FAILED' || failureRetryable === true);
}

/** The properties of every job that its events contain: those that JSON represents, and times. */
export const jobPayload = {
  values: [
    ...(['id', 'owner', 'provider', 'status', 'progress', 'pace', 'attempt', 'consentVersion'] as const),
    ...(['failureCode', 'failureMessage', 'failureRetryable'] as const),
  ],
  times: ['createdAt', 'submittedAt', 'estimatedReadyAt', 'consentAt'],
} as const;

/**
 * Checks that the provider of a model or generation is configured, so that new work can be submitted to it.
 * @param has - the provider of the model or generation
 * @throws DomainError PROVIDER_NOT_CONFIGURED
 */
export function assertConfigured(has: string, configured: { readonly name: string }, field: string): void {
  if (has === configured.name) return;
  throw new DomainError(
    'PROVIDER_NOT_CONFIGURED',
    `Its avatar service, "${has}", is not configured on this server. Contact the operator, or create a new one with "${configured.name}".`,
    { field, details: { provider: has } },
  );
}
