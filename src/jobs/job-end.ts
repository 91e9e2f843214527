import type { Transactions } from '../core/sql';
import type { UpstreamError } from '../upstream/provider';
import { failureColumns, type Failure } from './failure';
import type { JobMove, JobRow, JobSteps } from './job';
import type { JobRepository } from './job.repository';
import { closeAttempt } from './submission.repository';

/** The outcome of a paid call that was certainly not executed. */
interface EndedCall {
  outcome: 'NOT_EXECUTED' | 'REFUSED';
  error: UpstreamError;
}

/** The move by which a job fails. */
export function failing(
  hold: Pick<JobMove, 'from' | 'lease' | 'attempt'>,
  why: Failure,
): Omit<JobMove, 'id'> {
  const set = { status: 'FAILED', estimatedReadyAt: null, ...failureColumns(why) };
  return { ...hold, set, dueInMs: null, appendsEvent: true };
}

/** Moves a job and, if its paid call ended with it, closes that call in the ledger, in one transaction. */
export async function endJob(
  { database, store }: { database: Transactions; store: JobRepository },
  steps: JobSteps,
  row: JobRow,
  move: Omit<JobMove, 'id'>,
  call?: EndedCall,
): Promise<void> {
  const moved = await database.transaction(async (sql) => {
    const rows = await store.moveWithin(sql, steps.kind, [{ id: row.id, ...move }]);
    if (call) await closeAttempt(sql, steps.kind, row, call.outcome, call.error);
    if (move.set.status === 'FAILED') for (const failed of rows) await steps.ended(sql, failed);
    return rows;
  });
  store.wake(steps.kind, moved);
}
