import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * Bytes that must go: written in the transaction that deletes their row, removed once the store has deleted them.
 * So a crash between the two leaves nothing behind.
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
