import { Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';

/**
 * A stored rendition of an avatar's picture. It can be made again from the picture at any time. Its row is deleted in a
 * transaction that schedules the deletion of its bytes; therefore no foreign key deletes it with the avatar.
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

  /** The `mediaToken` of the picture that it was made from. If the avatar's is another one, it is not used. */
  @Column('text', { nullable: true })
  mediaToken: string | null;

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
