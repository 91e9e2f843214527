import { DomainError } from '../core/errors';
import type { EntityClass, Sql } from '../core/sql';
import type { Accepted, PollPlan, UpstreamResult, UpstreamState } from '../upstream/provider';
import type { JobFailure } from './failure';
import type { JobEntity } from './job.entity';

/** How long a job may wait to be submitted, in milliseconds. */
export const queueDeadlineMs = 86_400_000;

/** A row of `models` or `generations`, as code for both kinds reads it. */
export type JobRow = JobEntity & { status: string };

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
  readonly eventKind: 'MODEL' | 'GENERATION';
  /** SQL for {@link streamOf}, from the columns of the table. */
  readonly streamColumn: string;
  /** The stream that the row's events belong to. */
  streamOf(row: Row): string;
  /** The amounts that an attempt of the row requests from the upstream. */
  unitsOf(row: Row): { trainings: number; avatars: number };
  /** The row as its subscribers receive it. */
  payloadOf(row: Row): object;
}

/** Columns that a move may set; times as Date, or `'now'` for the database's time. */
export type JobPatch = Partial<
  Omit<JobRow, 'id' | 'owner' | 'dueAt' | 'submittedAt' | 'createdAt' | 'updatedAt'> & {
    submittedAt: Date | 'now' | null;
  }
> &
  Record<string, unknown>;

/** The columns of an attempt that has not been polled yet. */
export const notPolled = {
  polls: 0,
  tries: 0,
  notFoundSince: null,
  notFoundCount: 0,
  lastRunningAt: null,
} as const satisfies JobPatch;

/** A conditional change of one row, with an event if `appendsEvent`. */
export interface JobMove {
  id: string;
  /** The states from which the row may move. In any other state nothing is changed. */
  from: readonly string[];
  /** The fencing token that the row must still have. */
  lease?: string;
  /** The attempt number that the row must still have. */
  attempt?: number;
  set: JobPatch;
  /** When the row is due next, in milliseconds from now by the database's clock; null: never. */
  dueInMs: number | null;
  /** Whether the change appends an event. */
  appendsEvent: boolean;
}

/** Whether a QUEUED row can be submitted now. */
export type Preparation =
  /** `call` makes the paid call. Everything that can fail locally has been done before. */
  | { go: 'submit'; call: (signal: AbortSignal) => Promise<Accepted> }
  | { go: 'wait'; ms: number }
  | { go: 'fail'; failure: JobFailure };

/** The steps of a job that differ between the features. Their order is the same for both kinds. */
export interface JobSteps<Row extends JobRow = JobRow> {
  readonly kind: JobKind<Row>;
  /** How long a job may run upstream, in milliseconds. */
  readonly deadlineMs: number;
  readonly pollPlan: PollPlan;
  /** How long the upstream keeps the result of a finished job, in milliseconds. */
  readonly retentionMs: number;
  /** How long such a job typically takes, in milliseconds: measured, or else the provider's figure. */
  typicalMs(row: Row): Promise<number>;
  /** The share of the whole job that the upstream's progress, or elapsed time, covers. */
  shareOfUpstream: number;
  /** Prepares the paid call of a QUEUED row, whose next attempt has the given number. */
  prepare(row: Row, attempt: number): Promise<Preparation>;
  /** Whether a submission makes the upstream fetch photos from this gateway, which proves that the call arrived. */
  fetchesPhotos(row: Row): boolean;
  poll(row: Row, signal: AbortSignal): Promise<UpstreamState>;
  /** Whether a finished job with these results is a success. */
  hasResult(results: readonly UpstreamResult[]): boolean;
  /**
   * Moves the row when the upstream has finished, within the transaction.
   * @returns the row if it moved, null if its state had changed in the meantime
   */
  finish(sql: Sql, row: Row, results: readonly UpstreamResult[]): Promise<Row | null>;
  /** Called when the row has ended without success, in the transaction of that move. */
  ended(sql: Sql, row: Row): Promise<void>;
}

/** The properties of every job that its events contain: those that JSON represents, and times. */
export const jobPayload = {
  values: [
    ...(['id', 'owner', 'provider', 'status', 'progress', 'attempt', 'consentVersion'] as const),
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
