import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A client token. Only a hash of its secret is stored. Deleted a day after it has ended. */
@Entity('client_tokens')
@Check('client_tokens_hash_is_whole', "secret_sha256 ~ '^[0-9a-f]{64}$'")
@Check(
  'client_tokens_scopes_known',
  "cardinality(scopes) > 0 AND scopes <@ ARRAY['read'::text, 'write'::text]",
)
@Check('client_tokens_counts', 'uses_left >= 0 AND uploads_left >= 0')
@Index('client_tokens_of_owner', ['owner', 'expiresAt'])
@Index('client_tokens_old', ['expiresAt'])
@Index('client_tokens_revoked', ['expiresAt'], { where: 'revoked_at IS NOT NULL' })
export class ClientTokenEntity {
  /** The public part of the token, used for lookup and in logs. */
  @PrimaryColumn('uuid')
  id: string;

  /** SHA-256 of the secret, lower-case hex, as of an API key. */
  @Column('text')
  secretSha256: string;

  /** The owner that the token acts for. */
  @Column('text')
  owner: string;

  /** The API key that created it, and with which it ends. Null: it was created with AUTH=none. */
  @Column('text', { nullable: true })
  keyId: string | null;

  /** At least one of `read`, `write`. */
  @Column('text', { array: true })
  scopes: string[];

  /** The only model it gives access to; null: not restricted to a model. */
  @Column('uuid', { nullable: true })
  modelId: string | null;

  /** The only generation it gives access to; null: not restricted to a generation. */
  @Column('uuid', { nullable: true })
  generationId: string | null;

  /** How many operations it may still start; null: any number. */
  @Column('integer', { nullable: true })
  usesLeft: number | null;

  /** How many photos it may still upload. */
  @Column('integer')
  uploadsLeft: number;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;

  /** Not after the end of the API key. */
  @Column('timestamptz')
  expiresAt: Date;

  /** Null: not revoked. Revocation is permanent. */
  @Column('timestamptz', { nullable: true })
  revokedAt: Date | null;
}
