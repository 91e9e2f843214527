import { Check, Column, Index } from 'typeorm';
import { LeasedEntity } from '../core/leased.entity';

/** How the progress of a running job continues between its changes. */
export interface Pace {
  /** How long such jobs took when it was submitted. */
  readonly durations: readonly number[];
  /** When its progress was stored: the database's time, in milliseconds since 1970. */
  readonly atMs: number;
  /** What has been reached according to the avatar service, in percent of the whole job. */
  readonly reached: number;
  /** The whole duration according to the avatar service, in milliseconds; null if it reports no progress. */
  readonly reportedMs: number | null;
  /** Whether the time of its submission is known, so that others can be expected to take as long. */
  readonly isTimed: boolean;
}

/**
 * Columns that trainings and generations share: a paid call that is made once and then followed until it ends.
 * Written only by the moves of `job.repository.ts`, so that no state changes without its event.
 */
export abstract class JobEntity extends LeasedEntity {
  /** The provider of the job; it never changes. */
  @Column('text')
  provider: string;

  /** Percent, 0 to 100, as of the last change; never decreases within an attempt. */
  @Column('smallint', { default: 0 })
  progress: number;

  /** How the progress continues since it was stored; null unless the job runs. */
  @Column('jsonb', { nullable: true })
  pace: Pace | null;

  /** As of the last change, see {@link pace}; null unless the job runs. */
  @Column('timestamptz', { nullable: true })
  estimatedReadyAt: Date | null;

  @Column('text', { nullable: true })
  failureCode: string | null;

  @Column('text', { nullable: true })
  failureMessage: string | null;

  @Column('boolean', { nullable: true })
  failureRetryable: boolean | null;

  /** The number of paid calls that were started. A new number is committed before each call. */
  @Column('integer', { default: 0 })
  attempt: number;

  /** The upstream's id of the job. */
  @Column('text', { nullable: true })
  providerRef: string | null;

  /** When the upstream accepted the running attempt. */
  @Column('timestamptz', { nullable: true })
  submittedAt: Date | null;

  /** The end of the current state: a queued or running job fails then, and a failed job is no longer polled. */
  @Column('timestamptz', { nullable: true })
  deadlineAt: Date | null;

  /** Since when it waits for its paid call. Kept while the call is made, and if the call was certainly not executed. */
  @Column('timestamptz', { default: () => 'now()' })
  queuedAt: Date;

  /** When it is cancelled if it is still QUEUED; null: never. */
  @Column('timestamptz', { nullable: true })
  startBy: Date | null;

  /** Its order among the owner's jobs that wait; the lowest first: `priorityOf`. */
  @Column('smallint', { default: 1 })
  queueRank: number;

  /** The number of polls of the running attempt. */
  @Column('integer', { default: 0 })
  polls: number;

  /** Since when all definite answers to polls of the running attempt have been 404. */
  @Column('timestamptz', { nullable: true })
  notFoundSince: Date | null;

  /** The number of those 404 answers. */
  @Column('integer', { default: 0 })
  notFoundCount: number;

  /** When the upstream last reported the running attempt as unfinished. */
  @Column('timestamptz', { nullable: true })
  lastRunningAt: Date | null;

  /** How often the paid call was repeated automatically because no photo was fetched; a retry resets it to 0. */
  @Column('smallint', { default: 0 })
  resends: number;

  /** The last error, for the operator. */
  @Column('text', { nullable: true })
  lastError: string | null;

  /** The version of the consent text that the person on the photos agreed to; null if not recorded. */
  @Column('text', { nullable: true })
  consentVersion: string | null;

  /** When that person agreed. */
  @Column('timestamptz', { nullable: true })
  consentAt: Date | null;

  @Column('timestamptz', { default: () => 'now()' })
  updatedAt: Date;
}

/** The states of jobs that take a place in their owner's queue: a job whose call was not executed returns to its place. */
export const queueStates = ['QUEUED', 'SUBMITTING'] as const;

/** The states in which the outcome of a job's paid call is not known. */
export const unsettledStates = ['SUBMITTING', 'UNCERTAIN'] as const;

/**
 * The states in which a job has failed but may still succeed upstream, so that it is polled rarely while it is due:
 * FAILED, and PARTIAL if the retry of its missing pictures has failed.
 */
