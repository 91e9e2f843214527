import type { Sql } from '../core/sql';
import type { JobMove } from './job-move';
import { lockAtProgress } from './job-row.repository';
import type { JobSteps } from './job-steps';
import type { JobRow } from './job.kind';
import type { JobRepository } from './job.repository';
import { withCurrentProgress } from './pace';
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
    const moved = await moveToEnd(sql, jobs, steps, { id: row.id, ...move });
    if (call) await closeAttempt(sql, steps.kind, row, call.outcome, call);
    return moved;
  });
}

/**
 * {@link endJob} at the progress that the job has once its row is locked: while this waits, other processes show more.
 * @param moveOf - makes the move of the job with this progress
 */
export async function endAtProgress(
  jobs: JobRepository,
  steps: JobSteps,
  id: string,
  moveOf: (row: JobRow) => JobMove,
): Promise<void> {
  const { kind } = steps;
  await jobs.change(kind, async (sql) => {
    const row = await lockAtProgress(sql, kind, id);
    if (!row) return [];
    return moveToEnd(sql, jobs, steps, moveOf(withCurrentProgress(kind, row, row.readAt.getTime())));
  });
}

async function moveToEnd(sql: Sql, jobs: JobRepository, steps: JobSteps, move: JobMove): Promise<JobRow[]> {
  const moved = await jobs.moveWithin(sql, steps.kind, [move]);
  const { unfinished } = steps.kind;
  for (const ended of moved) if (!unfinished.includes(ended.status)) await steps.ended(sql, ended);
  return moved;
}
