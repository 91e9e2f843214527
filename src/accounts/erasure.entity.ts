import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * An erasure of an owner's data: the state of the work while it is running, the proof afterwards. A completed erasure
 * does not identify the owner; its random id is the receipt.
 */
@Entity('erasures')
@Check('erasures_due_while_owned', '(owner IS NULL) = (due_at IS NULL)')
@Check('erasures_forgotten_is_complete', 'owner IS NOT NULL OR completed_at IS NOT NULL')
@Index('erasures_running', ['owner'], { unique: true, where: 'completed_at IS NULL' })
@Index('erasures_of_owner', ['owner'], { where: 'owner IS NOT NULL' })
@Index('erasures_due', ['dueAt'], { where: 'due_at IS NOT NULL' })
export class ErasureEntity {
  /** The receipt given to the client. */
  @PrimaryColumn('uuid')
  id: string;

  /** The owner. Removed once no further data of the owner can appear. */
  @Column('text', { nullable: true })
  owner: string | null;

  /** When it was requested. Data that existed at that time are inaccessible from then on. */
  @Column('timestamptz', { default: () => 'now()' })
  erasedAt: Date;

  /** When the last row was deleted. Null while rows may be left; the owner's requests are refused until then. */
  @Column('timestamptz', { nullable: true })
  completedAt: Date | null;

  /** When a worker must continue or check again. Null: no work is left. */
  @Column('timestamptz', { nullable: true, default: () => 'now()' })
  dueAt: Date | null;

  @Column('integer', { default: 0 })
  photos: number;

  @Column('integer', { default: 0 })
  models: number;

  @Column('integer', { default: 0 })
  generations: number;

  @Column('integer', { default: 0 })
  avatars: number;
}
