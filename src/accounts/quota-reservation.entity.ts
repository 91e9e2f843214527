import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * The quota used by one paid request. Kept for two days, also after its job is deleted, because deletion does not
 * restore quota.
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

  /** The UTC day whose quota is used. */
  @Column('date')
  day: string;

  /** The model or generation. Not a foreign key, because it may reference either table and outlive the row. */
  @Column('uuid')
  jobId: string;

  /** The job's last attempt before this reservation, which covers all later attempts. */
  @Column('integer', { default: 0 })
  afterAttempt: number;

  @Column('integer', { default: 0 })
  trainings: number;

  @Column('integer', { default: 0 })
  avatars: number;

  /** When the reservation was released; released reservations do not count. */
  @Column('timestamptz', { nullable: true })
  returnedAt: Date | null;
}
