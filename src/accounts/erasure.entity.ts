import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * That somebody's data were erased: what is left to prove it, and while it goes on, what is left to be done. Once it is
 * done nothing in here leads to a person: the id was made at random, and who kept it can show it.
 */
@Entity('erasures')
@Check('erasures_due_while_owned', '(owner IS NULL) = (due_at IS NULL)')
@Check('erasures_forgotten_is_complete', 'owner IS NOT NULL OR completed_at IS NOT NULL')
@Index('erasures_running', ['owner'], { unique: true, where: 'completed_at IS NULL' })
@Index('erasures_of_owner', ['owner'], { where: 'owner IS NOT NULL' })
@Index('erasures_due', ['dueAt'], { where: 'due_at IS NOT NULL' })
export class ErasureEntity {
  /** The receipt. */
  @PrimaryColumn('uuid')
  id: string;

  /** Whose data; forgotten as soon as nothing more can come to light. */
  @Column('text', { nullable: true })
  owner: string | null;

  /** When it was asked for. What was there then is shown to nobody from then on. */
  @Column('timestamptz', { default: () => 'now()' })
  erasedAt: Date;

  /** When the last row was deleted. Null while there may be more; until then the owner is let in to nothing. */
  @Column('timestamptz', { nullable: true })
  completedAt: Date | null;

  /** When a worker must go on with it, or look once more. Null: nothing is to be done. */
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
