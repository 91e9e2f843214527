import type { Transactions } from '../core/sql';
import type { UpstreamError } from '../upstream/provider';
import { failureColumns, type Failure } from './failure';
import type { JobMove, JobRow, JobSteps } from './job';
import type { JobStore } from './job.store';
import { closeAttempt } from './submission.ledger';

/** How a paid call ended that was surely not executed. */
interface EndedCall {
  outcome: 'NOT_EXECUTED' | 'REFUSED';
  error: UpstreamError;
}

/** The move of a job that fails. */
export function failing(
  hold: Pick<JobMove, 'from' | 'lease' | 'attempt'>,
  why: Failure,
): Omit<JobMove, 'id'> {
  const set = { status: 'FAILED', estimatedReadyAt: null, ...failureColumns(why) };
  return { ...hold, set, dueInMs: null, appendsEvent: true };
}

/** Moves a job and, if a paid call has ended by this, closes it in the ledger, in one transaction. */
export async function endJob(
  { database, store }: { database: Transactions; store: JobStore },
  steps: JobSteps,
  row: JobRow,
  move: Omit<JobMove, 'id'>,
  call?: EndedCall,
): Promise<void> {
  const moved = await database.transaction(async (sql) => {
    const rows = await store.moveWithin<JobRow>(sql, steps.kind, [{ id: row.id, ...move }]);
    if (call) await closeAttempt(sql, steps.kind, row, call.outcome, call.error);
    if (move.set.status === 'FAILED') for (const failed of rows) await steps.ended(sql, failed);
    return rows;
  });
  store.wake(steps.kind, moved);
}
