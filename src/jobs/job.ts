import type { Sql } from '../core/sql';
import type { EventKind } from '../events/event.entity';
import type { Accepted, PollPlan, UpstreamResult, UpstreamState } from '../upstream/provider';
import type { Failure } from './failure';
import type { JobEntity } from './job.entity';

/** How long a job may wait to be submitted, in milliseconds: a day of an upstream that says "later" is enough. */
export const queueDeadlineMs = 86_400_000;

/** A row of `models` or `generations`, as the shared work sees it. */
export type JobRow = JobEntity & { status: string };

/**
 * A kind of job: what is different between a training and a generation, as data. The shared work (claim, submit,
 * follow) is written once against this.
 */
export interface JobKind {
  readonly table: 'models' | 'generations';
  /** What a row is called in messages. */
  readonly noun: 'model' | 'generation';
  /** Which states may follow which. */
  readonly moves: Readonly<Record<string, readonly string[]>>;
  /** The state of a job that the upstream works on. */
  readonly running: 'TRAINING' | 'GENERATING';
  readonly eventKind: EventKind;
  /** The stream that the row's events belong to. */
  streamOf(row: JobRow): string;
  /** What an attempt of the row asks the upstream for. */
  unitsOf(row: JobRow): { trainings: number; avatars: number };
  /** The row as its subscribers are told of it. */
  payloadOf(row: JobRow): object;
}

/** Columns that a move may set; times as Date, or `'now'` for the database's own. */
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

/** One change of one row: conditional, and told to subscribers if `tell`. */
export interface JobMove {
  id: string;
  /** The states it may leave; another state means that somebody was faster, and nothing is done. */
  from: readonly string[];
  /** The fencing token that must still be the row's. */
  lease?: string;
  /** The attempt that must still be the row's. */
  attempt?: number;
  set: JobPatch;
  /** When a worker must look again, in milliseconds from now by the database's clock; null: never. */
  dueInMs: number | null;
  /** Whether it is an event. */
  appendsEvent: boolean;
}

/** Whether a QUEUED row can be submitted now. */
export type Preparation =
  /** `call` makes the paid call; everything that can fail on our side was done before. */
  | { go: 'submit'; call: (signal: AbortSignal) => Promise<Accepted> }
  | { go: 'wait'; ms: number }
  | { go: 'fail'; failure: Failure };

/** What a feature does of a job's way; the order and the promises are the shared work's. */
export interface JobSteps<Row extends JobRow = JobRow> {
  readonly kind: JobKind;
  /** How long a job may run upstream, in milliseconds. */
  readonly deadlineMs: number;
  readonly pollPlan: PollPlan;
  /** How long the upstream keeps what a finished job came to, in milliseconds. */
  readonly retentionMs: number;
  /** How long such a job usually takes, in milliseconds: learned, or else the provider's word. */
  typicalMs(row: Row): Promise<number>;
  /** What the upstream reports in percent, or the clock says, as the share of the whole job that it means. */
  shareOfUpstream: number;
  /** Looks at a QUEUED row, whose next attempt has the given number. */
  prepare(row: Row, attempt: number): Promise<Preparation>;
  /** Whether a submission makes the upstream fetch photos of ours, which would prove that it arrived. */
  fetchesPhotos(row: Row): boolean;
  ask(row: Row, signal: AbortSignal): Promise<UpstreamState>;
  /** Whether a job that is done with these results is a success. */
  hasResult(results: readonly UpstreamResult[]): boolean;
  /**
   * The upstream is done: moves the row on within the transaction.
   * @returns the row if it moved, null if somebody was faster
   */
  finish(sql: Sql, row: Row, results: readonly UpstreamResult[]): Promise<Row | null>;
  /** The row has come to an end that is not success; runs in the transaction of that move. */
  ended(sql: Sql, row: Row): Promise<void>;
}
