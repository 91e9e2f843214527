import { createHash } from 'node:crypto';
import type { DataSubject } from '../core/data-subject';
import { DomainError } from '../core/errors';
import { failpoint } from '../core/failpoint';
import { newId } from '../core/ids';
import type { Sql, Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { IdempotencyKeyEntity } from './idempotency-key.entity';
import { writeTransaction } from './write-admission.repository';

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

/** Deletes a person's keys, at most `limit`; returns their number. */
export async function deleteKeysOf(sql: Sql, { owner, until }: DataSubject, limit: number): Promise<number> {
  const deleted = await sql.rows(
    `DELETE FROM idempotency_keys WHERE (owner, key) IN
       (SELECT owner, key FROM idempotency_keys WHERE owner = $1 AND created_at <= $2 LIMIT $3)
     RETURNING key`,
    [owner, until, limit],
  );
  return deleted.length;
}

/** A mutation call with an idempotency key. */
export interface KeyedCall {
  owner: string;
  /** The client's `idempotencyKey`; absent: the call is not deduplicated. */
  key: string | null | undefined;
  operation: string;
  /** The mutation's input without the key. */
  input: unknown;
  /** The id of the row that this call would create. */
  resultId: string;
}

/** The creation of a row by a mutation that may be repeated with the same idempotency key. */
export interface Creation<Row> extends Pick<KeyedCall, 'key' | 'operation' | 'input'> {
  /** The name of the row in messages. */
  noun: string;
  /** Creates the row with the given id, in the transaction that claims the key. */
  create(sql: Sql, id: string): Promise<Row>;
  /** Reads the row of an earlier call; null if it has been deleted. */
  find(id: string): Promise<Row | null>;
}

/**
 * Creates a row, or returns the one that an earlier call with the same key has created. All writes are in one
 * transaction: if it fails, nothing is stored, and the key can be used again.
 * @throws DomainError IDEMPOTENCY_KEY_REUSED; NOT_FOUND if the row of the earlier call has been deleted
 */
export async function createOnce<Row>(
  database: Transactions,
  viewer: Viewer,
  creation: Creation<Row>,
): Promise<Row> {
  const id = newId();
  const { first, created } = await writeTransaction(database, viewer, async (sql) => {
    const first = await claimKey(sql, { ...creation, owner: viewer.owner, resultId: id });
    return { first, created: first === null ? await creation.create(sql, id) : null };
  });
  await failpoint('mutation:committed');
  const row = first === null ? created : await creation.find(first);
  if (row) return row;
  const message = `The ${creation.noun} of this idempotencyKey has been deleted. Use a new key.`;
  throw new DomainError('NOT_FOUND', message, { field: 'input.idempotencyKey' });
}

/** Up to 255 characters, as with Stripe; printable, so that it can be read in logs. */
const keyPattern = /^[\x21-\x7e]{1,255}$/;

/** @throws DomainError INVALID_INPUT if the key is malformed */
export function checkKey(key: string | null): void {
  if (key === null || keyPattern.test(key)) return;
  throw new DomainError(
    'INVALID_INPUT',
    'idempotencyKey must be 1 to 255 printable ASCII characters without spaces, for example a UUID.',
    { field: 'input.idempotencyKey' },
  );
}

/**
 * Claims a key in the transaction that creates the row, so that both are committed atomically. Of concurrent calls, one
 * creates the row; the others wait here for its commit.
 * @returns the id of the first call's row, or null if this call is the first and must create it
 * @throws DomainError IDEMPOTENCY_KEY_REUSED if the key was used with another input
 */
export async function claimKey(sql: Sql, call: KeyedCall): Promise<string | null> {
  if (call.key === null || call.key === undefined) return null;
  checkKey(call.key);
  const inputSha256 = createHash('sha256').update(canonicalJson(call.input)).digest('hex');
  const inserted = await sql.rows(
    `INSERT INTO idempotency_keys (owner, key, operation, input_sha256, result_id) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (owner, key) DO NOTHING RETURNING key`,
    [call.owner, call.key, call.operation, inputSha256, call.resultId],
  );
  if (inserted.length > 0) return null;
  const [first] = await sql.entities(
    IdempotencyKeyEntity,
    'SELECT * FROM idempotency_keys WHERE owner = $1 AND key = $2',
    [call.owner, call.key],
  );
  if (first?.operation === call.operation && first.inputSha256 === inputSha256) return first.resultId;
  throw new DomainError(
    'IDEMPOTENCY_KEY_REUSED',
    'This idempotencyKey was used with a different input. Use a new key for a new request.',
    { field: 'input.idempotencyKey' },
  );
}

/** JSON with sorted keys, so that equal inputs have equal texts. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
