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

  @Column('timestamptz', { default: () => 'now()' })
  pollRefilledAt: Date;

  @Column('timestamptz', { default: () => 'now()' })
  submitRefilledAt: Date;

  /** Nobody calls before: the upstream said so, or it kept failing. */
  @Column('timestamptz', { nullable: true })
  pausedUntil: Date | null;

  /** Failures in a row. While above 0, a single call probes before the others follow. */
  @Column('integer', { default: 0 })
  failures: number;

  @Column('integer', { nullable: true })
  creditsAvailable: number | null;

  @Column('timestamptz', { nullable: true })
  creditsSeenAt: Date | null;
}
