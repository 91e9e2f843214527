import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * An archive that somebody may fetch. It is made while it is fetched, so there is nothing here but whose it is: the URL
 * names this row and not the person, and dies with it.
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
