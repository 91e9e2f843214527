import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * A download URL for an owner's archive. The archive is created during the download and not stored. The URL contains
 * the id of this row, not the owner, and stops working when the row is deleted.
 */
@Entity('exports')
@Index('exports_of_owner', ['owner'])
@Index('exports_old', ['expiresAt'])
export class ExportEntity {
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  owner: string;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;

  @Column('timestamptz')
  expiresAt: Date;
}
