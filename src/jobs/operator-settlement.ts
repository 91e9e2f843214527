import { codeOf, DomainError } from '../core/errors';
import type { Sql } from '../core/sql';
import { noFailure } from './failure';
import { notPolled, type JobMove } from './job-move';
import { lockJob, type ReadJob } from './job-row.repository';
import type { JobKind, JobRow } from './job.kind';
import type { JobRepository } from './job.repository';
import { acceptAttempt, closeAttempt } from './submission.repository';

/** What an operator knows of a paid call whose answer was lost. */
export type UncertainVerdict =
  /** `ref`: the id of the job at the avatar service. */
  { readonly outcome: 'ACCEPTED'; readonly ref: string } | { readonly outcome: 'NOT_EXECUTED' };

/** A job to settle. */
export interface Settlement {
  /** The row's UUID. */
  readonly id: string;
  readonly verdict: UncertainVerdict;
  /** The time limit of an accepted job, in milliseconds. */
  readonly deadlineMs: number;
}

/**
 * Settles an UNCERTAIN job: with the id of the accepted call it runs, without one it is QUEUED and submitted again.
 * @param record - called in the transaction of the change
 * @returns the job; null if it is not UNCERTAIN
 * @throws DomainError if another job has the id
 */
export async function settleUncertain(
  jobs: JobRepository,
  kind: JobKind,
  settlement: Settlement,
  record: (sql: Sql) => Promise<void>,
): Promise<JobRow | null> {
  try {
    const [settled] = await jobs.change(kind, (sql) => settleWithin(sql, jobs, kind, settlement, record));
    return settled ?? null;
  } catch (error) {
    if (codeOf(error instanceof DomainError ? error.cause : error) !== '23505') throw error;
    throw new Error(`Another job has the id "${(settlement.verdict as { ref?: string }).ref}". Check it.`, {
      cause: error,
    });
  }
}

/**
 * {@link settleUncertain} in a transaction of the caller, who then calls {@link JobRepository.wake}.
 * @returns the changed rows: the job, or none if it is not UNCERTAIN
 * @throws the database's unique violation if another job has the id
 */
export async function settleWithin<Row extends JobRow>(
  sql: Sql,
  jobs: JobRepository,
  kind: JobKind<Row>,
  { id, verdict, deadlineMs }: Settlement,
  record: (sql: Sql) => Promise<void>,
): Promise<Row[]> {
  const row = await lockJob(sql, kind, id);
  if (row?.status !== 'UNCERTAIN') return [];
  await record(sql);
  if (verdict.outcome === 'NOT_EXECUTED') {
    await closeAttempt(sql, kind, row, 'NOT_EXECUTED');
    return jobs.moveWithin(sql, kind, [requeued(row)]);
  }
  await acceptAttempt(sql, kind, { id, attempt: row.attempt, ref: verdict.ref });
  return jobs.moveWithin(sql, kind, [accepted(kind, row, verdict.ref, deadlineMs)]);
}

const hold = ({
  id,
  attempt,
}: JobRow): Pick<JobMove, 'id' | 'from' | 'attempt' | 'appendsEvent' | 'notes'> => ({
  ...{ id, attempt, from: ['UNCERTAIN'], appendsEvent: true },
  notes: [{ kind: 'ACTED_ON' }],
});

function requeued(row: JobRow): JobMove {
  return { ...hold(row), set: { status: 'QUEUED', lastError: null }, dueInMs: 0 };
}

/** Without a pace, since it is not known when the avatar service began. */
function accepted(kind: JobKind, row: ReadJob, ref: string, deadlineMs: number): JobMove {
  const set = {
    ...{ ...notPolled, ...kind.notEnded, ...noFailure, status: kind.running, lastError: null, pace: null },
    ...({
      providerRef: ref,
      submittedAt: 'now',
      deadlineAt: new Date(row.readAt.getTime() + deadlineMs),
    } as const),
    estimatedReadyAt: null,
  };
  return { ...hold(row), set, dueInMs: 0 };
}
