import type { Sql } from '../core/sql';
import type { JobMove } from './job-move';
import type { JobKind, JobRow } from './job.kind';
import { settleLedger } from './ledger-settlement.repository';

/**
 * Derives the state of quota reservations from the paid calls, and ends reservations of money. A reservation is released when its job has ended without
 * success of its latest attempt (FAILED, PARTIAL, CANCELLED, deleted, or retried under another reservation) and none of its attempts was or may
 * have been paid. It counts again if an attempt turns out to have been paid. Idempotent.
 * @param only - `attempt`: only the reservation of this attempt; `isDeleted`: the jobs are about to be deleted
 */
export async function settleReservations(
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
       SELECT r.id, ($2 OR r.to_attempt IS NOT NULL OR j.id IS NULL OR j.status IN ('FAILED', 'PARTIAL', 'CANCELLED'))
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
  await settleLedger(sql, kind, jobIds, only);
}

/** States in which a job ends although an attempt of it may not have been paid. */
const failedStates: ReadonlySet<string> = new Set(['FAILED', 'PARTIAL', 'CANCELLED']);

/**
 * Settles the quota reservations of rows that moved into or out of FAILED, PARTIAL or CANCELLED, in the transaction of the
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
