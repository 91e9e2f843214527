import { Check, Column, Entity, Index, JoinColumn, ManyToOne, Unique } from 'typeorm';
import { LeasedEntity } from '../core/leased.entity';
import { ModelEntity } from '../models/model.entity';
import { avatarStatuses, unfinishedAvatarStates, type AvatarStatus } from './avatar.state';
import { GenerationEntity } from './generation.entity';

const unfinished = `'${unfinishedAvatarStates.join("', '")}'`;

/** SQL: pictures to be fetched that have not failed. */
export const isFresh = 'due_at IS NOT NULL AND failing_since IS NULL';

/** SQL: pictures to be fetched that have failed. */
export const isFailing = 'due_at IS NOT NULL AND failing_since IS NOT NULL';

/** Why a picture could not be fetched: a code of `failureCodes`. */
export type AvatarFailure = 'RESULT_UNREACHABLE' | 'RESULT_UNUSABLE' | 'RESULT_EXPIRED';

/** The failure of a requested picture that the upstream's answer lacks. */
export const notDelivered = 'UPSTREAM_FAILED';

/** One picture of a generation. Clients see it when it is STORED; its bytes are durable before that. */
@Entity('avatars')
@Unique('avatars_position_once', ['generationId', 'position'])
@Check('avatars_status_known', `status IN ('${avatarStatuses.join("', '")}')`)
@Check('avatars_unfinished_is_due', `status NOT IN (${unfinished}) OR due_at IS NOT NULL`)
@Check(
  'avatars_finished_is_not_due',
  `status IN (${unfinished}) OR damaged_at IS NOT NULL OR (due_at IS NULL AND source_url IS NULL)`,
)
@Check('avatars_delayed_is_failing', "status <> 'DELAYED' OR failing_since IS NOT NULL")
@Check('avatars_damaged_was_stored', "damaged_at IS NULL OR status = 'STORED'")
@Check(
  'avatars_failure_known',
  "failure_code IS NULL OR failure_code IN ('RESULT_UNREACHABLE', 'RESULT_UNUSABLE', 'RESULT_EXPIRED', 'UPSTREAM_FAILED')",
)
@Check(
  'avatars_stored_is_whole',
  "status <> 'STORED' OR (width IS NOT NULL AND height IS NOT NULL AND byte_size IS NOT NULL AND content_type IS NOT NULL AND sha256 IS NOT NULL AND placeholder IS NOT NULL)",
)
@Index('avatars_fresh_due', ['dueAt'], { where: isFresh })
@Index('avatars_fresh_of_owner', ['owner', 'dueAt'], { where: isFresh })
@Index('avatars_fresh_expiring_of_owner', ['owner', 'expiresAt', 'dueAt'], { where: isFresh })
@Index('avatars_failing_due', ['dueAt'], { where: isFailing })
@Index('avatars_failing_of_owner', ['owner', 'dueAt'], { where: isFailing })
@Index('avatars_failing_expiring_of_owner', ['owner', 'expiresAt', 'dueAt'], { where: isFailing })
@Index('avatars_check', ['checkAt'], { where: "status = 'STORED'" })
@Index('avatars_of_owner', ['owner', 'id'], { where: "status = 'STORED'" })
@Index('avatars_of_owner_by_favorite', ['owner', 'favorite', 'id'], { where: "status = 'STORED'" })
@Index('avatars_of_owner_by_style', ['owner', 'style', 'favorite', 'id'], { where: "status = 'STORED'" })
@Index('avatars_of_generation', ['generationId', 'id'])
@Index('avatars_of_model', ['modelId', 'id'])
export class AvatarEntity extends LeasedEntity {
  @Column('uuid')
  generationId: string;

  /** The generation's model, denormalized for lists of a model's avatars. */
  @Column('uuid', { nullable: true })
  modelId: string | null;

  /** The index among the requested pictures, from 0. Unique within the generation, so that no picture is stored twice. */
  @Column('smallint')
  position: number;

  @Column('text', { default: 'PENDING' })
  status: AvatarStatus;

  @Column('text')
  style: string;

