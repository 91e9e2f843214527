import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { JobEntity, JobTable } from '../jobs/job.entity';
import { PhotoEntity } from '../photos/photo.entity';
import type { AvatarType } from '../upstream/provider';
import { modelStatuses, unfinishedModelStates, type ModelStatus } from './model.state';

/** An avatar model and its training. */
@Entity('models')
@JobTable('models', {
  all: modelStatuses,
  unfinished: unfinishedModelStates,
  running: 'TRAINING',
  accepted: ['TRAINING', 'READY'],
})
@Check('models_type_known', "type IN ('MAN', 'WOMAN', 'COUPLE', 'DOG', 'CAT')")
@Check('models_ready_is_whole', "(status = 'READY') = (ready_at IS NOT NULL)")
@Index('models_of_owner_by_status', ['owner', 'status', 'type', 'id'])
// By expressions, which TypeORM does not know: (owner, [status, type,] lower(name COLLATE "C"), id).
@Index('models_of_owner_by_name', { synchronize: false })
@Index('models_of_owner_by_status_and_name', { synchronize: false })
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
