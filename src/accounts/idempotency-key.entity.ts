import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The promise that a mutation repeated with the same key gives the first one's result. */
@Entity('idempotency_keys')
@Index('idempotency_keys_old', ['createdAt'])
export class IdempotencyKeyEntity {
  @PrimaryColumn('text')
  owner: string;

  @PrimaryColumn('text')
  key: string;

  /** The mutation's name: a key is good for one. */
  @Column('text')
  operation: string;

  /** SHA-256 of the input as canonical JSON, lower-case hex: the same key with another input is an error. */
  @Column('text')
  inputSha256: string;

  /** The row that the first call made. */
  @Column('uuid')
  resultId: string;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;
}