  @Column('text', { nullable: true })
  prompt: string | null;

  /** The upstream's id of the generation that made the picture; null if it is not fetched again. */
  @Column('text', { nullable: true })
  providerRef: string | null;

  /** The index in the upstream's answer, from 0; null if the answer lacks the picture. */
  @Column('smallint', { nullable: true })
  answerIndex: number | null;

  /** The number of entries in that answer. */
  @Column('smallint', { nullable: true })
  answerCount: number | null;

  /** The upstream's id of the picture; null if the answer had none. */
  @Column('text', { nullable: true })
  resultRef: string | null;

  /** The upstream's URL of the picture; null once it is stored or lost, and while its URL is unknown. */
  @Column('text', { nullable: true })
  sourceUrl: string | null;

  /** When the upstream returned that URL. */
  @Column('timestamptz', { default: () => 'now()' })
  sourceUrlAt: Date;

  /** When the upstream deletes the picture. */
  @Column('timestamptz', { nullable: true })
  expiresAt: Date | null;

  /** When fetching first failed because of the upstream; null if it has not failed. */
  @Column('timestamptz', { nullable: true })
  failingSince: Date | null;

  /** The failure of the last try, or the reason for the loss. */
  @Column('text', { nullable: true })
  failureCode: AvatarFailure | typeof notDelivered | null;

  @Column('text', { nullable: true })
  lastError: string | null;

  /** Part of the media keys of the stored bytes, or of the current try. See {@link avatarKeys}. */
  @Column('text', { nullable: true })
  mediaToken: string | null;

  @Column('integer', { nullable: true })
  width: number | null;

  @Column('integer', { nullable: true })
  height: number | null;

  @Column('integer', { nullable: true })
  byteSize: number | null;

  @Column('text', { nullable: true })
  contentType: string | null;

  /** The SHA-256 of the stored bytes, in lower-case hexadecimal. */
  @Column('text', { nullable: true })
  sha256: string | null;

  /** The SHA-256 of the stored preview; null for previews from versions that did not record it. */
  @Column('text', { nullable: true })
  previewSha256: string | null;

  /** When the stored bytes are next compared with `sha256`. */
  @Column('timestamptz', { default: () => 'now()' })
  checkAt: Date;

  /**
   * When the stored bytes were found missing or changed. They are not served; while `dueAt` is set they are fetched
   * again.
   */
  @Column('timestamptz', { nullable: true })
  damagedAt: Date | null;

  /** A blur hash (blurha.sh) of 4 × 3 components. */
  @Column('text', { nullable: true })
  placeholder: string | null;

  /** A ThumbHash in base64; null for pictures that versions without it have stored, until their next check. */
  @Column('text', { nullable: true })
  thumbhash: string | null;

  /** Whether the stored bytes contain a C2PA manifest. */
  @Column('boolean', { default: false })
  hasContentCredentials: boolean;

  /** Whether the owner has marked it as a favorite. */
  @Column('boolean', { default: false })
  favorite: boolean;

  @ManyToOne(() => GenerationEntity, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'generation_id', foreignKeyConstraintName: 'avatars_generation' })
  generation?: GenerationEntity;

  @ManyToOne(() => ModelEntity, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'model_id', foreignKeyConstraintName: 'avatars_model' })
  model?: ModelEntity | null;
}

/** The columns that determine an avatar's media keys. */
export type AvatarBytes = Pick<AvatarEntity, 'id' | 'mediaToken'>;

/** Pictures stored by older versions have no token. */
const stemOf = ({ id, mediaToken }: AvatarBytes): string =>
  mediaToken === null ? `avatars/${id}` : `avatars/${id}.${mediaToken}`;

/** The media key of an avatar's picture. */
export const avatarKey = (avatar: AvatarBytes): string => `${stemOf(avatar)}.picture`;

/** The media key of an avatar's preview. */
export const previewKey = (avatar: AvatarBytes): string => `${stemOf(avatar)}.preview.jpg`;

/** The media keys of an avatar's picture and preview. */
export const avatarKeys = (avatar: AvatarBytes): string[] => [avatarKey(avatar), previewKey(avatar)];
