import type { JobMove } from './job-move';
import type { JobSteps } from './job-steps';
import type { JobRow } from './job.kind';
import type { JobRepository } from './job.repository';
import { closeAttempt, type FailedCall } from './submission.repository';

/** The outcome of a paid call that was certainly not executed. */
export interface EndedCall extends FailedCall {
  outcome: 'NOT_EXECUTED' | 'REFUSED';
}

/**
 * Moves a job and wakes its subscribers. If its paid call ended with it, closes that call in the ledger; if the job
 * failed, releases its photos; in one transaction.
 */
export async function endJob(
  jobs: JobRepository,
  steps: JobSteps,
  row: JobRow,
  move: Omit<JobMove, 'id'>,
  call?: EndedCall,
): Promise<void> {
  await jobs.change(steps.kind, async (sql) => {
    const moved = await jobs.moveWithin(sql, steps.kind, [{ id: row.id, ...move }]);
    if (call) await closeAttempt(sql, steps.kind, row, call.outcome, call);
    const { unfinished } = steps.kind;
    for (const ended of moved) if (!unfinished.includes(ended.status)) await steps.ended(sql, ended);
    return moved;
  });
}
