import type { Sql } from '../core/sql';

/** What is reserved now, and was spent and released, in millionths of the currency as text. */
export interface MoneyTotals {
  readonly currency: string;
  readonly reserved: string;
  readonly spent: string;
  readonly released: string;
}

/** {@link MoneyTotals} of an owner. */
export interface OwnerMoney extends MoneyTotals {
  readonly owner: string;
}

/** Which entries of the ledger. */
interface MoneySelection {
  readonly owner: string | null;
  /** The number of UTC days, including today, of what was spent and released. */
  readonly days: number;
}

const sums = `
  coalesce(sum(amount) FILTER (WHERE due_at IS NOT NULL), 0)::text AS reserved,
  coalesce(sum(amount) FILTER (WHERE kind = 'SPENT'), 0)::text AS spent,
  coalesce(sum(amount) FILTER (WHERE kind = 'RELEASED'), 0)::text AS released`;

const selected = `
  FROM ledger_entries
 WHERE ($1::text IS NULL OR owner = $1)
   AND (due_at IS NOT NULL OR (kind <> 'RESERVED' AND created_at >= date_trunc('day', now(), 'UTC') - ($2 - 1) * interval '1 day'))`;

/** The totals of all selected owners, by currency. */
export function readMoneyTotals(sql: Sql, { owner, days }: MoneySelection): Promise<MoneyTotals[]> {
  return sql.rows(`SELECT currency, ${sums} ${selected} GROUP BY currency ORDER BY currency`, [owner, days]);
}

/** The totals by owner, those who have spent most first. */
export function readMoneyByOwner(
  sql: Sql,
  { owner, days }: MoneySelection,
  limit: number,
): Promise<OwnerMoney[]> {
  return sql.rows(
    `SELECT owner, currency, ${sums} ${selected} GROUP BY owner, currency
      ORDER BY sum(amount) FILTER (WHERE kind = 'SPENT') DESC NULLS LAST, owner, currency LIMIT $3`,
    [owner, days, limit],
  );
}
