import { Column, PrimaryColumn } from 'typeorm';

/**
 * Columns that trainings and generations share: a paid call that is made once and then followed until it ends.
 * Written only by the moves of `job.repository.ts`, so that no state changes without its event.
 */
export abstract class JobEntity {
  @PrimaryColumn('uuid')
  id: string;

  /** The owner: the subject that the caller was authenticated as. */
  @Column('text')
  owner: string;

  /** The provider of the job; it never changes. */
  @Column('text')
  provider: string;

  /** Percent, 0 to 100; never decreases within an attempt. */
  @Column('smallint', { default: 0 })
  progress: number;

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

  /** When a worker must process the row next; while it is leased, when the lease ends. Null: never. */
  @Column('timestamptz', { nullable: true })
  dueAt: Date | null;

  /** The fencing token of the worker that leases the row; a worker writes only while this is its token. */
  @Column('uuid', { nullable: true })
  lease: string | null;

  /** The number of polls of the running attempt. */
  @Column('integer', { default: 0 })
  polls: number;

  /** Consecutive failures of the current step, for the backoff. */
  @Column('integer', { default: 0 })
  tries: number;

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
  createdAt: Date;

  @Column('timestamptz', { default: () => 'now()' })
  updatedAt: Date;
}
