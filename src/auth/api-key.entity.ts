import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** An API key. Only a hash of its secret is stored. */
@Entity('api_keys')
@Check('api_keys_hash_is_whole', "secret_sha256 ~ '^[0-9a-f]{64}$'")
@Check(
  'api_keys_scopes_known',
  "cardinality(scopes) > 0 AND scopes <@ ARRAY['read'::text, 'write'::text, 'admin'::text]",
)
@Check('api_keys_behalf_is_plain', "NOT on_behalf OR POSITION('/'::text IN owner) = 0")
@Index('api_keys_of_owner', ['owner'])
export class ApiKeyEntity {
  /** The public part of the key, used for lookup and in logs. */
  @PrimaryColumn('text')
  id: string;

  /**
   * SHA-256 of the secret, lower-case hex. A slow password hash is not needed: a secret of 256 random bits cannot be
   * guessed.
   */
  @Column('text')
  secretSha256: string;

  /** The owner of everything that is created with the key. */
  @Column('text')
  owner: string;

  /** A label chosen by the operator. */
  @Column('text', { nullable: true })
  name: string | null;

  /** At least one of `read`, `write`, `admin`. */
  @Column('text', { array: true })
  scopes: string[];

  /** Whether the key may act for the owner's users with the header X-Likeness-Owner. */
  @Column('boolean', { default: false })
  onBehalf: boolean;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;

  /** Null: the key does not expire. */
  @Column('timestamptz', { nullable: true })
  expiresAt: Date | null;

  /** Null: not revoked. Revocation is permanent. */
  @Column('timestamptz', { nullable: true })
  revokedAt: Date | null;

  /** Accurate to the minute. */
  @Column('timestamptz', { nullable: true })
  lastUsedAt: Date | null;
}
