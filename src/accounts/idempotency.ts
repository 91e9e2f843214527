import { createHash } from 'node:crypto';
import { DomainError } from '../core/errors';
import type { Sql } from '../core/sql';

/** A mutation that a client may send again. */
export interface KeyedCall {
  owner: string;
  /** What the client sent as `idempotencyKey`; absent: every call is a new one. */
  key: string | null | undefined;
  operation: string;
  /** Everything that the client asked for, without the key. */
  input: unknown;
  /** The id of the row that this call would make. */
  resultId: string;
}

/** What may stand in a key: as with Stripe, up to 255 characters; printable, so that it can be read in a log. */
const keyPattern = /^[\x21-\x7e]{1,255}$/;

/**
 * Claims a key within the transaction that makes the row, so that key and row exist together or not at all. Of several
 * calls at once one makes the row; the others wait here for its commit and get its id.
 * @returns the id of the first call's row, or null if this call is the first and is to make it
 * @throws DomainError IDEMPOTENCY_KEY_REUSED if the key stands for another input
 */
export async function claimKey(sql: Sql, call: KeyedCall): Promise<string | null> {
  if (call.key === null || call.key === undefined) return null;
  if (!keyPattern.test(call.key)) {
    throw new DomainError(
      'INVALID_INPUT',
      'idempotencyKey must be 1 to 255 printable ASCII characters without spaces; a UUID is best.',
      {
        field: 'input.idempotencyKey',
      },
    );
  }
  const inputSha256 = createHash('sha256').update(canonicalJson(call.input)).digest('hex');
  const made = await sql.rows(
    `INSERT INTO idempotency_keys (owner, key, operation, input_sha256, result_id) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (owner, key) DO NOTHING RETURNING key`,
    [call.owner, call.key, call.operation, inputSha256, call.resultId],
  );
  if (made.length > 0) return null;
  const [first] = await sql.rows<{ operation: string; input_sha256: string; result_id: string }>(
    'SELECT operation, input_sha256, result_id FROM idempotency_keys WHERE owner = $1 AND key = $2',
    [call.owner, call.key],
  );
  if (first?.operation === call.operation && first.input_sha256 === inputSha256) return first.result_id;
  throw new DomainError(
    'IDEMPOTENCY_KEY_REUSED',
    'This idempotencyKey was used with another input. Use a new key for a new request.',
    {
      field: 'input.idempotencyKey',
    },
  );
}

/**
 * Forgets keys older than the given age; clients may repeat a call for at least 24 hours.
 * @returns how many, at most 5,000 a call
 */
export async function forgetKeys(sql: Sql, olderThanMs: number): Promise<number> {
  const gone = await sql.rows(
    `DELETE FROM idempotency_keys WHERE (owner, key) IN
       (SELECT owner, key FROM idempotency_keys WHERE created_at < now() - $1 * interval '1 ms' ORDER BY created_at LIMIT 5000)
     RETURNING key`,
    [olderThanMs],
  );
  return gone.length;
}

/** JSON with sorted keys, so that the same input always gives the same text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
