import { DomainError } from '../core/errors';
import { newId } from '../core/ids';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';

/** The most that one owner may ask for; null: without limit. */
export interface QuotaLimits {
  readonly trainingsPerDay: number | null;
  readonly avatarsPerDay: number | null;
  /** Trainings and generations that are not over. */
  readonly running: number | null;
}

/** What an owner has asked for. Days are those of UTC. */
export interface QuotaUsage {
  readonly trainingsToday: number;
  readonly avatarsToday: number;
  readonly running: number;
  /** When the day's counts begin anew. */
  readonly resetsAt: Date;
}

/** What a paid request takes. */
export interface Reservation {
  /** The model's or generation's UUID. */
  readonly jobId: string;
  readonly trainings?: number;
  readonly avatars?: number;
  /** When the same job is tried again: its attempt before. \@defaultValue 0 */
  readonly afterAttempt?: number;
}

/** What quotas are made of. */
export interface QuotaServiceDeps {
  sql: Sql;
  limits: QuotaLimits;
  /** How many of the owner's jobs are not over, without the given one. Jobs stand above accounts, so it is handed in. */
  countRunning: (sql: Sql, owner: string, exceptJobId: string | null) => Promise<number>;
}

const today = `(now() AT TIME ZONE 'UTC')::date`;

/**
 * Quotas per owner.
 *
 * Every paid request writes what it takes, also where nothing is limited, so that a limit holds from the moment it is
 * set. Quotas count what was paid or may have been paid: a reservation is returned when its job is over (FAILED,
 * CANCELLED, deleted) and each of its calls was surely not executed. PARTIAL counts in full.
 * A repetition by idempotency key takes nothing; a retry is a new request and takes as much again.
 */
export class QuotaService {
  constructor(private readonly deps: QuotaServiceDeps) {}

  get limits(): QuotaLimits {
    return this.deps.limits;
  }

  /**
   * Takes from the owner's quotas within the transaction that makes the job. An owner's requests pass here one after
   * the other, each until its commit, so that of many at once no more get through than may. So call it last, after all
   * that locks rows or appends events: whoever is in here waits for nobody.
   * @throws DomainError QUOTA_EXCEEDED; the transaction must not commit then
   */
  async reserve(sql: Sql, viewer: Viewer, booking: Reservation): Promise<void> {
    const { trainings = 0, avatars = 0, afterAttempt = 0, jobId } = booking;
    if (Object.values(this.limits).some((limit) => limit !== null)) {
      await sql.rows(`SELECT pg_advisory_xact_lock(hashtextextended('quota:' || $1, 0))`, [viewer.owner]);
      const usage = await this.usageWithin(sql, viewer.owner, jobId);
      this.check(usage, { trainings, avatars });
    }
    await sql.rows(
      `INSERT INTO quota_reservations (id, owner, day, job_id, after_attempt, trainings, avatars)
       VALUES ($1, $2, ${today}, $3, $4, $5, $6)`,
      [newId(), viewer.owner, jobId, afterAttempt, trainings, avatars],
    );
  }

  /** What the viewer has asked for. */
  async usage(viewer: Viewer): Promise<QuotaUsage> {
    return this.usageWithin(this.deps.sql, viewer.owner, null);
  }

  private async usageWithin(sql: Sql, owner: string, exceptJobId: string | null): Promise<QuotaUsage> {
    const [day] = await sql.rows<{ trainings: number; avatars: number; resets_at: Date }>(
      `SELECT coalesce(sum(trainings), 0)::int AS trainings, coalesce(sum(avatars), 0)::int AS avatars,
              (${today} + 1)::timestamp AT TIME ZONE 'UTC' AS resets_at
         FROM quota_reservations WHERE owner = $1 AND day = ${today} AND returned_at IS NULL`,
      [owner],
    );
    return {
      trainingsToday: day!.trainings,
      avatarsToday: day!.avatars,
      running: await this.deps.countRunning(sql, owner, exceptJobId),
      resetsAt: day!.resets_at,
    };
  }

  private check(usage: QuotaUsage, asked: { trainings: number; avatars: number }): void {
    const { limits } = this;
    const counts: Count[] = [
      {
        quota: 'TRAININGS_PER_DAY',
        limit: limits.trainingsPerDay,
        used: usage.trainingsToday,
        asked: asked.trainings,
      },
      {
        quota: 'AVATARS_PER_DAY',
        limit: limits.avatarsPerDay,
        used: usage.avatarsToday,
        asked: asked.avatars,
      },
      { quota: 'RUNNING', limit: limits.running, used: usage.running, asked: 1 },
    ];
    const past = counts.find(
      ({ limit, used, asked: more }) => limit !== null && more > 0 && used + more > limit,
    );
    if (past) throw exceeded(past, usage.resetsAt);
  }
}

/** One quota and how it stands. */
interface Count {
  readonly quota: 'TRAININGS_PER_DAY' | 'AVATARS_PER_DAY' | 'RUNNING';
  readonly limit: number | null;
  readonly used: number;
  readonly asked: number;
}

const sentences: Record<Count['quota'], (count: Count, at: string) => string> = {
  TRAININGS_PER_DAY: ({ used, limit }, at) =>
    `You have asked for ${used} of ${limit} trainings today. Train again from ${at} on; one that the avatar service did not take does not count.`,
  AVATARS_PER_DAY: ({ used, limit, asked }, at) =>
    `You have asked for ${used} of ${limit} avatars today, and ${asked} more are too many. ` +
    `Ask for fewer, or from ${at} on; those of a generation that the avatar service did not take do not count.`,
  RUNNING: ({ used, limit }) =>
    `You have ${used} of ${limit} trainings and generations running. Wait until one has ended, or cancel one.`,
};

function exceeded(count: Count, resetsAt: Date): DomainError {
  const { quota, limit, used, asked } = count;
  const isDaily = quota !== 'RUNNING';
  const at = `${resetsAt.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  const waitMs = resetsAt.getTime() - Date.now();
  return new DomainError('QUOTA_EXCEEDED', sentences[quota](count, at), {
    details: {
      quota,
      limit,
      used,
      asked,
      resetsAt: isDaily ? resetsAt.toISOString() : null,
      ...(isDaily && { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)) }),
    },
  });
}
