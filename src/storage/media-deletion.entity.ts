import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * Bytes to be deleted: written in the transaction that deletes their row, removed when the store has deleted them,
 * so that a crash in between leaves no bytes behind.
 */
@Entity('media_deletions')
@Index('media_deletions_due', ['dueAt'])
export class MediaDeletionEntity {
  /** The key in the media store. */
  @PrimaryColumn('text')
  key: string;

  @Column('integer', { default: 0 })
  tries: number;

  @Column('timestamptz', { default: () => 'now()' })
  dueAt: Date;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;
}
