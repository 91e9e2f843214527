import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';

/** CALLING: begun, no answer yet. The others are what is known of how it ended. */
export type SubmissionOutcome = 'CALLING' | 'ACCEPTED' | 'REFUSED' | 'NOT_EXECUTED' | 'UNKNOWN';

/** The ledger of paid calls: one row for each that was ever begun, written before the call. */
@Entity('submissions')
@Check('submissions_one_job', '(model_id IS NULL) <> (generation_id IS NULL)')
@Check(
  'submissions_outcome_known',
  "outcome IN ('CALLING', 'ACCEPTED', 'REFUSED', 'NOT_EXECUTED', 'UNKNOWN')",
)
@Check('submissions_accepted_has_ref', "outcome <> 'ACCEPTED' OR provider_ref IS NOT NULL")
@Index('submissions_of_model', ['modelId', 'attempt'], { unique: true, where: 'model_id IS NOT NULL' })
@Index('submissions_of_generation', ['generationId', 'attempt'], {
  unique: true,
  where: 'generation_id IS NOT NULL',
})
@Index('submissions_ref_once', ['provider', 'providerRef'], {
  unique: true,
  where: 'provider_ref IS NOT NULL',
})
@Index('submissions_evidence_old', ['calledAt'], { where: 'evidence IS NOT NULL' })
export class SubmissionEntity {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid', { nullable: true })
  modelId: string | null;

  @Column('uuid', { nullable: true })
  generationId: string | null;

  @Column('integer')
  attempt: number;

  @Column('text')
  provider: string;

  @Column('text')
  account: string;

  @Column('text', { default: 'CALLING' })
  outcome: SubmissionOutcome;

  @Column('text', { nullable: true })
  providerRef: string | null;

  @Column('smallint', { nullable: true })
  httpStatus: number | null;

  /** The upstream's own id of the exchange, to be quoted to its support. */
  @Column('text', { nullable: true })
  correlationId: string | null;

  /**
   * What came back where it said nothing certain, cut to 8 kB; for the operator. It may quote what was asked for, so it
   * is forgotten after `EVIDENCE_RETENTION`.
   */
  @Column('text', { nullable: true })
  evidence: string | null;

  @Column('timestamptz', { default: () => 'now()' })
  calledAt: Date;

  @Column('timestamptz', { nullable: true })
  answeredAt: Date | null;

  /** What the URLs of the photos begin with that the upstream was given; null if it was given none. */
  @Column('text', { nullable: true })
  photoUrl: string | null;

  /** When the upstream first fetched a photo by a URL of this attempt: proof that the call arrived. */
  @Column('timestamptz', { nullable: true })
  photosFetchedAt: Date | null;

  // Named by their strings: jobs stand below the features that they serve and must not import them.
  @ManyToOne('ModelEntity', { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'model_id', foreignKeyConstraintName: 'submissions_model' })
  model?: unknown;

  @ManyToOne('GenerationEntity', { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'generation_id', foreignKeyConstraintName: 'submissions_generation' })
  generation?: unknown;
}
