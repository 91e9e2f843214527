import type { Logger } from '../core/logger';
import type { Sql, Transactions } from '../core/sql';
import { readServing } from '../photos/photo-serving.service';
import { failure } from './failure';
import type { JobRow, JobSteps } from './job';
import { endJob, failing } from './job-end';
import type { JobStore } from './job.store';
import { closeUnfetched, readAttempt, type Attempt } from './submission.ledger';

/** What the settling of UNCERTAIN jobs needs. */
export interface UncertainDependencies {
  database: Transactions;
  store: JobStore;
  logger: Logger;
  /** How long the outcome of a submission may stay unknown, in milliseconds. */
  graceMs: number;
}

/** How often a paid call is made again by itself, for each mutation and each retry by a person. */
const maxResends = 1;
/** How long to wait for the records of processes that serve photos. */
const pendingMs = 1_000;

/** Settles jobs whose paid call has an unknown outcome, at the end of the grace period. */
export class UncertainJobs {
  constructor(private readonly deps: UncertainDependencies) {}

  /** Settles a row whose grace period is over; one that came earlier waits for the rest of it. */
  async settle(steps: JobSteps, row: JobRow): Promise<void> {
    const attempt = await readAttempt(this.deps.database, steps.kind, row);
    const leftMs = this.deps.graceMs - (attempt?.ageMs ?? Infinity);
    if (leftMs > 0) return this.wait(steps, row, leftMs);
    const verdict = attempt && row.resends < maxResends ? await this.resend(steps, row, attempt) : 'unproven';
    if (verdict === 'resent') return;
    if (verdict === 'pending') return this.wait(steps, row, pendingMs);
    const hold = { from: ['UNCERTAIN'], lease: row.lease! };
    const advice = 'It may have been paid for. Ask the operator, or retry, which pays again.';
    return endJob(this.deps, steps, row, failing(hold, failure('SUBMISSION_UNKNOWN', advice)));
  }

  /**
   * Puts a submission back if it is proven that it never arrived: photos could be fetched during the whole grace period,
   * and none was. An upstream that fetches a photo at this very moment either is seen here, or gets none since the
   * attempt is over.
   */
  private async resend(
    steps: JobSteps,
    row: JobRow,
    attempt: Attempt,
  ): Promise<'resent' | 'pending' | 'unproven'> {
    const { database, store, logger } = this.deps;
    const { kind } = steps;
    const about = { id: row.id, attempt: row.attempt };
    const { serving, moved } = await database.transaction(async (sql) => {
      const nothing = { moved: [] as JobRow[] };
      const held = await sql.rows(`SELECT id FROM ${kind.table} WHERE id = $1 AND lease = $2 FOR UPDATE`, [
        row.id,
        row.lease,
      ]);
      const serving = await this.readServing(sql, attempt);
      if (held.length === 0 || serving !== 'unbroken') return { serving, ...nothing };
      if (!(await closeUnfetched(sql, kind, row))) return { serving, ...nothing };
      const set = { status: 'QUEUED', resends: row.resends + 1 };
      const moved = await store.moveWithin<JobRow>(sql, kind, [
        { id: row.id, from: ['UNCERTAIN'], lease: row.lease!, set, dueInMs: 0, appendsEvent: true },
      ]);
      return { serving, moved };
    });
    if (serving === 'pending') return 'pending';
    if (serving === 'broken')
      logger.warn(about, 'photos were not served during the whole grace period; no fetch proves nothing');
    if (moved.length === 0) return 'unproven';
    logger.warn(about, 'no photo was ever fetched: the submission never arrived and is made again');
    store.wake(kind, moved, true);
    return 'resent';
  }

  private async readServing(
    sql: Sql,
    { photoUrl, calledAt }: Attempt,
  ): Promise<'unbroken' | 'pending' | 'broken' | 'none'> {
    if (photoUrl === null) return 'none';
    const until = new Date(calledAt.getTime() + this.deps.graceMs);
    return readServing(sql, { publicUrl: photoUrl, from: calledAt, until });
  }

  private async wait({ kind }: JobSteps, { id, lease }: JobRow, ms: number): Promise<void> {
    await this.deps.store.move(kind, [
      { id, from: ['UNCERTAIN'], lease: lease!, set: {}, dueInMs: ms, appendsEvent: false },
    ]);
  }
}
