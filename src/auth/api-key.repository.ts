import { erasedOwner } from '../core/data-subject';
import type { Sql } from '../core/sql';
import { ApiKeyEntity } from './api-key.entity';

/** A key's metadata, without the hash of its secret. */
export type ApiKeyMetadata = Omit<ApiKeyEntity, 'secretSha256'>;

/** A key as read for authentication. */
export type FoundKey = ApiKeyEntity & { isActive: boolean; isTouchDue: boolean };

/** SQL: the key was not revoked and has not expired. */
export const activeKeys = '(revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()))';

/** A key to insert. */
export type KeyRow = Pick<ApiKeyEntity, 'id' | 'secretSha256' | 'owner' | 'name' | 'scopes' | 'onBehalf'> & {
  /** Null: the key does not expire. */
  expiresInMs: number | null;
};

/** Inserts a key. */
export async function insertKey(sql: Sql, key: KeyRow): Promise<ApiKeyMetadata> {
  const [row] = await sql.entities(
    ApiKeyEntity,
    `INSERT INTO api_keys (id, secret_sha256, owner, name, scopes, on_behalf, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, now() + $7 * interval '1 ms') RETURNING *`,
    [key.id, key.secretSha256, key.owner, key.name, key.scopes, key.onBehalf, key.expiresInMs],
  );
  return withoutSecret(row!);
}

/** All keys, including expired and revoked ones, newest first; at most 1,000. */
export async function listKeys(sql: Sql): Promise<ApiKeyMetadata[]> {
  const rows = await sql.entities(
    ApiKeyEntity,
    'SELECT * FROM api_keys ORDER BY created_at DESC, id LIMIT 1000',
  );
  return rows.map(withoutSecret);
}

/** Reads a key for authentication. */
export async function findKey(sql: Sql, id: string): Promise<FoundKey | null> {
  const [row] = await sql.entities<ApiKeyEntity, FoundKey>(
    ApiKeyEntity,
    `SELECT *, ${activeKeys} AS "isActive",
            last_used_at IS NULL OR last_used_at < now() - interval '1 minute' AS "isTouchDue"
       FROM api_keys WHERE id = $1`,
    [id],
  );
  return row ?? null;
}

/** Records that a key was used, to the minute. */
export async function touchKey(sql: Sql, id: string): Promise<void> {
  await sql.rows(
    `UPDATE api_keys SET last_used_at = now()
      WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`,
    [id],
  );
}

/** Revokes a key; false if it was revoked before. */
export async function revokeKey(sql: Sql, id: string): Promise<boolean> {
  const revoked = await sql.rows(
    'UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id',
    [id],
  );
  return revoked.length > 0;
}

/**
 * Revokes and anonymizes an owner's keys as part of an erasure. Keys that act for others belong to an application and
 * are kept.
 * @returns the revoked ids; announce them AFTER the commit
 */
export async function revokeKeysOf(sql: Sql, owner: string): Promise<string[]> {
  const revoked = await sql.rows<{ id: string }>(
    `UPDATE api_keys SET owner = $2, name = NULL, revoked_at = coalesce(revoked_at, now())
      WHERE owner = $1 AND NOT on_behalf RETURNING id`,
    [owner, erasedOwner],
  );
  return revoked.map(({ id }) => id);
}

function withoutSecret({ secretSha256: _secret, ...metadata }: ApiKeyEntity): ApiKeyMetadata {
  return metadata;
}
