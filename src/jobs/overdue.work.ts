import type { Logger } from '../core/logger';
import { camelRow, type Sql, type Transactions } from '../core/sql';
import type { UpstreamBudget } from '../upstream/budget';
import { failure, neverSubmittedFailure, timedOut, type Failure } from './failure';
import type { JobMove, JobRow, JobSteps } from './job';
import { failing } from './job-end';
import type { JobStore } from './job.store';
import { failingToWatch } from './late-watch';
import { closeAttempt } from './submission.ledger';

export interface OverdueWorkDeps {
  database: Transactions;
  store: JobStore;
  /** The configured provider. */
  provider: { readonly name: string };
  /** How long after its deadline a job is ended, in milliseconds; leaves time for a poll that is in flight. */
  marginMs: number;
  /** How long the outcome of a submission may stay unknown, in milliseconds. */
  graceMs: number;
  budget: Pick<UpstreamBudget, 'pauseReason'>;
  logger: Logger;
}

/** A row with the database's time of the read. */
type OverdueRow = JobRow & { readAt: Date };

const maxRows = 100;
const hourMs = 3_600_000;
/** The minimum grace period for submissions of another provider, whose own grace period is unknown. */
const minForeignGraceMs = hourMs;
/** How long failed jobs of another provider stay under the late watch, in case it is configured again. */
const foreignRetentionMs = 30 * 24 * hourMs;

/**
 * Ends jobs whose deadline has passed, without a call to the upstream. So no state outlasts its deadline while
 * calls are paused, the budget is spent, or the job's provider is no longer configured. Submitted jobs continue
 * under the late watch.
 */
export class OverdueWork {
  constructor(private readonly deps: OverdueWorkDeps) {}

  /**
   * Ends the overdue jobs of one kind.
   * @returns the number of changed rows
   */
  async processBatch(steps: JobSteps): Promise<number> {
    const { database, store, provider, marginMs } = this.deps;
    const { kind } = steps;
    const conditions = overdueConditions(kind.running);
    const values = [provider.name, marginMs];
    const found = await database.rows<{ id: string }>(
      conditions
        .map(
          (where) => `(SELECT id FROM ${kind.table} WHERE due_at IS NOT NULL AND ${where} LIMIT ${maxRows})`,
        )
        .join(' UNION ALL '),
      values,
    );
    if (found.length === 0) return 0;
    const changed = await database.transaction(async (sql) => {
      const rows = await sql.rows<Record<string, unknown>>(
        `SELECT *, now() AS read_at FROM ${kind.table}
          WHERE id = ANY($3) AND due_at IS NOT NULL AND (${conditions.join(' OR ')}) FOR UPDATE SKIP LOCKED`,
        [...values, found.map(({ id }) => id)],
      );
      return this.end(
        sql,
        steps,
        rows.map((row) => camelRow<OverdueRow>(row)),
      );
    });
    store.wake(kind, changed);
    return changed.length;
  }

  private async end(sql: Sql, steps: JobSteps, rows: readonly OverdueRow[]): Promise<JobRow[]> {
    const { store, logger } = this.deps;
    const { kind } = steps;
    const isQueued = rows.some(({ status }) => status === 'QUEUED');
    const neverSubmitted = neverSubmittedFailure(isQueued ? await this.deps.budget.pauseReason() : null);
    const moves = rows.map((row) => this.moveOf(steps, row, neverSubmitted));
    const moved = moves.length > 0 ? await store.moveWithin(sql, kind, moves) : [];
    const isEnded = new Set(moves.filter(({ appendsEvent }) => appendsEvent).map(({ id }) => id));
    for (const row of moved.filter(({ id }) => isEnded.has(id))) {
      if (row.status === 'UNCERTAIN') await closeAttempt(sql, kind, row, 'UNKNOWN');
      else await steps.ended(sql, row);
      logger.warn(
        { id: row.id, provider: row.provider, status: row.status },
        `an overdue ${kind.noun} was moved to its next state`,
      );
    }
    return moved;
  }

  private moveOf(steps: JobSteps, row: OverdueRow, neverSubmitted: Failure): JobMove {
    switch (row.status) {
      case 'QUEUED':
        return this.endQueued(row, neverSubmitted);
      case 'SUBMITTING':
        return this.makeUncertain(row);
      case 'UNCERTAIN':
        return endUncertain(row);
      case 'FAILED':
        return postponeWatch(row);
      default:
        return this.endRunning(steps, row);
    }
  }

  private isForeign({ provider }: JobRow): boolean {
    return provider !== this.deps.provider.name;
  }

  private endQueued(row: OverdueRow, neverSubmitted: Failure): JobMove {
    const why = this.isForeign(row) ? notConfigured(row, 'Nothing was charged.') : neverSubmitted;
    return { id: row.id, ...failing({ from: ['QUEUED'] }, why) };
  }

  private endRunning(steps: JobSteps, row: OverdueRow): JobMove {
    if (!this.isForeign(row)) return failingToWatch(steps, row, timedOut, row.readAt);
    const retentionMs = Math.max(steps.retentionMs, foreignRetentionMs);
    const why = notConfigured(row, 'If it is configured again, a late success is still taken.');
    return failingToWatch({ pollPlan: steps.pollPlan, retentionMs }, row, why, row.readAt);
  }

  private makeUncertain(row: OverdueRow): JobMove {
    const set = { status: 'UNCERTAIN', lastError: 'the process ended during the call' };
    const dueInMs = Math.max(this.deps.graceMs, minForeignGraceMs);
    return { id: row.id, from: ['SUBMITTING'], attempt: row.attempt, set, dueInMs, appendsEvent: true };
  }
}

/** Evidence is not evaluated: nothing is submitted again for a provider that is not configured. */
function endUncertain(row: OverdueRow): JobMove {
  const why = failure('SUBMISSION_UNKNOWN', 'It may have been charged. Contact the operator.');
  return { id: row.id, ...failing({ from: ['UNCERTAIN'], attempt: row.attempt }, why) };
}

/** A failed job of another provider cannot be polled; it stays under the late watch until its deadline. */
function postponeWatch(row: OverdueRow): JobMove {
  const leftMs = (row.deadlineAt?.getTime() ?? 0) - row.readAt.getTime();
  const dueInMs = leftMs > 0 ? Math.min(leftMs, hourMs) : null;
  return { id: row.id, from: ['FAILED'], set: {}, dueInMs, appendsEvent: false };
}

function notConfigured({ provider }: JobRow, advice: string): Failure {
  return failure('PROVIDER_NOT_CONFIGURED', `It is "${provider}". ${advice} Contact the operator.`);
}

/**
 * SQL conditions for overdue rows; $1 is the configured provider, $2 the margin. Rows of other providers are
 * included once they are due, since no other worker handles them.
 */
function overdueConditions(running: string): string[] {
  const margin = `$2 * interval '1 ms'`;
  const isForeign = `provider <> $1 AND due_at <= now() - ${margin}`;
  return [
    `status = 'QUEUED' AND deadline_at <= now()`,
    `status = '${running}' AND deadline_at <= now() - ${margin}`,
    ...['SUBMITTING', 'UNCERTAIN', 'FAILED'].map((status) => `status = '${status}' AND ${isForeign}`),
  ];
}
