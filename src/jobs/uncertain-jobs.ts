import type { Logger } from '../core/logger';
import type { Transactions } from '../core/sql';
import { failure } from './failure';
import type { JobRow, JobSteps } from './job';
import { endJob, failing } from './job-end';
import type { JobStore } from './job.store';
import { closeUnfetched, readAttempt } from './submission.ledger';

/** What the settling of UNCERTAIN jobs needs. */
export interface UncertainDependencies {
  database: Transactions;
  store: JobStore;
  logger: Logger;
  /** How long the outcome of a submission may stay unknown, in milliseconds. */
  graceMs: number;
}

/** Settles jobs whose paid call has an unknown outcome, at the end of the grace period. */
export class UncertainJobs {
  constructor(private readonly parts: UncertainDependencies) {}

  /** The grace period is over, or nearly: looks whether evidence came in. */
  async settle(steps: JobSteps, row: JobRow): Promise<void> {
    const attempt = await readAttempt(this.parts.database, steps.line, row);
    const leftMs = this.parts.graceMs - (attempt?.ageMs ?? Infinity);
    const hold = { from: ['UNCERTAIN'], lease: row.lease! };
    if (leftMs > 0) return this.wait(steps, row, leftMs);
    if (attempt && steps.fetchesPhotos(row) && (await this.sendAgain(steps, row))) return;
    const advice = 'It may have been paid for. Ask the operator, or retry, which pays again.';
    return endJob(this.parts, steps, row, failing(hold, failure('SUBMISSION_UNKNOWN', advice)));
  }

  /**
   * Puts a submission back that never arrived. An upstream that asks for a photo at this very moment either is seen
   * here, or finds the attempt over and gets none.
   * @returns false if a photo was fetched
   */
  private async sendAgain(steps: JobSteps, row: JobRow): Promise<boolean> {
    const { database, store, logger } = this.parts;
    const { line } = steps;
    const moved = await database.transaction(async (sql) => {
      await sql.rows(`SELECT id FROM ${line.table} WHERE id = $1 FOR UPDATE`, [row.id]);
      if (!(await closeUnfetched(sql, line, row))) return null;
      const set = { status: 'QUEUED' };
      return store.moveWithin<JobRow>(sql, line, [
        { id: row.id, from: ['UNCERTAIN'], lease: row.lease!, set, dueInMs: 0, tell: true },
      ]);
    });
    if (!moved) return false;
    logger.warn(
      { id: row.id, attempt: row.attempt },
      'no photo was ever fetched: the submission never arrived and is made again',
    );
    store.wake(line, moved, true);
    return true;
  }

  private async wait({ line }: JobSteps, { id, lease }: JobRow, ms: number): Promise<void> {
    await this.parts.store.move(line, [
      { id, from: ['UNCERTAIN'], lease: lease!, set: {}, dueInMs: ms, tell: false },
    ]);
  }
}
