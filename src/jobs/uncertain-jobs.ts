import { LRUCache } from 'lru-cache';
import type { Sql } from '../core/sql';
import { readAvailability } from '../photos/photo-availability.service';
import type { ProviderFacts } from '../upstream/provider';
import { failure } from './failure';
import type { JobContext } from './job-context';
import { endJob } from './job-end';
import { loggedId } from './job-log';
import { failureMove } from './job-move';
import { lockJob } from './job-row.repository';
import type { JobSteps } from './job-steps';
import type { JobRow } from './job.kind';
import { closeUnfetched, readAttempt, type Attempt } from './submission.repository';

/** The default of `UNCERTAIN_GRACE`: 35 minutes if the upstream may fetch photos for 30. */
export const defaultGraceMs = ({ photoFetchMs }: ProviderFacts): number => (photoFetchMs * 7) / 6;

/** The minimum grace period for submissions of another provider, whose own grace period is unknown: an hour. */
export const minForeignGraceMs = 3_600_000;

/** Maximum automatic repetitions of a paid call, per mutation and per retry. */
const maxResends = 1;
/** How long to wait for the records of the processes that serve photos. */
const pendingMs = 1_000;

/** Settles UNCERTAIN jobs at the end of the grace period. */
export class UncertainJobs {
  /** When records were requested first for a job, in milliseconds of `performance.now()`. */
  private readonly requestedAt = new LRUCache<string, number>({ max: 10_000, ttl: 600_000 });

  constructor(
    private readonly deps: Pick<JobContext, 'database' | 'jobs' | 'logger' | 'graceMs' | 'onPendingRecords'>,
    private readonly steps: JobSteps,
  ) {}

  /** Settles a row whose grace period has ended; otherwise postpones it to the end. */
  async settle(row: JobRow): Promise<void> {
    const attempt = await readAttempt(this.deps.database, this.steps.kind, row);
    const leftMs = this.deps.graceMs - (attempt?.ageMs ?? Infinity);
    if (leftMs > 0) return this.wait(row, leftMs);
    const verdict = attempt && row.resends < maxResends ? await this.resend(row, attempt) : 'unproven';
    if (verdict === 'resent') return;
    if (verdict === 'pending') {
      this.requestRecords(row);
      return this.wait(row, pendingMs);
    }
    const hold = { from: ['UNCERTAIN'], lease: row.lease! };
    const advice = 'It may have been charged. Contact the operator, or retry, which is charged again.';
    const why = failure('SUBMISSION_UNKNOWN', advice);
    return endJob(this.deps.jobs, this.steps, row, failureMove(this.steps.kind, row, hold, why));
  }

  private requestRecords({ id }: JobRow): void {
    if (!this.requestedAt.has(id)) this.requestedAt.set(id, performance.now());
    this.deps.onPendingRecords();
  }

  /**
   * Requeues a submission if it is proven that it did not arrive: photos could be fetched during the whole grace
   * period, and none was. A concurrent fetch is either recorded here, or refused because the attempt has ended.
   */
  private async resend(row: JobRow, attempt: Attempt): Promise<'resent' | 'pending' | 'unproven'> {
    const { database, jobs, logger } = this.deps;
    const { kind } = this.steps;
    const about = { id: loggedId(kind, row), attempt: row.attempt };
    const { serving, moved } = await database.transaction(async (sql) => {
      const held = await lockJob(sql, kind, row.id);
      const serving = await this.readAvailability(sql, row, attempt);
      const mayResend = held?.lease === row.lease && serving === 'unbroken';
      if (!mayResend || !(await closeUnfetched(sql, kind, row))) return { serving, moved: [] };
      const set = { status: 'QUEUED', resends: row.resends + 1 };
      const move = {
        id: row.id,
        from: ['UNCERTAIN'],
        lease: row.lease!,
        set,
        dueInMs: 0,
        appendsEvent: true,
      };
      return { serving, moved: await jobs.moveWithin(sql, kind, [move]) };
    });
    if (serving === 'pending') return 'pending';
    if (serving === 'broken')
      logger.warn(
        about,
        'photos were not served during the whole grace period; so a missing fetch does not prove anything',
      );
    if (moved.length === 0) return 'unproven';
    logger.warn(about, 'no photo was fetched: the submission did not arrive and is repeated');
    jobs.wake(kind, moved, true);
    return 'resent';
  }

  private async readAvailability(
    sql: Sql,
    { id }: JobRow,
    { photoUrl, calledAt }: Attempt,
  ): Promise<'unbroken' | 'pending' | 'broken' | 'none'> {
    if (photoUrl === null) return 'none';
    const until = new Date(calledAt.getTime() + this.deps.graceMs);
    const requestedAt = this.requestedAt.get(id);
    const requestedForMs = requestedAt === undefined ? 0 : performance.now() - requestedAt;
    return readAvailability(sql, { publicUrl: photoUrl, from: calledAt, until, requestedForMs });
  }

  private async wait({ id, lease }: JobRow, ms: number): Promise<void> {
    await this.deps.jobs.move(this.steps.kind, [
      { id, from: ['UNCERTAIN'], lease: lease!, set: {}, dueInMs: ms, appendsEvent: false },
    ]);
  }
}
