import { erasedOwner, type DataSubject } from '../core/data-subject';
import { firstIdAt, newId } from '../core/ids';
import { isCreatedIn, type CreatedRange } from '../core/list-conditions';
import type { ListTable } from '../core/list-statements';
import type { Sql } from '../core/sql';
import { LedgerEntryEntity } from './ledger-entry.entity';

/** The lists of ledger entries. */
export const ledgerTable: ListTable<LedgerEntryEntity, CreatedRange> = {
  entity: LedgerEntryEntity,
  table: 'ledger_entries',
  indexed: {},
  conditionsOf: (created) => isCreatedIn(created, 'created'),
};

/** How long after its request a reservation is first checked for its end by a periodic task, in SQL. */
const firstCheck = `interval '10 minutes'`;

/** SQL that selects an owner's entry by its id, or several by `ANY`. */
export function selectLedgerEntry(id: string, owner: string): string {
  return `SELECT * FROM ledger_entries WHERE id = ${id} AND owner = ${owner}`;
}

/** The owner's entries with the given ids, in the order of the ids; null for those that do not exist. */
export async function findLedgerEntries(
  sql: Sql,
  owner: string,
  ids: readonly string[],
): Promise<(LedgerEntryEntity | null)[]> {
  const rows = await sql.entities(LedgerEntryEntity, selectLedgerEntry('ANY($1)', '$2'), [ids, owner]);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id) ?? null);
}

/** Money that is reserved for an attempt of a job. */
export interface MoneyReservation {
  readonly jobKind: LedgerEntryEntity['jobKind'];
  readonly jobId: string;
  readonly attempt: number;
  readonly amount: bigint;
  readonly currency: string;
}

/** Reserves money, which is more than 0. */
export async function insertReserved(
  sql: Sql,
  owner: string,
  { jobKind, jobId, attempt, amount, currency }: MoneyReservation,
): Promise<void> {
  await sql.rows(
    `INSERT INTO ledger_entries (id, reservation_id, owner, job_kind, job_id, attempt, kind, amount, currency, due_at)
     VALUES ($1, $1, $2, $3, $4, $5, 'RESERVED', $6, $7, now() + ${firstCheck})`,
    [newId(), owner, jobKind, jobId, attempt, String(amount), currency],
  );
}

/** What an owner has reserved and spent, in millionths of the currency as text, and when the UTC periods end. */
export interface SpentPeriods {
  readonly reserved: string;
  readonly today: string;
  readonly month: string;
  readonly dayEndsAt: Date;
  readonly monthEndsAt: Date;
}

/** SQL that selects the {@link SpentPeriods} of an owner. All parameters are SQL. */
function selectSpent(owner: string, currency: string): string {
  return `SELECT (SELECT coalesce(sum(amount), 0) FROM ledger_entries
             WHERE owner = ${owner} AND due_at IS NOT NULL AND currency = ${currency})::text AS reserved,
          coalesce(sum(spent.amount) FILTER (WHERE spent.at >= period.day), 0)::text AS today,
          coalesce(sum(spent.amount), 0)::text AS month,
          period.day + interval '1 day' AS "dayEndsAt",
          (period.month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC' AS "monthEndsAt"
     FROM (SELECT date_trunc('day', now(), 'UTC') AS day, date_trunc('month', now(), 'UTC') AS month) AS period
     LEFT JOIN LATERAL (
       SELECT amount, created_at AS at FROM ledger_entries
        WHERE owner = ${owner} AND kind = 'SPENT' AND created_at >= period.month AND currency = ${currency}
       UNION ALL
       SELECT amount, day::timestamp AT TIME ZONE 'UTC' FROM erased_spending
        WHERE owner = ${owner} AND currency = ${currency} AND day >= (period.month AT TIME ZONE 'UTC')::date) AS spent ON true
    GROUP BY period.day, period.month`;
}

/** Returns what an owner has reserved and spent. */
export async function readSpent(sql: Sql, owner: string, currency: string): Promise<SpentPeriods> {
  const [spent] = await sql.rows<SpentPeriods>(selectSpent('$1', '$2'), [owner, currency]);
  return spent!;
}

