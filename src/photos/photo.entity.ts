import { Check, Column, Entity, Index } from 'typeorm';
import { LeasedEntity } from '../core/leased.entity';
import type { PhotoStatus } from './photo.state';

/** Why a photo cannot be used, and what to do about it. */
export interface PhotoProblemRow {
  code: string;
  message: string;
}

/**
 * A reference photo. While it is READY, its bytes are in the media store under {@link photoKey}. An AWAITING_UPLOAD photo is due
 * if its bytes are uploaded to the bucket, where they have to be found.
 */
@Entity('photos')
@Check('photos_status_known', "status IN ('AWAITING_UPLOAD', 'FETCHING', 'READY', 'REJECTED', 'PURGED')")
@Check(
  'photos_ready_is_whole',
  "status <> 'READY' OR (width IS NOT NULL AND height IS NOT NULL AND byte_size IS NOT NULL)",
)
@Check('photos_fetching_is_due', "status <> 'FETCHING' OR (source_url IS NOT NULL AND due_at IS NOT NULL)")
@Check('photos_url_while_fetching', "status = 'FETCHING' OR source_url IS NULL")
@Index('photos_due', ['dueAt'], { where: 'due_at IS NOT NULL' })
@Index('photos_due_of_owner', ['owner', 'dueAt'], { where: 'due_at IS NOT NULL' })
@Index('photos_to_purge', ['purgeAt'], { where: 'purge_at IS NOT NULL' })
@Index('photos_of_owner', ['owner', 'id'])
@Index('photos_of_owner_by_status', ['owner', 'status', 'id'])
@Index('photos_of_owner_to_purge', ['owner', 'id'], { where: 'purge_at IS NOT NULL' })
@Index('photos_of_owner_unused', ['owner', 'id'], { where: 'purge_at IS NOT NULL AND NOT is_used' })
export class PhotoEntity extends LeasedEntity {
  @Column('text')
  status: PhotoStatus;

  /** The client's name of the file; returned to its owner only. */
  @Column('text', { nullable: true })
  filename: string | null;

  /** The URL to fetch it from; deleted once it is fetched or rejected. */
  @Column('text', { nullable: true })
  sourceUrl: string | null;

  /** SHA-256 of the uploaded bytes, to recognize a repeated upload. */
  @Column('text', { nullable: true })
  sourceSha256: string | null;

  /**
   * Part of the media key of the stored bytes, or of the current try; see {@link photoKey}. Null before the first try. Empty for
   * the first try, whose key is that of earlier versions.
   */
  @Column('text', { nullable: true })
  mediaToken: string | null;

  /** Dimensions of the received photo, upright, in pixels. */
  @Column('integer', { nullable: true })
  width: number | null;

  @Column('integer', { nullable: true })
  height: number | null;

  /** The size of the stored photo. */
  @Column('integer', { nullable: true })
  byteSize: number | null;

  @Column('jsonb', { default: [] })
  problems: PhotoProblemRow[];

  /** When the bytes are purged. Null while a training needs them. */
  @Column('timestamptz', { nullable: true })
  purgeAt: Date | null;

  /** True only while a model or generation refers to the photo; false may also mean that this is not known. */
  @Column('boolean', { default: false })
  isUsed: boolean;

  /** When it last changed; that of a PURGED photo stays the time of its purge. */
  @Column('timestamptz', { default: () => 'now()' })
  updatedAt: Date;
}

/** The columns that determine a photo's media key. */
export type PhotoName = Pick<PhotoEntity, 'id' | 'mediaToken'>;

/** The media key of a photo. Each try to store it has its own, so that no try can replace the bytes of another. */
export const photoKey = ({ id, mediaToken }: PhotoName): string =>
  mediaToken ? `photos/${id}.${mediaToken}.jpg` : firstPhotoKey(id);

/** The media key of a photo whose first try has stored it. */
const firstPhotoKey = (photoId: string): string => `photos/${photoId}.jpg`;

/** The media key of an uploaded file that has not been checked yet, if clients upload to the bucket. */
export const uploadKey = (photoId: string): string => `uploads/${photoId}`;

/** A photo of which the bytes must be deleted. */
export type PhotoBytes = PhotoName & Pick<PhotoEntity, 'dueAt'>;

/** SQL: the columns of {@link PhotoBytes}. */
export const bytesColumns = 'id, due_at AS "dueAt", media_token AS "mediaToken"';

/** The media keys under which a photo may have bytes. */
export function keysOf(photo: PhotoBytes): string[] {
  const stored = [...earlierKeysOf(photo), photoKey(photo)];
  return photo.dueAt === null ? stored : [...stored, uploadKey(photo.id)];
}

/** The media keys under which the first try of a photo that a later one has stored, and the one before, may have left bytes. */
export const earlierKeysOf = ({ id, mediaToken }: PhotoName, earlierToken?: string | null): string[] => [
  ...(mediaToken ? [firstPhotoKey(id)] : []),
  ...(earlierToken ? [photoKey({ id, mediaToken: earlierToken })] : []),
];

/** The states in which jobs need the bytes of their photos, by table; QUEUED is among them. */
export interface PhotoUse {
  readonly models: readonly string[];
  readonly generations: readonly string[];
}
