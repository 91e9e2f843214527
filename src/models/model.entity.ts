import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { JobEntity } from '../jobs/job.entity';
import { PhotoEntity } from '../photos/photo.entity';
import type { AvatarType } from '../upstream/provider';
import { unfinishedModelStates, type ModelStatus } from './model.state';

/** An avatar model and its training. */
@Entity('models')
@Check(
  'models_status_known',
  "status IN ('QUEUED', 'SUBMITTING', 'UNCERTAIN', 'TRAINING', 'READY', 'FAILED', 'CANCELLED')",
)
@Check('models_type_known', "type IN ('MAN', 'WOMAN', 'COUPLE', 'DOG', 'CAT')")
@Check('models_ready_is_whole', "(status = 'READY') = (ready_at IS NOT NULL)")
@Check('models_progress_range', 'progress BETWEEN 0 AND 100')
@Check('models_failed_says_why', "(status = 'FAILED') = (failure_code IS NOT NULL)")
@Check(
  'models_failure_whole',
  '(failure_code IS NULL) = (failure_message IS NULL) AND (failure_code IS NULL) = (failure_retryable IS NULL)',
)
@Check('models_running_has_ref', "status NOT IN ('TRAINING', 'READY') OR provider_ref IS NOT NULL")
@Check(
  'models_waiting_is_due',
  "status IN ('READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED') OR due_at IS NOT NULL",
)
@Check('models_consent_whole', '(consent_version IS NULL) = (consent_at IS NULL)')
@Check('models_attempted_in_flight', "status NOT IN ('SUBMITTING', 'UNCERTAIN') OR attempt > 0")
@Index('models_due', ['dueAt'], { where: 'due_at IS NOT NULL' })
@Index('models_queued_due', ['dueAt'], { where: "due_at IS NOT NULL AND status = 'QUEUED'" })
@Index('models_queued_of_owner', ['owner', 'dueAt'], { where: "due_at IS NOT NULL AND status = 'QUEUED'" })
@Index('models_queued_deadline', ['deadlineAt'], { where: "due_at IS NOT NULL AND status = 'QUEUED'" })
@Index('models_unsettled_due', ['dueAt'], {
  where: "due_at IS NOT NULL AND status IN ('SUBMITTING', 'UNCERTAIN')",
})
@Index('models_followed_due', ['dueAt'], { where: "due_at IS NOT NULL AND status = 'TRAINING'" })
@Index('models_followed_of_owner', ['owner', 'dueAt'], {
  where: "due_at IS NOT NULL AND status = 'TRAINING'",
})
@Index('models_followed_deadline', ['deadlineAt'], { where: "due_at IS NOT NULL AND status = 'TRAINING'" })
@Index('models_watched_due', ['dueAt'], { where: "due_at IS NOT NULL AND status = 'FAILED'" })
@Index('models_watched_of_owner', ['owner', 'dueAt'], { where: "due_at IS NOT NULL AND status = 'FAILED'" })
@Index('models_of_owner', ['owner', 'id'])
@Index('models_running_of_owner', ['owner'], {
  where: `status IN ('${unfinishedModelStates.join("', '")}')`,
})
@Index('models_ref_once', ['provider', 'providerRef'], { unique: true, where: 'provider_ref IS NOT NULL' })
@Index('models_learned', ['provider', 'type', 'readyAt'], { where: 'ready_at IS NOT NULL' })
export class ModelEntity extends JobEntity {
  @Column('text', { default: 'QUEUED' })
  status: ModelStatus;

  @Column('text')
  name: string;

  @Column('text')
  type: AvatarType;

  /**
   * The number of photos that the training was requested with; fewer rows in `model_photos` mean that some were
   * deleted.
   */
  @Column('smallint')
  photoCount: number;

  @Column('timestamptz', { nullable: true })
  readyAt: Date | null;
}

/** The photos of a training, in the client's order. */
@Entity('model_photos')
@Unique('model_photos_position_once', ['modelId', 'position'])
@Index('model_photos_of_photo', ['photoId'])
export class ModelPhotoEntity {
  @PrimaryColumn('uuid')
  modelId: string;

  @PrimaryColumn('uuid')
  photoId: string;

  @Column('smallint')
  position: number;

  @ManyToOne(() => ModelEntity, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'model_id', foreignKeyConstraintName: 'model_photos_model' })
  model?: ModelEntity;

  @ManyToOne(() => PhotoEntity, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'photo_id', foreignKeyConstraintName: 'model_photos_photo' })
  photo?: PhotoEntity;
}
