import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * What one paid request took of its owner's quotas. Kept for two days, and longer than its job if that is deleted: who
 * deletes a model has still trained it.
 */
@Entity('quota_reservations')
@Check('quota_reservations_of_something', 'trainings >= 0 AND avatars >= 0 AND trainings + avatars > 0')
@Index('quota_reservations_of_owner', ['owner', 'day'])
@Index('quota_reservations_of_job', ['jobId'])
@Index('quota_reservations_old', ['day'])
export class QuotaReservationEntity {
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  owner: string;

  /** The UTC day whose quota it was taken of. */
  @Column('date')
  day: string;

  /** The model or generation. No foreign key: it may be either, and may be gone. */
  @Column('uuid')
  jobId: string;

  /** The job's attempt before; the attempts after it are those that this was reserved for. */
  @Column('integer', { default: 0 })
  afterAttempt: number;

  @Column('integer', { default: 0 })
  trainings: number;

  @Column('integer', { default: 0 })
  avatars: number;

  /** When it was returned; then it does not count. */
  @Column('timestamptz', { nullable: true })
  returnedAt: Date | null;
}
