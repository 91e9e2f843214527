import { Column, PrimaryColumn } from 'typeorm';

/**
 * What a training and a generation have in common: a paid call that is made once and then followed to its end.
 * Written only by the moves of `job.store.ts`, so that no state changes without its event.
 */
export abstract class JobEntity {
  @PrimaryColumn('uuid')
  id: string;

  /** Whose it is: the subject that the caller was authenticated as. */
  @Column('text')
  owner: string;

  /** The provider that has the job; it is never moved to another. */
  @Column('text')
  provider: string;

  /** Percent, 0 to 100; never goes back within an attempt. */
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

  /** How many times the paid call was begun. A fresh number is committed before each call. */
  @Column('integer', { default: 0 })
  attempt: number;

  /** The upstream's id of the job, all that the upstream knows it by. */
  @Column('text', { nullable: true })
  providerRef: string | null;

  /** When the upstream accepted the running attempt. */
  @Column('timestamptz', { nullable: true })
  submittedAt: Date | null;

  /**
   * When its state ends at the latest: what still waits to be submitted or is still running fails, and what has failed is
   * no longer polled.
   */
  @Column('timestamptz', { nullable: true })
  deadlineAt: Date | null;

  /** When a worker must look next; while one works on the row, when its lease ends. Null: nothing is to be done. */
  @Column('timestamptz', { nullable: true })
  dueAt: Date | null;

  /** The fencing token of the worker that holds the row; it writes only while this is still its own. */
  @Column('uuid', { nullable: true })
  lease: string | null;

  /** How often the upstream was asked for the running attempt's state. */
  @Column('integer', { default: 0 })
  polls: number;

  /** Failures in a row of what is being tried now, for the back-off. */
  @Column('integer', { default: 0 })
  tries: number;

  /** Since when polls of the running attempt were answered by 404 and by no other definite answer. */
  @Column('timestamptz', { nullable: true })
  notFoundSince: Date | null;

  /** How many answers of 404 that were. */
  @Column('integer', { default: 0 })
  notFoundCount: number;

  /** When the upstream last said that it works on the running attempt. It had not finished before. */
  @Column('timestamptz', { nullable: true })
  lastRunningAt: Date | null;

  /** How often the paid call was made again by itself, since no photo was fetched; 0 after a person's retry. */
  @Column('smallint', { default: 0 })
  resends: number;

  /** What went wrong last, for the operator. */
  @Column('text', { nullable: true })
  lastError: string | null;

  /** The text that the person on the photos has agreed to, by the version's name; null if nobody said. */
  @Column('text', { nullable: true })
  consentVersion: string | null;

  /** When that was. */
  @Column('timestamptz', { nullable: true })
  consentAt: Date | null;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;

  @Column('timestamptz', { default: () => 'now()' })
  updatedAt: Date;
}
