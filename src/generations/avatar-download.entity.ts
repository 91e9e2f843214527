import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * A download URL for an archive of avatars. The archive is created during the download and not stored. The URL contains
 * the id of this row, not the owner, and stops working when the row is deleted.
 */
@Entity('avatar_downloads')
@Index('avatar_downloads_of_owner', ['owner'])
@Index('avatar_downloads_old', ['expiresAt'])
export class AvatarDownloadEntity {
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  owner: string;

  /** The avatars, in the order of their files. */
  @Column('uuid', { array: true })
  avatarIds: string[];

  /** The name of the pictures' size and format: see `avatar-variant.ts`. */
  @Column('text', { default: 'original' })
  variant: string;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;

  @Column('timestamptz')
  expiresAt: Date;
}
