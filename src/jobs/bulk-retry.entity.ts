import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { IdempotencyKeyEntity } from '../accounts/idempotency-key.entity';

/**
 * A job that a bulk retry is to retry. All of them are recorded when the key is claimed, so that a repetition retries the
 * same jobs and each of them once. Deleted with the key.
 */
@Entity('bulk_retries')
@Index('bulk_retries_unsettled', ['owner', 'key', 'jobId'], { where: 'settled_at IS NULL' })
export class BulkRetryEntity {
  @PrimaryColumn('text')
  owner: string;

  @PrimaryColumn('text')
  key: string;

  /** The model or generation. */
  @PrimaryColumn('uuid')
  jobId: string;

  /** The job's attempt when it was recorded. The job is not retried if there has been a later one. */
  @Column('integer')
  attempt: number;

  /** When the job was retried, or could not be; null until then. */
  @Column('timestamptz', { nullable: true })
  settledAt: Date | null;

  /** Why the job could not be retried; null if it was. */
  @Column('text', { nullable: true })
  failureCode: string | null;

  @Column('text', { nullable: true })
  failureMessage: string | null;

  @ManyToOne(() => IdempotencyKeyEntity, { onDelete: 'CASCADE' })
  @JoinColumn([
    { name: 'owner', referencedColumnName: 'owner', foreignKeyConstraintName: 'bulk_retries_key' },
    { name: 'key', referencedColumnName: 'key', foreignKeyConstraintName: 'bulk_retries_key' },
  ])
  idempotencyKey?: IdempotencyKeyEntity;
}
