import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, Unique } from 'typeorm';
import { ModelEntity } from '../models/model.entity';
import { GenerationEntity } from './generation.entity';

/** PENDING: finished upstream, not yet stored. STORED: ours for good. LOST: it could not be had. */
export type AvatarStatus = 'PENDING' | 'STORED' | 'LOST';

/** One picture of a generation. Clients see it once it is STORED: the bytes are durable before the row says so. */
@Entity('avatars')
@Unique('avatars_position_once', ['generationId', 'position'])
@Check('avatars_status_known', "status IN ('PENDING', 'STORED', 'LOST')")
@Check(
  'avatars_pending_is_due',
  "(status = 'PENDING') = (due_at IS NOT NULL) AND (status = 'PENDING') = (source_url IS NOT NULL)",
)
@Check(
  'avatars_stored_is_whole',
  "status <> 'STORED' OR (width IS NOT NULL AND height IS NOT NULL AND byte_size IS NOT NULL AND content_type IS NOT NULL AND sha256 IS NOT NULL AND placeholder IS NOT NULL)",
)
@Index('avatars_due', ['expiresAt', 'dueAt'], { where: 'due_at IS NOT NULL' })
@Index('avatars_due_of_owner', ['owner', 'dueAt'], { where: 'due_at IS NOT NULL' })
@Index('avatars_expiring_of_owner', ['owner', 'expiresAt', 'dueAt'], { where: 'due_at IS NOT NULL' })
@Index('avatars_of_generation', ['generationId', 'id'])
@Index('avatars_of_model', ['modelId', 'id'])
export class AvatarEntity {
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  owner: string;

  @Column('uuid')
  generationId: string;

  /** The generation's model, repeated here for the lists of a model's avatars. */
  @Column('uuid', { nullable: true })
  modelId: string | null;

  /** Its place in the upstream's answer, from 0; with the generation it names the picture, so none is stored twice. */
  @Column('smallint')
  position: number;

  @Column('text', { default: 'PENDING' })
  status: AvatarStatus;

  @Column('text')
  style: string;

  @Column('text', { nullable: true })
  prompt: string | null;

  /** Where the upstream has it; forgotten once it is stored or lost. */
  @Column('text', { nullable: true })
  sourceUrl: string | null;

  /** When the upstream deletes it. */
  @Column('timestamptz', { nullable: true })
  expiresAt: Date | null;

  @Column('timestamptz', { nullable: true })
  dueAt: Date | null;

  @Column('uuid', { nullable: true })
  lease: string | null;

  @Column('integer', { default: 0 })
  tries: number;

  @Column('text', { nullable: true })
  lastError: string | null;

  @Column('integer', { nullable: true })
  width: number | null;

  @Column('integer', { nullable: true })
  height: number | null;

  @Column('integer', { nullable: true })
  byteSize: number | null;

  @Column('text', { nullable: true })
  contentType: string | null;

  /** Of the stored bytes, lower-case hex. */
  @Column('text', { nullable: true })
  sha256: string | null;

  /** A blur hash (blurha.sh) of 4 × 3 components. */
  @Column('text', { nullable: true })
  placeholder: string | null;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;

  @ManyToOne(() => GenerationEntity, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'generation_id', foreignKeyConstraintName: 'avatars_generation' })
  generation?: GenerationEntity;

  @ManyToOne(() => ModelEntity, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'model_id', foreignKeyConstraintName: 'avatars_model' })
  model?: ModelEntity | null;
}
