import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** Why submissions are paused: the upstream refuses the key, has no credits left, or an operator paused them. */
export type PauseReason = 'UPSTREAM_AUTH' | 'UPSTREAM_CREDITS' | 'OPERATOR';

/** The state that all processes with the same key share: budget, pauses, credits. */
@Entity('upstream_accounts')
@Check('upstream_accounts_pause_whole', '(submit_paused_at IS NULL) = (submit_pause_reason IS NULL)')
@Check(
  'upstream_accounts_pause_known',
  "submit_pause_reason IN ('UPSTREAM_AUTH', 'UPSTREAM_CREDITS', 'OPERATOR')",
)
export class UpstreamAccountEntity {
  /** A digest of the service's address and key. */
  @PrimaryColumn('text')
  account: string;

  @Column('text')
  provider: string;

  /** Tokens for polls. */
  @Column('double precision')
  pollTokens: number;

  /** Tokens for submissions; a separate share, so that polls never starve them. */
  @Column('double precision')
  submitTokens: number;

  /** Tokens for polls of failed jobs. */
  @Column('double precision', { default: 0 })
  watchTokens: number;

  @Column('timestamptz', { default: () => 'now()' })
  pollRefilledAt: Date;

  @Column('timestamptz', { default: () => 'now()' })
  submitRefilledAt: Date;

  @Column('timestamptz', { default: () => 'now()' })
  watchRefilledAt: Date;

  /** No calls before this time, as requested by the upstream. */
  @Column('timestamptz', { nullable: true })
  pausedUntil: Date | null;

  /**
   * Jobs whose polls failed since the last successful answer to a poll; at most 20. `…Since`: when the first of these
   * failures occurred. `…OpenUntil`: until when the open circuit blocks calls: after a failure, or while a trial call is
   * in flight.
   */
  @Column('uuid', { array: true, default: '{}' })
  pollFailing: string[];

  @Column('timestamptz', { nullable: true })
  pollFailingSince: Date | null;

  @Column('timestamptz', { nullable: true })
  pollOpenUntil: Date | null;

  /** Jobs whose paid calls failed since the last successful answer to a paid call; at most 20. */
  @Column('uuid', { array: true, default: '{}' })
  submitFailing: string[];

  @Column('timestamptz', { nullable: true })
  submitFailingSince: Date | null;

  @Column('timestamptz', { nullable: true })
  submitOpenUntil: Date | null;

  /** Jobs whose calls could not reach the upstream since its last answer to any call; at most 20. */
  @Column('uuid', { array: true, default: '{}' })
  reachFailing: string[];

  @Column('timestamptz', { nullable: true })
  reachFailingSince: Date | null;

  @Column('timestamptz', { nullable: true })
  reachOpenUntil: Date | null;

  /** Since when submissions are paused; null while they are not. */
  @Column('timestamptz', { nullable: true })
  submitPausedAt: Date | null;

  @Column('text', { nullable: true })
  submitPauseReason: PauseReason | null;

  /** When a paused account is checked next; during a check, when another process may repeat it. */
  @Column('timestamptz', { nullable: true })
  probeAt: Date | null;

  /** Checks since the last accepted submission; the interval doubles with each. */
  @Column('integer', { default: 0 })
  probes: number;

  /** While submissions are on trial: when the next may be made, one at a time. */
  @Column('timestamptz', { nullable: true })
  trialAt: Date | null;

  @Column('integer', { nullable: true })
  creditsAvailable: number | null;

  @Column('timestamptz', { nullable: true })
  creditsSeenAt: Date | null;
}
