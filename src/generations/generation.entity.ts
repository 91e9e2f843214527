import { Check, Column, Entity, Index, JoinColumn, ManyToOne } from 'typeorm';
import { JobEntity } from '../jobs/job.entity';
import { ModelEntity } from '../models/model.entity';
import { PhotoEntity } from '../photos/photo.entity';
import { unfinishedGenerationStates, type GenerationStatus } from './generation.state';

/** One prompt of a generation. */
export interface PromptRow {
  style: string;
  prompt: string | null;
  negativePrompt: string | null;
  /** The number of avatars, at least 1. */
  count: number;
}

/** Avatars requested together, from a model or, if `modelId` is null, from one photo. */
@Entity('generations')
@Check(
  'generations_status_known',
  "status IN ('QUEUED', 'SUBMITTING', 'UNCERTAIN', 'GENERATING', 'STORING', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED')",
)
@Check('generations_wanted_range', 'wanted BETWEEN 1 AND 1000')
@Check('generations_completed_is_whole', "(status IN ('COMPLETED', 'PARTIAL')) = (completed_at IS NOT NULL)")
@Check('generations_progress_range', 'progress BETWEEN 0 AND 100')
@Check('generations_failed_says_why', "(status = 'FAILED') = (failure_code IS NOT NULL)")
@Check(
  'generations_failure_whole',
  '(failure_code IS NULL) = (failure_message IS NULL) AND (failure_code IS NULL) = (failure_retryable IS NULL)',
)
@Check(
  'generations_running_has_ref',
  "status NOT IN ('GENERATING', 'STORING', 'COMPLETED', 'PARTIAL') OR provider_ref IS NOT NULL",
)
@Check(
  'generations_waiting_is_due',
  "status IN ('READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED') OR due_at IS NOT NULL",
)
@Check('generations_consent_whole', '(consent_version IS NULL) = (consent_at IS NULL)')
@Check('generations_attempted_in_flight', "status NOT IN ('SUBMITTING', 'UNCERTAIN') OR attempt > 0")
@Index('generations_due', ['dueAt'], { where: 'due_at IS NOT NULL' })
@Index('generations_queued_due', ['dueAt'], { where: "due_at IS NOT NULL AND status = 'QUEUED'" })
@Index('generations_queued_of_owner', ['owner', 'dueAt'], {
  where: "due_at IS NOT NULL AND status = 'QUEUED'",
})
@Index('generations_queued_deadline', ['deadlineAt'], { where: "due_at IS NOT NULL AND status = 'QUEUED'" })
@Index('generations_unsettled_due', ['dueAt'], {
  where: "due_at IS NOT NULL AND status IN ('SUBMITTING', 'UNCERTAIN')",
})
@Index('generations_followed_due', ['dueAt'], {
  where: "due_at IS NOT NULL AND status = 'GENERATING'",
})
@Index('generations_followed_of_owner', ['owner', 'dueAt'], {
  where: "due_at IS NOT NULL AND status = 'GENERATING'",
})
@Index('generations_followed_deadline', ['deadlineAt'], {
  where: "due_at IS NOT NULL AND status = 'GENERATING'",
})
@Index('generations_watched_due', ['dueAt'], { where: "due_at IS NOT NULL AND status = 'FAILED'" })
@Index('generations_watched_of_owner', ['owner', 'dueAt'], {
  where: "due_at IS NOT NULL AND status = 'FAILED'",
})
@Index('generations_of_owner', ['owner', 'id'])
@Index('generations_running_of_owner', ['owner'], {
  where: `status IN ('${unfinishedGenerationStates.join("', '")}')`,
})
@Index('generations_ref_once', ['provider', 'providerRef'], {
  unique: true,
  where: 'provider_ref IS NOT NULL',
})
@Index('generations_of_model', ['modelId', 'id'])
@Index('generations_of_photo', ['photoId'], { where: 'photo_id IS NOT NULL' })
export class GenerationEntity extends JobEntity {
  @Column('text', { default: 'QUEUED' })
  status: GenerationStatus;

  @Column('uuid', { nullable: true })
  modelId: string | null;

  /** The photo of a generation without training; null once that photo is deleted. */
  @Column('uuid', { nullable: true })
  photoId: string | null;

  @Column('jsonb')
  prompts: PromptRow[];

  /** The number of requested avatars over all prompts. */
  @Column('smallint')
  wanted: number;

  /** Until when the finished pictures can be fetched from the upstream. */
  @Column('timestamptz', { nullable: true })
  resultsExpireAt: Date | null;

  /** The number of entries in the upstream's answer with the finished pictures; null before it. */
  @Column('smallint', { nullable: true })
  resultCount: number | null;

  @Column('timestamptz', { nullable: true })
  completedAt: Date | null;

  @ManyToOne(() => ModelEntity, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'model_id', foreignKeyConstraintName: 'generations_model' })
  model?: ModelEntity | null;

  @ManyToOne(() => PhotoEntity, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'photo_id', foreignKeyConstraintName: 'generations_photo' })
  photo?: PhotoEntity | null;
}
