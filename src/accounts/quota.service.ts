import { timeText } from '../core/clock';
import { DomainError } from '../core/errors';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import type { WorkSize } from './prices';
import { insertReservation, lockQuotas, reservedToday } from './quota.repository';
import type { Spending, SpendingUsage } from './spending.service';

/** Quotas per owner; null: unlimited. */
export interface QuotaLimits {
  readonly trainingsPerDay: number | null;
  readonly avatarsPerDay: number | null;
  /** Unfinished trainings and generations: those that wait and those that run. */
  readonly running: number | null;
}

/** An owner's usage. Days are UTC days. */
export interface QuotaUsage extends SpendingUsage {
  readonly trainingsToday: number;
  readonly avatarsToday: number;
  readonly running: number;
  /** When the daily counts are reset. */
  readonly resetsAt: Date;
}

/** An owner's usage without money. */
type QuotaCounts = Omit<QuotaUsage, keyof SpendingUsage>;

/** The quota and the money that a paid request uses. */
export interface Reservation {
  readonly jobKind: 'model' | 'generation';
  /** The model's or generation's UUID. */
  readonly jobId: string;
  /** What its price depends on. */
  readonly size: WorkSize;
  readonly trainings?: number;
  readonly avatars?: number;
  /**
   * For a retry of a job: its last attempt.
   * @defaultValue 0
   */
  readonly afterAttempt?: number;
}

/**
 * Quotas per owner.
 *
 * Every paid request is recorded, even without quotas, so that a new quota applies immediately. Quotas count what was
 * or may have been paid: a reservation is released when its job has ended (FAILED, PARTIAL, CANCELLED, deleted) and none
 * of its calls can have been executed. A generation that was paid counts in full, also if it is PARTIAL. A repetition
 * with the same idempotency key uses no quota; a retry of a job does. The limit of unfinished jobs refuses instead of
 * letting jobs wait: otherwise a claim would count the running jobs of each owner, across processes, and skip due rows.
 */
export class QuotaService {
  constructor(
    private readonly sql: Sql,
    readonly limits: QuotaLimits,
    readonly spending: Spending,
    /** Counts the owner's unfinished jobs except the given one. Injected because accounts must not depend on jobs. */
    private readonly countRunning: (sql: Sql, owner: string, exceptJobId: string | null) => Promise<number>,
  ) {}

  /**
   * Reserves quota in the transaction that creates the job. Holds a lock per owner until the commit, so that concurrent
   * requests cannot exceed a quota. Call it after all statements that lock rows or append events, to prevent deadlocks.
   * @throws DomainError QUOTA_EXCEEDED; the transaction must not commit then
   */
  async reserve(sql: Sql, viewer: Viewer, reservation: Reservation): Promise<void> {
    const { owner } = viewer;
    const { trainings = 0, avatars = 0, afterAttempt = 0, jobKind, jobId, size } = reservation;
    const { spending, isLimited } = this;
    if (isLimited || spending.isLimited) await lockQuotas(sql, owner);
    if (isLimited) this.check(await this.countsWithin(sql, owner, jobId), { trainings, avatars });
    const cost = spending.costOf(size);
    if (cost !== null)
      await spending.reserve(sql, owner, { jobKind, jobId, attempt: afterAttempt + 1, cost });
    await insertReservation(sql, owner, { jobId, afterAttempt, trainings, avatars });
  }

  /** The viewer's usage. */
  async usage({ owner }: Viewer): Promise<QuotaUsage> {
    const counts = await this.countsWithin(this.sql, owner, null);
    return { ...counts, ...(await this.spending.usage(this.sql, owner)) };
  }

  private get isLimited(): boolean {
    return Object.values(this.limits).some((limit) => limit !== null);
  }

  private async countsWithin(sql: Sql, owner: string, exceptJobId: string | null): Promise<QuotaCounts> {
    const day = await reservedToday(sql, owner);
    return {
      trainingsToday: day.trainings,
      avatarsToday: day.avatars,
      running: await this.countRunning(sql, owner, exceptJobId),
      resetsAt: day.resetsAt,
    };
  }

  private check(usage: QuotaCounts, requested: { trainings: number; avatars: number }): void {
    const { limits } = this;
    const { trainings, avatars } = requested;
    const counts: Count[] = [
      {
        quota: 'TRAININGS_PER_DAY',
        limit: limits.trainingsPerDay,
        used: usage.trainingsToday,
        requested: trainings,
      },
      { quota: 'AVATARS_PER_DAY', limit: limits.avatarsPerDay, used: usage.avatarsToday, requested: avatars },
      { quota: 'RUNNING', limit: limits.running, used: usage.running, requested: 1 },
    ];
    const exhausted = counts.find(
      ({ limit, used, requested: more }) => limit !== null && more > 0 && used + more > limit,
    );
    if (exhausted) throw exceeded(exhausted, usage.resetsAt);
  }
}

/** One quota with its usage. */
interface Count {
  readonly quota: 'TRAININGS_PER_DAY' | 'AVATARS_PER_DAY' | 'RUNNING';
  readonly limit: number | null;
  readonly used: number;
  readonly requested: number;
}

const messages: Record<Count['quota'], (count: Count, at: string) => string> = {
  TRAININGS_PER_DAY: ({ used, limit }, at) =>
    `Daily quota of ${limit} trainings exceeded: ${used} used. Retry after ${at}. Trainings that the avatar service did not accept do not count.`,
  AVATARS_PER_DAY: ({ used, limit, requested }, at) =>
    `Daily quota of ${limit} avatars exceeded: ${used} used, ${requested} requested. ` +
    `Request fewer, or retry after ${at}. Generations that the avatar service did not accept do not count.`,
  RUNNING: ({ used, limit }) =>
    `Limit of ${limit} unfinished trainings and generations reached: ${used} wait or run. Repeat the request when one has ended, or cancel one.`,
};

function exceeded(count: Count, resetsAt: Date): DomainError {
  const { quota, limit, used, requested } = count;
  const isDaily = quota !== 'RUNNING';
  const waitMs = resetsAt.getTime() - Date.now();
  return new DomainError('QUOTA_EXCEEDED', messages[quota](count, timeText(resetsAt)), {
    details: {
      quota,
      limit,
      used,
      asked: requested,
      resetsAt: isDaily ? resetsAt.toISOString() : null,
      ...(isDaily && { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)) }),
    },
  });
}
