import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What all processes that share a provider's key know of it together: its budget, its pauses, its credits. */
@Entity('upstream_accounts')
export class UpstreamAccountEntity {
  /** A digest of address and key. */
  @PrimaryColumn('text')
  account: string;

  @Column('text')
  provider: string;

  /** Polls that may be made now. */
  @Column('double precision')
  pollTokens: number;

  /** Submissions that may be made now; their own share, so that polls never starve them. */
  @Column('double precision')
  submitTokens: number;

  /** Polls of failed jobs that may be made now. */
  @Column('double precision', { default: 0 })
  watchTokens: number;

  @Column('timestamptz', { default: () => 'now()' })
  pollRefilledAt: Date;

  @Column('timestamptz', { default: () => 'now()' })
  submitRefilledAt: Date;

  @Column('timestamptz', { default: () => 'now()' })
  watchRefilledAt: Date;

  /** Nobody calls before: the upstream said so. */
  @Column('timestamptz', { nullable: true })
  pausedUntil: Date | null;

  /** Jobs whose polls were answered with an error since the last good answer to a poll; at most 20. */
  @Column('uuid', { array: true, default: '{}' })
  pollFailing: string[];

  /** When the first of these failures occurred. */
  @Column('timestamptz', { nullable: true })
  pollFailingSince: Date | null;

  /** Until when the open circuit blocks calls: after a failure, or while a trial call is in flight. */
  @Column('timestamptz', { nullable: true })
  pollOpenUntil: Date | null;

  /** Jobs whose paid calls failed since the last good answer to a paid call; at most 20. */
  @Column('uuid', { array: true, default: '{}' })
  submitFailing: string[];

  /** When the first of these failures occurred. */
  @Column('timestamptz', { nullable: true })
  submitFailingSince: Date | null;

  /** Until when the open circuit blocks calls: after a failure, or while a trial call is in flight. */
  @Column('timestamptz', { nullable: true })
  submitOpenUntil: Date | null;

  /** Jobs whose calls could not reach the upstream since its last answer to any call; at most 20. */
  @Column('uuid', { array: true, default: '{}' })
  reachFailing: string[];

  /** When the first of these failures occurred. */
  @Column('timestamptz', { nullable: true })
  reachFailingSince: Date | null;

  /** Until when the open circuit blocks calls: after a failure, or while a trial call is in flight. */
  @Column('timestamptz', { nullable: true })
  reachOpenUntil: Date | null;

  @Column('integer', { nullable: true })
  creditsAvailable: number | null;

  @Column('timestamptz', { nullable: true })
  creditsSeenAt: Date | null;
}