/** SQL: the {@link SpentPeriods} of an owner as a JSON object. All parameters are SQL. */
export function spentJson(owner: string, currency: string): string {
  return `(SELECT row_to_json(spent) FROM (${selectSpent(owner, currency)}) AS spent)`;
}

/**
 * Takes owner and job from the entries of a person whose jobs have been deleted; amounts and times remain. A reservation
 * whose call has no answer yet keeps its job until it has ended. Call it in a transaction.
 * @param keepsSpending - whether what was spent this month, or may still be, counts further
 * @returns the number of entries
 */
export async function eraseLedgerEntries(
  sql: Sql,
  { owner, until }: DataSubject,
  keepsSpending: boolean,
  limit: number,
): Promise<number> {
  // Locked before the ends are read, so that an end that is written meanwhile is either seen or finds the owner erased.
  const reservations = await sql.rows<{ id: string }>(
    `SELECT id FROM ledger_entries WHERE owner = $1 AND kind = 'RESERVED' AND created_at <= $2
      ORDER BY id LIMIT $3 FOR UPDATE`,
    [owner, until, limit],
  );
  const [result] = await sql.rows<{ count: number }>(
    `WITH gone AS (
       UPDATE ledger_entries e SET owner = '${erasedOwner}', job_id = CASE WHEN e.due_at IS NOT NULL THEN e.job_id END
        WHERE e.id = ANY($2) OR (e.kind <> 'RESERVED' AND e.reservation_id = ANY($2))
       RETURNING e.created_at, e.currency, e.amount, e.kind = 'SPENT' AS is_spent, e.due_at IS NOT NULL AS is_open),
     kept AS (
       INSERT INTO erased_spending AS s (owner, day, currency, amount)
       SELECT $1, (at AT TIME ZONE 'UTC')::date AS day, currency, sum(amount)
         FROM (SELECT *, CASE WHEN is_open THEN now() ELSE created_at END AS at FROM gone WHERE is_spent OR is_open) AS counted
        WHERE $3 AND at >= date_trunc('month', now(), 'UTC') GROUP BY day, currency
       ON CONFLICT (owner, day, currency) DO UPDATE SET amount = s.amount + excluded.amount)
     SELECT count(*)::int AS count FROM gone`,
    [owner, reservations.map(({ id }) => id), keepsSpending],
  );
  return result!.count;
}

/** Longer than a month, whose spending limits count entries, in milliseconds. */
const minRetentionMs = 32 * 86_400_000;

/**
 * Deletes entries of reservations that are older than the given age, at least a month, and that ended a month ago.
 * @returns the number of deleted rows, at most 2,000 per call
 */
export async function pruneLedgerEntries(sql: Sql, olderThanMs: number): Promise<number> {
  const before = firstIdAt(Date.now() - Math.max(olderThanMs, minRetentionMs));
  const [gone] = await sql.rows<{ count: number }>(
    `WITH old AS MATERIALIZED (
       SELECT id FROM ledger_entries AS r WHERE id < $1 AND kind = 'RESERVED' AND due_at IS NULL
          AND NOT EXISTS (SELECT FROM ledger_entries AS e
                           WHERE e.reservation_id = r.id AND e.kind <> 'RESERVED' AND e.created_at >= now() - $2 * interval '1 ms')
        ORDER BY id LIMIT 1000),
     ends AS (
       DELETE FROM ledger_entries WHERE kind <> 'RESERVED' AND reservation_id = ANY (ARRAY(SELECT id FROM old)) RETURNING 1),
     reservations AS (DELETE FROM ledger_entries WHERE id = ANY (ARRAY(SELECT id FROM old)) RETURNING 1)
     SELECT ((SELECT count(*) FROM ends) + (SELECT count(*) FROM reservations))::int AS count`,
    [before, minRetentionMs],
  );
  return gone!.count;
}

/**
 * Deletes what erased owners had spent in earlier months.
 * @returns the number of deleted rows
 */
export async function pruneErasedSpending(sql: Sql): Promise<number> {
  const gone = await sql.rows(
    `DELETE FROM erased_spending WHERE day < date_trunc('month', now() AT TIME ZONE 'UTC')::date RETURNING 1`,
  );
  return gone.length;
}
