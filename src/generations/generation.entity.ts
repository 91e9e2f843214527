import { Check, Column, Entity, Index, JoinColumn, ManyToOne } from 'typeorm';
import { JobEntity, JobTable } from '../jobs/job.entity';
import { ModelEntity } from '../models/model.entity';
import { PhotoEntity } from '../photos/photo.entity';
import { generationStatuses, unfinishedGenerationStates, type GenerationStatus } from './generation.state';

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
@JobTable('generations', {
  all: generationStatuses,
  unfinished: unfinishedGenerationStates,
  running: 'GENERATING',
  accepted: ['GENERATING', 'STORING'],
})
@Check('generations_wanted_range', 'wanted BETWEEN 1 AND 1000')
@Check(
  'generations_ended_has_ref',
  "status NOT IN ('COMPLETED', 'PARTIAL') OR provider_ref IS NOT NULL OR ordered_positions IS NOT NULL",
)
@Check('generations_completed_is_whole', "(status IN ('COMPLETED', 'PARTIAL')) = (completed_at IS NOT NULL)")
@Index('generations_of_owner_by_status', ['owner', 'status', 'id'])
@Index('generations_of_owner_by_styles', ['owner', 'styles', 'status', 'id'])
@Index('generations_storing_due', ['dueAt'], { where: "due_at IS NOT NULL AND status = 'STORING'" })
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

  /** The styles of the prompts, each once, in order. A trigger writes them when the row is inserted. */
  @Column('text', { array: true, nullable: true })
  styles: string[] | null;

  /** The number of requested avatars over all prompts. */
  @Column('smallint')
  wanted: number;

  /** Until when the finished pictures can be fetched from the upstream. */
  @Column('timestamptz', { nullable: true })
  resultsExpireAt: Date | null;

  /** Written by processes of an earlier version during an upgrade, and read by triggers. The next release drops it. */
  @Column('smallint', { nullable: true })
  resultCount: number | null;

  /**
   * The positions of the pictures that the latest attempt orders, if it is a retry of missing pictures; null: all. The
   * attempt's results are assigned to them in this order.
   */
  @Column('smallint', { array: true, nullable: true })
  orderedPositions: number[] | null;

  @Column('timestamptz', { nullable: true })
  completedAt: Date | null;

  @ManyToOne(() => ModelEntity, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'model_id', foreignKeyConstraintName: 'generations_model' })
  model?: ModelEntity | null;

  @ManyToOne(() => PhotoEntity, { onDelete: 'SET NULL' })
  @JoinColumn({ name: 'photo_id', foreignKeyConstraintName: 'generations_photo' })
  photo?: PhotoEntity | null;
}
