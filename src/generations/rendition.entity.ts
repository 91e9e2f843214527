import { Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';

/**
 * A stored rendition of an avatar's picture. It can be made again from the picture at any time. Its row is deleted with
 * the avatar's in one transaction, which schedules the deletion of its bytes; therefore no foreign key deletes it.
 */
@Entity('avatar_renditions')
@Unique('avatar_renditions_once', ['avatarId', 'name'])
@Index('avatar_renditions_unread', ['readAt'])
export class RenditionEntity {
  /** Determines the media key: see {@link renditionKey}. */
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  avatarId: string;

  /** The name of its variant, for example `512.webp`. */
  @Column('text')
  name: string;

  @Column('integer')
  byteSize: number;

  /** The SHA-256 of the stored bytes, in lower-case hexadecimal. */
  @Column('text')
  sha256: string;

  /** When it was last read, to the day. */
  @Column('timestamptz', { default: () => 'now()' })
  readAt: Date;
}

/** The media key of a rendition. */
export const renditionKey = ({ id }: Pick<RenditionEntity, 'id'>): string => `renditions/${id}`;
