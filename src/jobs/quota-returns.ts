import type { Sql } from '../core/sql';
import type { JobKind, JobMove, JobRow } from './job';
import { settleReservations } from './submission.repository';

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
