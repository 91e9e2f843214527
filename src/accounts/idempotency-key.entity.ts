import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** An idempotency key: a mutation repeated with the same key returns the result of the first call. */
@Entity('idempotency_keys')
@Index('idempotency_keys_old', ['createdAt'])
export class IdempotencyKeyEntity {
  @PrimaryColumn('text')
  owner: string;

  @PrimaryColumn('text')
  key: string;

  /** The mutation's name; a key is valid for one mutation. */
  @Column('text')
  operation: string;

  /** SHA-256 of the input as canonical JSON, lower-case hex. The same key with a different input is an error. */
  @Column('text')
  inputSha256: string;

  /** The row that the first call created. */
  @Column('uuid')
  resultId: string;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;
}
