import { erasedOwner, type DataSubject } from '../core/data-subject';
import { holdLock, type Sql } from '../core/sql';
import type { TokenRestriction } from '../core/viewer';
import { ClientTokenEntity } from './client-token.entity';

/** A client token without the hash of its secret. */
export type ClientTokenMetadata = Omit<ClientTokenEntity, 'secretSha256'>;

/** A client token as read for authentication. */
export type FoundToken = ClientTokenEntity & { isLive: boolean };

/** A client token to insert. */
export type ClientTokenRow = Omit<ClientTokenEntity, 'createdAt' | 'expiresAt' | 'revokedAt'> & {
  readonly expiresInMs: number;
};

/** SQL: the token has neither expired nor been revoked, and its API key has not been revoked. */
const isLive = `(revoked_at IS NULL AND expires_at > now() AND (key_id IS NULL OR EXISTS
  (SELECT FROM api_keys WHERE api_keys.id = client_tokens.key_id AND api_keys.revoked_at IS NULL)))`;

/** Locks the owner's number of client tokens until the end of the transaction. */
export async function lockClientTokens(sql: Sql, owner: string): Promise<void> {
  await holdLock(sql, 'client-tokens', owner);
}

/** How many client tokens of the owner have not expired, revoked ones included. */
export async function countUnexpiredTokens(sql: Sql, owner: string): Promise<number> {
  const [counted] = await sql.rows<{ count: number }>(
    `SELECT count(*)::int AS count FROM client_tokens WHERE owner = $1 AND expires_at > now()`,
    [owner],
  );
  return counted!.count;
}

/** Inserts a token. It expires no later than its API key. */
export async function insertClientToken(sql: Sql, token: ClientTokenRow): Promise<ClientTokenMetadata> {
  const [row] = await sql.entities(
    ClientTokenEntity,
    `INSERT INTO client_tokens
       (id, secret_sha256, owner, key_id, scopes, model_id, generation_id, uses_left, uploads_left, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, least(now() + $10 * interval '1 ms',
             (SELECT expires_at FROM api_keys WHERE api_keys.id = $4)))
     RETURNING *`,
    [
      ...[token.id, token.secretSha256, token.owner, token.keyId, token.scopes],
      ...[token.modelId, token.generationId, token.usesLeft, token.uploadsLeft, token.expiresInMs],
    ],
  );
  return withoutSecret(row!);
}

/** Reads a token for authentication. */
export async function findClientToken(sql: Sql, id: string): Promise<FoundToken | null> {
  const [row] = await sql.entities<ClientTokenEntity, { isLive: boolean }>(
    ClientTokenEntity,
    `SELECT *, ${isLive} AS "isLive" FROM client_tokens WHERE id = $1`,
    [id],
  );
  return row ?? null;
}

/** Whether a token has not ended. */
export async function isLiveToken(sql: Sql, id: string): Promise<boolean> {
  return (await sql.rows(`SELECT FROM client_tokens WHERE id = $1 AND ${isLive}`, [id])).length > 0;
}

/** SQL that selects an owner's token that has not ended by its id, or several by `ANY`. */
export function selectClientToken(id: string, owner: string): string {
  return `SELECT * FROM client_tokens WHERE id = ${id} AND owner = ${owner} AND ${isLive}`;
}

/** The owner's tokens with the given ids that have not ended, in the order of the ids. */
export async function findClientTokens(
  sql: Sql,
  owner: string,
  ids: readonly string[],
): Promise<(ClientTokenMetadata | null)[]> {
  const rows = await sql.entities(ClientTokenEntity, selectClientToken('ANY($1)', '$2'), [ids, owner]);
  const tokens = new Map(rows.map((row) => [row.id, withoutSecret(row)]));
  return ids.map((id) => tokens.get(id) ?? null);
}

/** Counts an operation of a token whose operations are limited; false if it has none left or has ended. */
export async function takeUse(sql: Sql, id: string): Promise<boolean> {
  const taken = await sql.rows(
    `UPDATE client_tokens SET uses_left = uses_left - 1 WHERE id = $1 AND uses_left > 0 AND ${isLive} RETURNING id`,
    [id],
  );
  return taken.length > 0;
}

/** Counts photos that a token uploads; false if it may not upload as many. */
export async function takeUploads(sql: Sql, id: string, count: number): Promise<boolean> {
  const taken = await sql.rows(
    `UPDATE client_tokens SET uploads_left = uploads_left - $2
      WHERE id = $1 AND uploads_left >= $2 AND ${isLive} RETURNING id`,
    [id, count],
  );
  return taken.length > 0;
}

