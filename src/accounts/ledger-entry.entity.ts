import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The direction of a movement of money. */
export type LedgerEntryKind = 'RESERVED' | 'SPENT' | 'RELEASED';

/**
 * A movement of money. A reservation is an entry RESERVED, which is made when an attempt of a job is accepted, and one
 * entry SPENT or RELEASED of the same amount, its end. Entries outlive their jobs; an erasure takes the owner and the
 * job from them.
 */
@Entity('ledger_entries')
@Check('ledger_entries_kind_known', "kind IN ('RESERVED', 'SPENT', 'RELEASED')")
@Check('ledger_entries_job_kind_known', "job_kind IN ('model', 'generation')")
@Check('ledger_entries_positive', 'amount > 0')
@Check('ledger_entries_reservation', "(kind = 'RESERVED') = (reservation_id = id)")
@Check('ledger_entries_due', "due_at IS NULL OR kind = 'RESERVED'")
@Index('ledger_entries_one_end', ['reservationId'], { unique: true, where: "kind <> 'RESERVED'" })
@Index('ledger_entries_of_owner', ['owner', 'id'])
@Index('ledger_entries_of_job', ['jobId'], { where: 'job_id IS NOT NULL' })
@Index('ledger_entries_open', ['dueAt'], { where: 'due_at IS NOT NULL' })
@Index('ledger_entries_open_of_owner', ['owner', 'currency', 'amount'], { where: 'due_at IS NOT NULL' })
@Index('ledger_entries_spent', ['owner', 'currency', 'createdAt', 'amount'], { where: "kind = 'SPENT'" })
export class LedgerEntryEntity {
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  owner: string;

  /** The entry RESERVED. */
  @Column('uuid')
  reservationId: string;

  @Column('text')
  jobKind: 'model' | 'generation';

  /** The model or generation; null after an erasure. Not a foreign key, because entries outlive jobs. */
  @Column('uuid', { nullable: true })
  jobId: string | null;

  /** The first attempt of the job that the reservation covers. */
  @Column('integer')
  attempt: number;

  @Column('text')
  kind: LedgerEntryKind;

  /** In millionths of the currency. */
  @Column('bigint')
  amount: string;

  @Column('text')
  currency: string;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;

  /** When it is checked next whether the reservation has ended; null once it has. */
  @Column('timestamptz', { nullable: true })
  dueAt: Date | null;
}

/**
 * What an owner had spent on a day before an erasure, so that an erasure does not reset the spending limits. Kept until
 * the month after.
 */
@Entity('erased_spending')
@Index('erased_spending_old', ['day'])
export class ErasedSpendingEntity {
  @PrimaryColumn('text')
  owner: string;

  /** The UTC day. */
  @PrimaryColumn('date')
  day: string;

  @PrimaryColumn('text')
  currency: string;

  /** In millionths of the currency. */
  @Column('bigint')
  amount: string;
}
