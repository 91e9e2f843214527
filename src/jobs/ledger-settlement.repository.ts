import { erasedOwner } from '../core/data-subject';
import { dueAt } from '../core/due';
import { textList, type Sql, type Transactions } from '../core/sql';
import type { JobKind } from './job.kind';

/** SQL: a UUID version 7 of the present time. */
const idNow = `(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
   || '7' || right(replace(gen_random_uuid()::text, '-', ''), 19))::uuid`;

/** SQL: the job of an entry that is written; none once its owner's data have been erased, possibly a moment ago. */
const jobOf = (entry: string): string =>
  `CASE WHEN ${entry}.owner <> '${erasedOwner}' THEN ${entry}.job_id END`;

/**
 * Ends reservations of money by an entry SPENT or RELEASED, once each. A reservation covers the attempts from its own to
 * the next reservation of the job. It is SPENT when the avatar service has accepted one of them. Otherwise it ends when
 * the job has ended, was retried under another reservation, or continues with an earlier attempt, and no call is without
 * an answer: RELEASED if each call was certainly not executed, SPENT if one may have been charged. If it turns out later
 * that a call was accepted, or that none was executed, the end is replaced. Idempotent.
 *
 * A reservation of a job that no longer exists, without a paid call of it, is SPENT: an earlier version of the program
 * has deleted the job, and whether it was charged is not known.
 * @param only - `isDeleted`: the jobs are about to be deleted
 */
export async function settleLedger(
  sql: Sql,
  { noun, table, unfinished }: Pick<JobKind, 'noun' | 'table' | 'unfinished'>,
  jobIds: readonly string[],
  only: { isDeleted?: boolean } = {},
): Promise<void> {
  // A later attempt without a reservation of its own had no price.
  const hasCall = (outcomes: string): string => `EXISTS (SELECT FROM submissions s
      WHERE s.${noun}_id = r.job_id AND s.attempt >= r.attempt AND (r.next_attempt IS NULL OR s.attempt < r.next_attempt)
        AND s.called_at <= coalesce(e.created_at, s.called_at) AND ${outcomes})`;
  const isOver = `$2 OR r.next_attempt IS NOT NULL OR j.id IS NULL OR j.status NOT IN (${textList(unfinished)})
             OR (j.status <> 'QUEUED' AND j.attempt < r.attempt)`;
  await sql.rows(
    `WITH spans AS (
       SELECT *, lead(attempt) OVER (PARTITION BY job_id ORDER BY attempt, created_at, id) AS next_attempt
         FROM ledger_entries WHERE job_id = ANY($1) AND kind = 'RESERVED'),
     ended AS (
       SELECT * FROM (
         SELECT r.*, e.id AS end_id, e.kind AS end_before,
                CASE WHEN ${hasCall(`s.outcome = 'ACCEPTED'`)} THEN 'SPENT'
                     WHEN NOT (${isOver}) OR ${hasCall(`s.outcome = 'CALLING'`)} THEN e.kind
                     WHEN ${hasCall(`s.outcome = 'UNKNOWN'`)} THEN coalesce(e.kind, 'SPENT')
                     WHEN ${hasCall('true')} THEN 'RELEASED'
                     WHEN e.kind IS NULL AND j.id IS NULL AND r.next_attempt IS NULL THEN 'SPENT'
                     ELSE coalesce(e.kind, 'RELEASED') END AS end_kind
           FROM spans r LEFT JOIN ${table} j ON j.id = r.job_id
                LEFT JOIN ledger_entries e ON e.reservation_id = r.id AND e.kind <> 'RESERVED'
         ) AS r WHERE end_kind IS DISTINCT FROM end_before),
     closed AS (
       UPDATE ledger_entries e SET due_at = NULL, job_id = ${jobOf('e')}
         FROM ended WHERE e.id = ended.id AND ended.end_id IS NULL
       RETURNING e.*, ended.end_kind),
     replaced AS (
       UPDATE ledger_entries e SET kind = ended.end_kind, id = ${idNow}, created_at = clock_timestamp()
         FROM ended WHERE e.id = ended.end_id)
     INSERT INTO ledger_entries (id, reservation_id, owner, job_kind, job_id, attempt, kind, amount, currency, created_at)
     SELECT ${idNow}, id, owner, job_kind, job_id, attempt, end_kind, amount, currency, clock_timestamp() FROM closed
         ON CONFLICT (reservation_id) WHERE kind <> 'RESERVED' DO NOTHING`,
    [jobIds, only.isDeleted ?? false],
  );
}

/** When the next reservation is to be checked. */
export const ledgerDue = dueAt(
  '(SELECT due_at FROM ledger_entries WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1)',
);

const maxChecked = 500;

/**
 * Ends reservations whose end was not recorded with that of their attempt: an earlier version of the program has moved
 * the job, or a process has ended. Those that are still open are checked again when they are twice as old.
 * @returns the number of checked reservations
 */
export async function reconcileLedger(database: Transactions, kinds: readonly JobKind[]): Promise<number> {
  const due = await database.rows<{ jobId: string; jobKind: JobKind['noun'] }>(
    `UPDATE ledger_entries SET due_at = now() + greatest(interval '10 minutes', now() - created_at)
      WHERE ${database.engine.claims({ table: 'ledger_entries', where: 'due_at <= now()', orderBy: 'due_at', limit: maxChecked })}
     RETURNING job_id AS "jobId", job_kind AS "jobKind"`,
  );
  for (const kind of kinds) {
    const ids = due.flatMap(({ jobId, jobKind }) => (jobKind === kind.noun ? [jobId] : []));
    if (ids.length > 0) await database.transaction((sql) => settleLocked(sql, kind, ids));
  }
  return due.length;
}

/** Locks jobs until the end of the transaction, so that no answer to a call is recorded meanwhile, and settles them. */
export async function settleLocked(sql: Sql, kind: JobKind, jobIds: readonly string[]): Promise<void> {
  await sql.rows(`SELECT FROM ${kind.table} WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE`, [jobIds]);
  await settleLedger(sql, kind, jobIds);
}
