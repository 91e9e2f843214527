import type { DataSubject } from '../core/data-subject';
import type { DueQuery } from '../core/due';
import { inBatches } from '../core/iterators';
import type { Sql, Transactions } from '../core/sql';
import type { JobKind } from './job.kind';
import { settleLocked } from './ledger-settlement.repository';
import { settleReservations } from './quota-settlement.repository';
import { anonymous } from './submission.repository';

/** How long to wait for the outcome of a call in flight after its job was deleted. */
const inFlight = "interval '1 hour'";

/**
 * Anonymizes the paid calls of jobs that are about to be deleted, and releases the quota reservations of unpaid
 * ones. A call in flight is detached by {@link detachAnswered}. Call it in the transaction that deletes the jobs,
 * BEFORE the rows are deleted.
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

/**
 * The paid calls for a person: of models, then of generations, by the job's UUID, without the upstream's answers. Each batch
 * continues both indexes at the end of the previous one.
 */
export async function* attemptsOf(
  sql: Sql,
  kinds: readonly JobKind[],
  { owner, until }: DataSubject,
): AsyncGenerator<object> {
  for (const { table, noun } of kinds) {
    yield* inBatches<{ job: string; attempt: number }>((last, limit) =>
      sql.rows(
        `SELECT s.${noun}_id AS job, '${noun}' AS kind, s.attempt, s.outcome, s.called_at AS "calledAt",
                s.answered_at AS "answeredAt", s.photos_fetched_at AS "photosFetchedAt"
           FROM ${table} j JOIN submissions s ON s.${noun}_id = j.id
          WHERE j.owner = $1 AND s.called_at <= $2
            AND ($3::uuid IS NULL OR (j.id >= $3 AND (s.${noun}_id, s.attempt) > ($3, $4::integer)))
          ORDER BY s.${noun}_id, s.attempt LIMIT $5`,
        [owner, until, last?.job ?? null, last?.attempt ?? null, limit],
      ),
    );
  }
}

/**
 * Deletes stored answers without a certain outcome, which may quote the request and the addresses of photos. The
 * outcome and the HTTP status stay.
 * @returns the number of changed rows, at most 1,000 per call
 */
export async function forgetEvidence(sql: Sql, olderThanMs: number): Promise<number> {
  const forgotten = await sql.rows(
    `UPDATE submissions SET evidence = NULL WHERE id IN
       (SELECT id FROM submissions
         WHERE evidence IS NOT NULL AND called_at < now() - $1 * interval '1 ms' ORDER BY called_at LIMIT 1000)
     RETURNING id`,
    [olderThanMs],
  );
  return forgotten.length;
}

/**
 * When a call is due for {@link closeUnanswered} or {@link detachUnanswered}.
 * @param olderThanMs - as for {@link closeUnanswered}
 */
export function unansweredDue(olderThanMs: number): DueQuery {
  return {
    sql: (first) => `least(
      (SELECT called_at + $${first}::float8 * interval '1 ms' FROM submissions
        WHERE outcome = 'CALLING' AND job_deleted_at IS NULL ORDER BY called_at LIMIT 1),
      (SELECT job_deleted_at + ${inFlight} FROM submissions
        WHERE job_deleted_at IS NOT NULL ORDER BY job_deleted_at LIMIT 1))`,
    parameters: [olderThanMs],
  };
}

/**
 * Detaches the unanswered calls of deleted jobs whose process ended. Their outcome is recorded as UNKNOWN.
 * @returns the number of changed rows, at most 1,000 per call
 */
export function detachUnanswered(database: Transactions, kinds: readonly JobKind[]): Promise<number> {
  return database.transaction(async (sql) => {
    const unanswered = await sql.rows<ClosedCall>(
      `UPDATE submissions SET outcome = 'UNKNOWN' WHERE id IN
         (SELECT id FROM submissions WHERE job_deleted_at < now() - ${inFlight} ORDER BY job_deleted_at LIMIT 1000)
       RETURNING id, model_id AS model, generation_id AS generation`,
    );
    await settleClosed(sql, kinds, unanswered);
    const ids = unanswered.map(({ id }) => id);
    if (ids.length > 0) await sql.rows(`UPDATE submissions SET ${anonymous} WHERE id = ANY($1)`, [ids]);
    return ids.length;
  });
}

/**
 * Records the outcome UNKNOWN for calls that were not answered because their process ended, and that no move closed
 * because the job was cancelled. A later answer still counts.
 * @param olderThanMs - longer than a call and its grace period take
 * @returns the number of changed rows, at most 1,000 per call
 */
export function closeUnanswered(
  database: Transactions,
  kinds: readonly JobKind[],
  olderThanMs: number,
): Promise<number> {
  const unanswered = database.engine.claims({
    table: 'submissions',
    where: `outcome = 'CALLING' AND job_deleted_at IS NULL AND called_at < now() - $1 * interval '1 ms'`,
    orderBy: 'called_at',
    limit: 1_000,
  });
  return database.transaction(async (sql) => {
    const closed = await sql.rows<ClosedCall>(
      `UPDATE submissions SET outcome = 'UNKNOWN', answered_at = now() WHERE ${unanswered}
       RETURNING id, model_id AS model, generation_id AS generation`,
      [olderThanMs],
    );
    await settleClosed(sql, kinds, closed);
    return closed.length;
  });
}

/** A call that was closed without an answer, with the UUID of its job. */
interface ClosedCall {
  readonly id: string;
  readonly model: string | null;
  readonly generation: string | null;
}

/** Ends reservations of money, in the transaction that closes the calls. */
async function settleClosed(
  sql: Sql,
  kinds: readonly JobKind[],
  calls: readonly ClosedCall[],
): Promise<void> {
  for (const kind of kinds) {
    const ids = calls.flatMap((call) => call[kind.noun] ?? []);
    if (ids.length > 0) await settleLocked(sql, kind, ids);
  }
}

/**
 * Deletes paid calls of deleted jobs older than the given age.
 * @returns the number of deleted rows, at most 1,000 per call
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

/** The paid calls of one UTC day for one account. */
export interface LedgerDay {
  day: string;
  provider: string;
  account: string;
  /** Accepted by the upstream. */
  trainings: number;
  avatars: number;
  /** Neither known to be accepted nor to be refused. */
  uncertainTrainings: number;
  uncertainAvatars: number;
  /** Calls that were certainly not executed. */
  notExecuted: number;
  /** The last reported remaining credits of that day; null: none reported. */
  creditsAvailable: number | null;
}

/** What was spent per day, latest first, including calls of deleted jobs. */
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
