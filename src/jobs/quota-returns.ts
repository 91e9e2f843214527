import { giveBack, takeAgain } from '../accounts/quota.ledger';
import type { Sql } from '../core/sql';
import type { JobLine, JobMove, JobRow } from './job';

/**
 * Settles with the owners' quotas what moves mean for them; in the transaction of the moves, after them. Moves that
 * change no state cost nothing here.
 * @param moved - the rows that changed, as they are now
 */
export async function settleQuotas(
  sql: Sql,
  line: JobLine,
  moves: readonly JobMove[],
  moved: readonly JobRow[],
): Promise<void> {
  const ended = (status: string): string[] =>
    moved.filter((row) => row.status === status).map((row) => row.id);
  const changed = new Map(moves.filter(({ set }) => set.status !== undefined).map((move) => [move.id, move]));
  const among = (ids: string[]): string[] => ids.filter((id) => changed.has(id));
  const failed = among(ended('FAILED'));
  const cancelled = among(ended('CANCELLED'));
  const late = moved.filter((row) => isLateSuccess(row, changed.get(row.id))).map((row) => row.id);
  if (failed.length > 0) await giveBack(sql, failed);
  if (cancelled.length > 0) await giveBackUnpaid(sql, line, cancelled);
  if (late.length > 0) await takeAgain(sql, late);
}

/** A job that was given up, and goes on because the upstream had it after all. */
function isLateSuccess({ status }: JobRow, move: JobMove | undefined): boolean {
  return move !== undefined && move.from.includes('FAILED') && status !== 'FAILED' && status !== 'QUEUED';
}

/**
 * Gives back what jobs have taken for attempts that surely were not paid: no call was made, or none was executed. For
 * jobs that are cancelled, and for those that are deleted, BEFORE their rows are.
 */
export async function giveBackUnpaid(sql: Sql, line: JobLine, jobIds: readonly string[]): Promise<void> {
  await sql.rows(
    `UPDATE quota_reservations r SET returned_at = now()
      WHERE job_id = ANY($1) AND returned_at IS NULL
        AND NOT EXISTS (SELECT FROM submissions s
                         WHERE s.${line.noun}_id = r.job_id AND s.attempt > r.after_attempt
                           AND s.outcome NOT IN ('REFUSED', 'NOT_EXECUTED'))`,
    [jobIds],
  );
}
