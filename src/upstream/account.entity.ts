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

  /** Nobody calls before: the upstream said so. */
  @Column('timestamptz', { nullable: true })
  pausedUntil: Date | null;

  /** Failures in a row. From five on, a single call probes before the others follow. */
  @Column('integer', { default: 0 })
  failures: number;

  /** Nobody calls before: it kept failing, or a probe is under way. Ends with the first answer. */
  @Column('timestamptz', { nullable: true })
  brokenUntil: Date | null;

  @Column('integer', { nullable: true })
  creditsAvailable: number | null;

  @Column('timestamptz', { nullable: true })
  creditsSeenAt: Date | null;
}
