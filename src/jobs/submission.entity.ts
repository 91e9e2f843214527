import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** CALLING: the call has started and has no answer yet. The others state its outcome. */
export type SubmissionOutcome = 'CALLING' | 'ACCEPTED' | 'REFUSED' | 'NOT_EXECUTED' | 'UNKNOWN';

/**
 * The ledger of paid calls: one row for each call, written before the call. Rows outlive their jobs: when a job is
 * deleted, its rows lose all ids and keep amounts and times.
 */
@Entity('submissions')
@Check('submissions_one_job', 'model_id IS NULL OR generation_id IS NULL')
@Check(
  'submissions_outcome_known',
  "outcome IN ('CALLING', 'ACCEPTED', 'REFUSED', 'NOT_EXECUTED', 'UNKNOWN')",
)
@Check(
  'submissions_accepted_has_ref',
  "outcome <> 'ACCEPTED' OR provider_ref IS NOT NULL OR (model_id IS NULL AND generation_id IS NULL)",
)
@Check(
  'submissions_detached_is_anonymous',
  'model_id IS NOT NULL OR generation_id IS NOT NULL OR (provider_ref IS NULL AND correlation_id IS NULL AND evidence IS NULL AND job_deleted_at IS NULL)',
)
@Index('submissions_of_model', ['modelId', 'attempt'], { unique: true, where: 'model_id IS NOT NULL' })
@Index('submissions_of_generation', ['generationId', 'attempt'], {
  unique: true,
  where: 'generation_id IS NOT NULL',
})
@Index('submissions_ref_once', ['provider', 'providerRef'], {
  unique: true,
  where: 'provider_ref IS NOT NULL',
})
@Index('submissions_detached', ['calledAt'], { where: 'model_id IS NULL AND generation_id IS NULL' })
@Index('submissions_of_deleted', ['jobDeletedAt'], { where: 'job_deleted_at IS NOT NULL' })
@Index('submissions_unanswered', ['calledAt'], { where: "outcome = 'CALLING'" })
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

  /** The upstream's id of the exchange, for support requests. */
  @Column('text', { nullable: true })
  correlationId: string | null;

  /**
   * The body of an answer without a certain outcome, cut to 8 kB; for the operator. It may quote the request, so it
   * is deleted after `EVIDENCE_RETENTION`.
   */
  @Column('text', { nullable: true })
  evidence: string | null;

  @Column('timestamptz', { default: () => 'now()' })
  calledAt: Date;

  @Column('timestamptz', { nullable: true })
  answeredAt: Date | null;

  /** How long the call took, in milliseconds; null if it is not known exactly. */
  @Column('integer', { nullable: true })
  durationMs: number | null;

  /** The base of the photo URLs that the upstream was given; null if it was given none. */
  @Column('text', { nullable: true })
  photoUrl: string | null;

  /** When the upstream first fetched a photo by a URL of this attempt: proof that the call arrived. */
  @Column('timestamptz', { nullable: true })
  photosFetchedAt: Date | null;

  /** What the call requests. */
  @Column('integer', { default: 0 })
  trainings: number;

  @Column('integer', { default: 0 })
  avatars: number;

  /** The remaining credits according to the answer; null if it did not state them. */
  @Column('integer', { nullable: true })
  creditsAvailable: number | null;

  /** When the job was deleted while the call was in flight. */
  @Column('timestamptz', { nullable: true })
  jobDeletedAt: Date | null;
}
