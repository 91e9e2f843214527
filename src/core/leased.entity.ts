import { Column, PrimaryColumn } from 'typeorm';

/** The columns of a table on whose rows workers work: see `LeasedRows`. */
export abstract class LeasedEntity {
  @PrimaryColumn('uuid')
  id: string;

  /** The subject that the caller was authenticated as. */
  @Column('text')
  owner: string;

  /** When a worker must process the row next; while it is leased, when the lease ends. Null: never. */
  @Column('timestamptz', { nullable: true })
  dueAt: Date | null;

  /** The fencing token of the worker that leases the row; a worker writes only while this is its token. */
  @Column('uuid', { nullable: true })
  lease: string | null;

  /** Consecutive failures of the current step, for the backoff. */
  @Column('integer', { default: 0 })
  tries: number;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;
}