/** Revokes a token; null if the owner has none with this id, false if it had ended before. */
export async function revokeClientToken(sql: Sql, owner: string, id: string): Promise<boolean | null> {
  const [found] = await sql.rows<{ wasLive: boolean }>(
    `SELECT ${isLive} AS "wasLive" FROM client_tokens WHERE id = $1 AND owner = $2 FOR UPDATE`,
    [id, owner],
  );
  if (!found) return null;
  await sql.rows('UPDATE client_tokens SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL', [id]);
  return found.wasLive;
}

/**
 * Revokes and anonymizes an owner's tokens that have not expired, as part of an erasure. {@link deleteExpiredTokensOf}
 * erases the others.
 * @returns the revoked ids; announce them AFTER the commit
 */
export async function revokeClientTokensOf(sql: Sql, owner: string): Promise<string[]> {
  const revoked = await sql.rows<{ id: string }>(
    `UPDATE client_tokens
        SET owner = $2, model_id = NULL, generation_id = NULL, revoked_at = coalesce(revoked_at, now())
      WHERE owner = $1 AND expires_at > now() RETURNING id`,
    [owner, erasedOwner],
  );
  return revoked.map(({ id }) => id);
}

/**
 * Deletes an owner's expired tokens as part of an erasure. Run it until it returns 0.
 * @returns the number of deleted tokens, at most `limit`
 */
export async function deleteExpiredTokensOf(
  sql: Sql,
  { owner, until }: DataSubject,
  limit: number,
): Promise<number> {
  const deleted = await sql.rows(
    `DELETE FROM client_tokens WHERE id IN
       (SELECT id FROM client_tokens
         WHERE owner = $1 AND created_at <= $2 AND expires_at <= now() ORDER BY expires_at LIMIT $3)
     RETURNING 1`,
    [owner, until, limit],
  );
  return deleted.length;
}

/** How long revoked keys are returned. Much longer than any realistic interval between two polls. */
const lookBack = '1 day';

/**
 * The ids of API keys that were revoked recently, and of revoked client tokens that have not expired, with a margin for
 * the clocks of processes.
 */
export async function revokedCredentials(sql: Sql): Promise<string[]> {
  const revoked = await sql.rows<{ id: string }>(
    `SELECT id FROM api_keys WHERE revoked_at > now() - interval '${lookBack}'
     UNION ALL
     SELECT id FROM client_tokens WHERE revoked_at IS NOT NULL AND expires_at > now() - interval '1 minute'`,
  );
  return revoked.map(({ id }) => id);
}

/**
 * Deletes tokens that expired more than a day ago.
 * @returns the number of deleted tokens, at most 5,000 per call
 */
export async function pruneClientTokens(sql: Sql): Promise<number> {
  const deleted = await sql.rows(
    `DELETE FROM client_tokens WHERE id IN
       (SELECT id FROM client_tokens WHERE expires_at < now() - interval '1 day' ORDER BY expires_at LIMIT 5000)
     RETURNING id`,
  );
  return deleted.length;
}

/** Whether the owner has the model or generation. */
export async function ownsObject(sql: Sql, owner: string, { kind, id }: TokenRestriction): Promise<boolean> {
  const table = kind === 'AvatarModel' ? 'models' : 'generations';
  const found = await sql.rows(`SELECT id FROM ${table} WHERE id = $1 AND owner = $2`, [id, owner]);
  return found.length > 0;
}

/** Those of the UUIDs that are generations of a model. */
export async function generationsWithin(
  sql: Sql,
  ids: readonly string[],
  modelId: string,
): Promise<string[]> {
  const found = await sql.rows<{ id: string }>(
    'SELECT id FROM generations WHERE id = ANY($1) AND model_id = $2',
    [ids, modelId],
  );
  return found.map(({ id }) => id);
}

/** Those of the UUIDs that are avatars of a model or generation. */
export async function avatarsWithin(
  sql: Sql,
  ids: readonly string[],
  { kind, id: parentId }: TokenRestriction,
): Promise<string[]> {
  const column = kind === 'AvatarModel' ? 'model_id' : 'generation_id';
  const found = await sql.rows<{ id: string }>(
    `SELECT id FROM avatars WHERE id = ANY($1) AND ${column} = $2`,
    [ids, parentId],
  );
  return found.map(({ id }) => id);
}

function withoutSecret({ secretSha256: _secret, ...metadata }: ClientTokenEntity): ClientTokenMetadata {
  return metadata;
}
