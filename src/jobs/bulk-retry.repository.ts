import type { WorkSize } from '../accounts/prices';
import type { DataSubject } from '../core/data-subject';
import type { DomainError, ErrorCode } from '../core/errors';
import { inBatches } from '../core/iterators';
import type { Sql } from '../core/sql';
import type { JobKind } from './job.kind';

/** The sizes of new attempts of FAILED jobs, in any order. */
export async function sizesOf(
  sql: Sql,
  { table, sizeColumns }: Pick<JobKind, 'table' | 'sizeColumns'>,
  ids: readonly string[],
): Promise<WorkSize[]> {
  return sql.rows(
    `SELECT ${sizeColumns.work} AS work, ${sizeColumns.units} AS units FROM ${table} WHERE id = ANY($1)`,
    [ids],
  );
}

/** The key of a bulk retry. */
export interface BulkRetryKey {
  readonly owner: string;
  readonly key: string;
}

/** A job to retry, with the attempt after which it is retried. */
export interface RetriedJob {
  readonly id: string;
  readonly attempt: number;
}

/** Records the jobs of a bulk retry, in the transaction that claims its key. */
export async function insertBulkRetries(
  sql: Sql,
  { owner, key }: BulkRetryKey,
  jobs: readonly RetriedJob[],
): Promise<void> {
  await sql.rows(
    `INSERT INTO bulk_retries (owner, key, job_id, attempt)
     SELECT $1, $2, job.id, job.attempt FROM unnest($3::uuid[], $4::integer[]) AS job (id, attempt)`,
    [owner, key, jobs.map(({ id }) => id), jobs.map(({ attempt }) => attempt)],
  );
}

/** Up to `limit` jobs of a bulk retry that are not settled, the oldest first. */
export function unsettledRetries(
  sql: Sql,
  { owner, key }: BulkRetryKey,
  limit: number,
): Promise<RetriedJob[]> {
  return sql.rows(
    `SELECT job_id AS id, attempt FROM bulk_retries
      WHERE owner = $1 AND key = $2 AND settled_at IS NULL ORDER BY job_id LIMIT $3`,
    [owner, key, limit],
  );
}

/**
 * Settles a job of a bulk retry: in the transaction that retries it, or with the reason why it cannot be retried.
 * @returns false if it was settled before
 */
export async function settleBulkRetry(
  sql: Sql,
  { owner, key }: BulkRetryKey,
  jobId: string,
  failure: Pick<DomainError, 'code' | 'message'> | null,
): Promise<boolean> {
  const settled = await sql.rows(
    `UPDATE bulk_retries SET settled_at = now(), failure_code = $4, failure_message = $5
      WHERE owner = $1 AND key = $2 AND job_id = $3 AND settled_at IS NULL RETURNING job_id`,
    [owner, key, jobId, failure?.code ?? null, failure?.message ?? null],
  );
  return settled.length > 0;
}

/** The state of a bulk retry. */
export interface BulkRetryState {
  /** All jobs of it. */
  readonly jobIds: readonly string[];
  readonly unsettled: number;
  readonly failures: readonly { readonly id: string; readonly code: ErrorCode; readonly message: string }[];
  /** The money that was reserved for them, in millionths of the currency as text. */
  readonly reserved: string;
}

/** Reads the state of a bulk retry. A job is settled and its money is reserved at the time of the same transaction. */
export async function readBulkRetry(sql: Sql, { owner, key }: BulkRetryKey): Promise<BulkRetryState> {
  const [state] = await sql.rows<BulkRetryState>(
    `SELECT coalesce(array_agg(job_id ORDER BY job_id)::text[], '{}') AS "jobIds", count(*) FILTER (WHERE settled_at IS NULL)::int AS unsettled,
            coalesce(jsonb_agg(jsonb_build_object('id', job_id, 'code', failure_code, 'message', failure_message) ORDER BY job_id)
                       FILTER (WHERE failure_code IS NOT NULL), '[]') AS failures,
            coalesce(sum((SELECT l.amount FROM ledger_entries l
               WHERE l.job_id = bulk_retries.job_id AND l.kind = 'RESERVED' AND l.created_at = bulk_retries.settled_at)), 0)::text AS reserved
       FROM bulk_retries WHERE owner = $1 AND key = $2`,
    [owner, key],
  );
  return state!;
}

/** A job of a person's bulk retries, as it is exported. */
interface ExportedRetry {
  readonly key: string;
  readonly job: string;
}

/** The jobs of a person's bulk retries, by key and job. */
export function bulkRetriesOf(sql: Sql, { owner, until }: DataSubject): AsyncGenerator<ExportedRetry> {
  return inBatches<ExportedRetry>((last, limit) =>
    sql.rows(
      `SELECT key, job_id AS job, attempt, settled_at AS "settledAt", failure_code AS "failureCode"
         FROM bulk_retries JOIN idempotency_keys USING (owner, key)
        WHERE owner = $1 AND created_at <= $2 AND ($3::text IS NULL OR (key, job_id) > ($3, $4::uuid))
        ORDER BY key, job_id LIMIT $5`,
      [owner, until, last?.key ?? null, last?.job ?? null, limit],
    ),
  );
}
