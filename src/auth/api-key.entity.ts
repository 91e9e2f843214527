import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** An API key, without its secret: of that only a hash is kept. */
@Entity('api_keys')
@Check('api_keys_hash_is_whole', "secret_sha256 ~ '^[0-9a-f]{64}$'")
@Check(
  'api_keys_scopes_known',
  "cardinality(scopes) > 0 AND scopes <@ ARRAY['read'::text, 'write'::text, 'admin'::text]",
)
@Check('api_keys_behalf_is_plain', "NOT on_behalf OR POSITION('/'::text IN owner) = 0")
@Index('api_keys_of_owner', ['owner'])
export class ApiKeyEntity {
  /** The part of the key that it is found and talked of by; no secret. */
  @PrimaryColumn('text')
  id: string;

  /**
   * SHA-256 of the secret, lower-case hex. A slow hash is for what people think up; 256 random bits cannot be guessed,
   * however fast the hash.
   */
  @Column('text')
  secretSha256: string;

  /** Whom everything belongs to that is made with it. */
  @Column('text')
  owner: string;

  /** What the operator calls it. */
  @Column('text', { nullable: true })
  name: string | null;

  /** `read`, `write`, `admin`: one at least. */
  @Column('text', { array: true })
  scopes: string[];

  /** Whether it may act for the owner's own users, by the header X-Likeness-Owner. */
  @Column('boolean', { default: false })
  onBehalf: boolean;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;

  /** Null: it has no end. */
  @Column('timestamptz', { nullable: true })
  expiresAt: Date | null;

  /** Null: it is good. A revoked key never comes back. */
  @Column('timestamptz', { nullable: true })
  revokedAt: Date | null;

  /** To the minute. */
  @Column('timestamptz', { nullable: true })
  lastUsedAt: Date | null;
}
