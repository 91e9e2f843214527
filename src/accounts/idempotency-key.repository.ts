import { inBatches } from '../core/iterators';
import type { Person } from '../core/person';
import type { Sql } from '../core/sql';
import { IdempotencyKeyEntity } from './idempotency-key.entity';

/** A key of a mutation call, with what it must match in a repetition. */
export type ClaimedKey = Omit<IdempotencyKeyEntity, 'createdAt'>;

/** Inserts a key; waits for a concurrent insertion. Returns false if it exists. */
export async function insertKey(sql: Sql, row: ClaimedKey): Promise<boolean> {
  const inserted = await sql.rows(
    `INSERT INTO idempotency_keys (owner, key, operation, input_sha256, result_id) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (owner, key) DO NOTHING RETURNING key`,
    [row.owner, row.key, row.operation, row.inputSha256, row.resultId],
  );
  return inserted.length > 0;
}

/** Reads an owner's key. */
export async function findKey(sql: Sql, owner: string, key: string): Promise<ClaimedKey | null> {
  const [found] = await sql.entities(
    IdempotencyKeyEntity,
    'SELECT * FROM idempotency_keys WHERE owner = $1 AND key = $2',
    [owner, key],
  );
  return found ?? null;
}

/**
 * Deletes keys older than the given age, which must be at least the 24 hours that the API guarantees.
 * @returns the number of deleted keys, at most 5,000 per call
 */
export async function pruneKeys(sql: Sql, olderThanMs: number): Promise<number> {
  const deleted = await sql.rows(
    `DELETE FROM idempotency_keys WHERE (owner, key) IN
       (SELECT owner, key FROM idempotency_keys WHERE created_at < now() - $1 * interval '1 ms' ORDER BY created_at LIMIT 5000)
     RETURNING key`,
    [olderThanMs],
  );
  return deleted.length;
}

/** The person's idempotency keys. */
export function keysOf(sql: Sql, { owner, until }: Person): AsyncGenerator<object> {
  return inBatches<{ key: string }>((last, limit) =>
    sql.rows(
      `SELECT key, operation, created_at AS "createdAt" FROM idempotency_keys
        WHERE owner = $1 AND created_at <= $2 AND ($3::text IS NULL OR key > $3) ORDER BY key LIMIT $4`,
      [owner, until, last?.key ?? null, limit],
    ),
  );
}

/** Deletes a person's keys, at most `limit`; returns their number. */
export async function deleteKeysOf(sql: Sql, { owner, until }: Person, limit: number): Promise<number> {
  const deleted = await sql.rows(
    `DELETE FROM idempotency_keys WHERE (owner, key) IN
       (SELECT owner, key FROM idempotency_keys WHERE owner = $1 AND created_at <= $2 LIMIT $3)
     RETURNING key`,
    [owner, until, limit],
  );
  return deleted.length;
}