export const watchedStates: readonly string[] = ['FAILED', 'PARTIAL'];

/** SQL: whether a row is in one of the {@link watchedStates} of its kind. */
export function isWatchedIn(states: readonly string[]): string {
  const watched = states.filter((state) => watchedStates.includes(state));
  return watched.length === 1 ? `status = '${watched[0]}'` : `status IN (${list(watched)})`;
}

/** How the states of a kind of jobs appear in its checks and indexes. */
interface JobStates {
  all: readonly string[];
  unfinished: readonly string[];
  /** The state of a job that the upstream processes. */
  running: string;
  /** The states of a job whose latest attempt the upstream has accepted. */
  accepted: readonly string[];
}

/** The checks and indexes that the tables of trainings and of generations have in common. */
export function JobTable(table: string, { all, unfinished, running, accepted }: JobStates): ClassDecorator {
  const isDue = 'due_at IS NOT NULL';
  const decorators = [
    Check(`${table}_status_known`, `status IN (${list(all)})`),
    Check(`${table}_progress_range`, 'progress BETWEEN 0 AND 100'),
    Check(
      `${table}_failed_says_why`,
      `(status <> 'FAILED' OR failure_code IS NOT NULL) AND (failure_code IS NULL OR ${isWatchedIn(all)})`,
    ),
    Check(
      `${table}_failure_whole`,
      '(failure_code IS NULL) = (failure_message IS NULL) AND (failure_code IS NULL) = (failure_retryable IS NULL)',
    ),
    Check(`${table}_running_has_ref`, `status NOT IN (${list(accepted)}) OR provider_ref IS NOT NULL`),
    Check(
      `${table}_waiting_is_due`,
      `status IN ('READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED') OR ${isDue}`,
    ),
    Check(`${table}_queue_rank_known`, 'queue_rank BETWEEN 0 AND 2'),
    Check(`${table}_consent_whole`, '(consent_version IS NULL) = (consent_at IS NULL)'),
    Check(`${table}_attempted_in_flight`, `status NOT IN (${list(unsettledStates)}) OR attempt > 0`),
    Index(`${table}_due`, ['dueAt'], { where: isDue }),
    Index(`${table}_unsettled_due`, ['dueAt'], {
      where: `${isDue} AND status IN (${list(unsettledStates)})`,
    }),
    ...indexesOf(`${table}_queued`, `${isDue} AND status = 'QUEUED'`, ['due', 'of_owner', 'deadline']),
    Index(`${table}_queued_start_by`, ['startBy'], {
      where: `${isDue} AND status = 'QUEUED' AND start_by IS NOT NULL`,
    }),
    Index(`${table}_queued_in_turn`, ['owner', 'queueRank', 'queuedAt', 'dueAt'], {
      where: `${isDue} AND status = 'QUEUED'`,
    }),
    Index(`${table}_queue_of_owner`, ['owner', 'queueRank', 'queuedAt', 'id'], {
      where: `status IN (${list(queueStates)})`,
    }),
    ...indexesOf(`${table}_followed`, `${isDue} AND status = '${running}'`, ['due', 'of_owner', 'deadline']),
    ...indexesOf(`${table}_watched`, `${isDue} AND ${isWatchedIn(all)}`, ['due', 'of_owner']),
    Index(`${table}_of_owner`, ['owner', 'id']),
    Index(`${table}_running_of_owner`, ['owner'], { where: `status IN (${list(unfinished)})` }),
    Index(`${table}_ref_once`, ['provider', 'providerRef'], {
      unique: true,
      where: 'provider_ref IS NOT NULL',
    }),
  ];
  return (target) => {
    for (const decorate of decorators) decorate(target);
  };
}

const indexedColumns = { due: ['dueAt'], of_owner: ['owner', 'dueAt'], deadline: ['deadlineAt'] };

/** Indexes of the rows of one kind of work, for claims. */
function indexesOf(name: string, where: string, orders: (keyof typeof indexedColumns)[]): ClassDecorator[] {
  return orders.map((order) => Index(`${name}_${order}`, indexedColumns[order], { where }));
}

function list(states: readonly string[]): string {
  return `'${states.join("', '")}'`;
}
