import { newId } from '../core/ids';
import { inBatches } from '../core/iterators';
import type { Person } from '../core/person';
import type { Sql } from '../core/sql';
import type { UpstreamError } from '../upstream/provider';
import { type JobKind, type JobRow, type JobMove } from './job.kind';
import type { SubmissionOutcome } from './submission.entity';

/** An attempt as recorded in the ledger. */
export interface Attempt {
  outcome: SubmissionOutcome;
  calledAt: Date;
  /** Milliseconds since the call started, by the database's clock. */
  ageMs: number;
  /** The base of the photo URLs that the upstream was given; null if it was given none. */
  photoUrl: string | null;
}

const jobColumn = (kind: JobKind): string => `${kind.noun}_id`;

/** Records that a paid call is about to be made, in the transaction that moves its row to SUBMITTING. */
export async function openAttempt(
  sql: Sql,
  kind: JobKind,
  row: JobRow,
  { account, photoUrl }: { account: string; photoUrl: string | null },
): Promise<void> {
  const units = kind.unitsOf(row);
  await sql.rows(
    `INSERT INTO submissions (id, ${jobColumn(kind)}, attempt, provider, account, photo_url, trainings, avatars)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [newId(), row.id, row.attempt, row.provider, account, photoUrl, units.trainings, units.avatars],
  );
}

/**
 * Records that the upstream accepted the call.
 * @returns false if that was recorded before
 * @throws the database's unique violation if another submission already has this id
 */
export async function acceptAttempt(
  sql: Sql,
  kind: JobKind,
  entry: { id: string; attempt: number; ref: string; correlationId?: string; creditsAvailable?: number },
): Promise<boolean> {
  const [before] = await sql.rows<{ outcome: SubmissionOutcome }>(
    `UPDATE submissions s SET outcome = 'ACCEPTED', provider_ref = $3, correlation_id = $4, credits_available = $5,
            answered_at = coalesce(s.answered_at, now())
       FROM (SELECT id, outcome FROM submissions WHERE ${jobColumn(kind)} = $1 AND attempt = $2 FOR UPDATE) before
      WHERE s.id = before.id
     RETURNING before.outcome`,
    [entry.id, entry.attempt, entry.ref, entry.correlationId ?? null, entry.creditsAvailable ?? null],
  );
  await detachAnswered(sql, kind, entry);
  return before?.outcome !== 'ACCEPTED';
}

/** Records that a call ended without an id. */
export async function closeAttempt(
  sql: Sql,
  kind: JobKind,
  row: Pick<JobRow, 'id' | 'attempt'>,
  outcome: Exclude<SubmissionOutcome, 'CALLING' | 'ACCEPTED'>,
  error?: UpstreamError,
): Promise<void> {
  await sql.rows(
    `UPDATE submissions SET outcome = $3, http_status = $4, correlation_id = $5, evidence = $6, credits_available = $7,
            answered_at = now()
      WHERE ${jobColumn(kind)} = $1 AND attempt = $2 AND outcome IN ('CALLING', 'UNKNOWN')`,
    [row.id, row.attempt, outcome, ...(error ? factsOf(error) : [null, null, null, null])],
  );
  await detachAnswered(sql, kind, row);
}

/**
 * Records that a call was not executed, because the upstream has fetched no photo by its URLs.
 * @returns false if a photo was fetched, or the answer was 2xx even without a valid id
 */
export async function closeUnfetched(
  sql: Sql,
  kind: JobKind,
  row: Pick<JobRow, 'id' | 'attempt'>,
): Promise<boolean> {
  const closed = await sql.rows(
    `UPDATE submissions SET outcome = 'NOT_EXECUTED', answered_at = now()
      WHERE ${jobColumn(kind)} = $1 AND attempt = $2 AND photos_fetched_at IS NULL AND outcome IN ('CALLING', 'UNKNOWN')
        AND (http_status IS NULL OR http_status NOT BETWEEN 200 AND 299)
     RETURNING id`,
    [row.id, row.attempt],
  );
  return closed.length > 0;
}

function factsOf({ status, notice, evidence, message }: UpstreamError): (string | number | null)[] {
  return [status ?? null, notice.correlationId ?? null, evidence ?? message, notice.creditsAvailable ?? null];
}

/** Reads the row's latest attempt. */
export async function readAttempt(sql: Sql, kind: JobKind, row: JobRow): Promise<Attempt | null> {
  const [attempt] = await sql.rows<Attempt>(
    `SELECT outcome, called_at AS "calledAt", photo_url AS "photoUrl",
            (extract(epoch FROM now() - called_at) * 1000)::float8 AS "ageMs"
       FROM submissions WHERE ${jobColumn(kind)} = $1 AND attempt = $2`,
    [row.id, row.attempt],
  );
  return attempt ?? null;
}

/** SQL: removes from a paid call what identifies the job or its owner; amounts, times and outcome remain. */
export const anonymous = `model_id = NULL, generation_id = NULL, provider_ref = NULL, correlation_id = NULL, evidence = NULL,
                   job_deleted_at = NULL`;

/**
 * Anonymizes the paid calls of jobs that are about to be deleted, and releases the quota reservations of unpaid
 * ones. A call in flight is detached by {@link detachAnswered}. Call it in the transaction that deletes the jobs,
 * BEFORE the rows are deleted.
 */
export async function detachSubmissions(sql: Sql, kind: JobKind, jobIds: readonly string[]): Promise<void> {
  await settleReservations(sql, kind, jobIds, { isDeleted: true });
  await sql.rows(
    `UPDATE submissions SET job_deleted_at = now() WHERE ${kind.noun}_id = ANY($1) AND outcome = 'CALLING'`,
    [jobIds],
  );
  await sql.rows(
    `UPDATE submissions SET ${anonymous} WHERE ${kind.noun}_id = ANY($1) AND outcome <> 'CALLING'`,
    [jobIds],
  );
}

/** Settles the quota reservation of a call that has been answered, and detaches the call if its job was deleted. */
async function detachAnswered(
  sql: Sql,
  kind: JobKind,
  { id, attempt }: { id: string; attempt: number },
): Promise<void> {
  await settleReservations(sql, kind, [id], { attempt });
  await sql.rows(
    `UPDATE submissions SET ${anonymous} WHERE ${kind.noun}_id = $1 AND attempt = $2 AND job_deleted_at IS NOT NULL`,
    [id, attempt],
  );
}

/**
 * Derives the state of quota reservations from the ledger. A reservation is released when its job has ended without
 * success (FAILED, CANCELLED, deleted, or retried under another reservation) and none of its attempts was or may
 * have been paid. It counts again if an attempt turns out to have been paid. Idempotent.
 * @param only - `attempt`: only the reservation of this attempt; `isDeleted`: the jobs are about to be deleted
 */
async function settleReservations(
  sql: Sql,
  kind: JobKind,
  jobIds: readonly string[],
  only: { attempt?: number; isDeleted?: boolean } = {},
): Promise<void> {
  await sql.rows(
    `WITH spans AS (
       SELECT id, job_id, after_attempt, lead(after_attempt) OVER (PARTITION BY job_id ORDER BY after_attempt, id) AS to_attempt
         FROM quota_reservations WHERE job_id = ANY($1)),
     settled AS (
       SELECT r.id, ($2 OR r.to_attempt IS NOT NULL OR j.id IS NULL OR j.status IN ('FAILED', 'CANCELLED'))
              AND NOT EXISTS (SELECT FROM submissions s
                               WHERE s.${kind.noun}_id = r.job_id AND s.attempt > r.after_attempt
                                 AND s.attempt <= coalesce(r.to_attempt, s.attempt)
                                 AND s.outcome NOT IN ('REFUSED', 'NOT_EXECUTED')) AS is_returned
         FROM spans r LEFT JOIN ${kind.table} j ON j.id = r.job_id
        WHERE $3::integer IS NULL OR $3 > r.after_attempt AND $3 <= coalesce(r.to_attempt, $3))
     UPDATE quota_reservations q SET returned_at = CASE WHEN is_returned THEN now() END
       FROM settled WHERE q.id = settled.id AND (q.returned_at IS NOT NULL) <> is_returned`,
    [jobIds, only.isDeleted ?? false, only.attempt ?? null],
  );
}

/** The paid calls for a person, by job UUID, without the upstream's answers. */
export function attemptsOf(
  sql: Sql,
  kinds: readonly JobKind[],
  { owner, until }: Person,
): AsyncGenerator<object> {
  const calls = kinds.map(
    ({ table, noun }) =>
      `SELECT s.${noun}_id AS job, '${noun}' AS kind, s.attempt, s.outcome, s.called_at AS "calledAt",
              s.answered_at AS "answeredAt", s.photos_fetched_at AS "photosFetchedAt"
         FROM ${table} j JOIN submissions s ON s.${noun}_id = j.id WHERE j.owner = $1`,
  );
  return inBatches<{ job: string; attempt: number }>((last, limit) =>
    sql.rows(
      `SELECT * FROM (${calls.join(' UNION ALL ')}) AS calls
        WHERE "calledAt" <= $2 AND ($3::uuid IS NULL OR (job, attempt) > ($3, $4::integer))
        ORDER BY job, attempt LIMIT $5`,
      [owner, until, last?.job ?? null, last?.attempt ?? null, limit],
    ),
  );
}

/** States in which a job ends without success. */
const failedStates: ReadonlySet<string> = new Set(['FAILED', 'CANCELLED']);

/**
 * Settles the quota reservations of rows that moved into or out of FAILED or CANCELLED, in the transaction of the
 * moves.
 * @param moved - the changed rows, after the moves
 */
export async function settleQuotas(
  sql: Sql,
  kind: JobKind,
  moves: readonly JobMove[],
  moved: readonly JobRow[],
): Promise<void> {
  const changed = new Map(moves.filter(({ set }) => set.status !== undefined).map((move) => [move.id, move]));
  const concerned = moved.filter(({ id, status }) => {
    const move = changed.get(id);
    // A retry makes its own reservation; the previous one stays as it is.
    return (
      move &&
      status !== 'QUEUED' &&
      (failedStates.has(status) || move.from.some((state) => failedStates.has(state)))
    );
  });
  if (concerned.length > 0)
    await settleReservations(
      sql,
      kind,
      concerned.map(({ id }) => id),
    );
}
