import type { Sql } from '../core/sql';
import type { JobKind } from './job';
import { settleReservations } from './quota-returns';

/** What remains of a paid call once its job is deleted: amounts, times, outcome. Nothing leads to the job or its owner. */
const anonymous = `model_id = NULL, generation_id = NULL, provider_ref = NULL, correlation_id = NULL, evidence = NULL,
                   job_deleted_at = NULL`;

/** How long the outcome of a call in flight is waited for after its job was deleted. */
const inFlight = "interval '1 hour'";

/**
 * Keeps the paid calls of jobs that are about to be deleted, without what leads to a person, and returns to the owners'
 * quotas what was not paid. A call that is in flight is detached by {@link detachAnswered}. In the transaction that
 * deletes the jobs, BEFORE their rows are deleted.
 */
export async function detachSubmissions(sql: Sql, kind: JobKind, jobIds: readonly string[]): Promise<void> {
  await settleReservations(sql, kind, jobIds, { isDeleted: true });
  await sql.rows(
    `UPDATE submissions SET job_deleted_at = now() WHERE ${kind.noun}_id = ANY($1) AND outcome = 'CALLING'`,
    [jobIds],
  );
  await sql.rows(
    `UPDATE submissions SET ${anonymous} WHERE ${kind.noun}_id = ANY($1) AND outcome <> 'CALLING'`,
    [jobIds],
  );
}

/** A call has been answered: settles the quota that it counts for, and detaches it if its job was deleted meanwhile. */
export async function detachAnswered(
  sql: Sql,
  kind: JobKind,
  { id, attempt }: { id: string; attempt: number },
): Promise<void> {
  await settleReservations(sql, kind, [id], { attempt });
  await sql.rows(
    `UPDATE submissions SET ${anonymous} WHERE ${kind.noun}_id = $1 AND attempt = $2 AND job_deleted_at IS NOT NULL`,
    [id, attempt],
  );
}

/**
 * Detaches the calls of deleted jobs that were never answered, since their process ended: their outcome stays unknown.
 * @returns how many, at most 1,000 a call
 */
export async function detachUnanswered(sql: Sql): Promise<number> {
  const detached = await sql.rows(
    `UPDATE submissions SET outcome = 'UNKNOWN', ${anonymous} WHERE id IN
       (SELECT id FROM submissions WHERE job_deleted_at < now() - ${inFlight} ORDER BY job_deleted_at LIMIT 1000)
     RETURNING id`,
  );
  return detached.length;
}

/**
 * Writes that the outcome of calls is unknown that were never answered, since their process ended, and that no move of
 * their job closed, since it was cancelled meanwhile. An answer that comes later still counts.
 * @param olderThanMs - longer than a call and its grace period take
 * @returns how many, at most 1,000 a call
 */
export async function closeUnanswered(sql: Sql, olderThanMs: number): Promise<number> {
  const closed = await sql.rows(
    `UPDATE submissions SET outcome = 'UNKNOWN' WHERE id IN
       (SELECT id FROM submissions
         WHERE outcome = 'CALLING' AND job_deleted_at IS NULL AND called_at < now() - $1 * interval '1 ms'
         ORDER BY called_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
     RETURNING id`,
    [olderThanMs],
  );
  return closed.length;
}

/**
 * Deletes paid calls of deleted jobs that are older than that. Those of jobs that exist stay.
 * @returns how many, at most 1,000 a call
 */
export async function pruneLedger(sql: Sql, olderThanMs: number): Promise<number> {
  const gone = await sql.rows(
    `DELETE FROM submissions WHERE id IN
       (SELECT id FROM submissions WHERE model_id IS NULL AND generation_id IS NULL
           AND called_at < now() - $1 * interval '1 ms' ORDER BY called_at LIMIT 1000)
     RETURNING id`,
    [olderThanMs],
  );
  return gone.length;
}

/** The paid calls of one UTC day to one account. */
export interface LedgerDay {
  day: string;
  provider: string;
  account: string;
  /** Taken by the upstream. */
  trainings: number;
  avatars: number;
  /** Not known to be taken, or to be refused. */
  uncertainTrainings: number;
  uncertainAvatars: number;
  /** Calls that were surely not executed. */
  notExecuted: number;
  /** What the upstream named last as left on that day; null: nothing. */
  creditsAvailable: number | null;
}

/** What was spent, the latest day first, with the calls of jobs that are deleted. */
export async function readLedger(sql: Sql, days: number): Promise<LedgerDay[]> {
  const taken = `outcome = 'ACCEPTED'`;
  const uncertain = `outcome IN ('CALLING', 'UNKNOWN')`;
  return sql.rows<LedgerDay>(
    `SELECT to_char(called_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, provider, account,
            coalesce(sum(trainings) FILTER (WHERE ${taken}), 0)::int AS trainings,
            coalesce(sum(avatars) FILTER (WHERE ${taken}), 0)::int AS avatars,
            coalesce(sum(trainings) FILTER (WHERE ${uncertain}), 0)::int AS "uncertainTrainings",
            coalesce(sum(avatars) FILTER (WHERE ${uncertain}), 0)::int AS "uncertainAvatars",
            (count(*) FILTER (WHERE outcome IN ('REFUSED', 'NOT_EXECUTED')))::int AS "notExecuted",
            (array_agg(credits_available ORDER BY answered_at DESC) FILTER (WHERE credits_available IS NOT NULL))[1] AS "creditsAvailable"
       FROM submissions WHERE called_at >= date_trunc('day', now(), 'UTC') - ($1 - 1) * interval '1 day'
      GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3`,
    [days],
  );
}
