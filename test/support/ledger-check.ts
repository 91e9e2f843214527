import type { SpendingOptions } from '../../src/accounts/spending.service';
import type { Sql } from '../../src/core/sql';

/** Prices of 3 for a training and 1 for each of its photos, and of 2 for each avatar. */
export const testPrices: SpendingOptions = {
  prices: {
    training: { base: 3_000_000n, perUnit: 1_000_000n },
    generation: { base: 0n, perUnit: 2_000_000n },
    instant: { base: 0n, perUnit: 2_000_000n },
  },
  currency: 'EUR',
  limits: { perDay: null, perMonth: null },
};

/** A reservation of money, with what is known of its job and calls. */
interface CheckedReservation {
  id: string;
  job: string | null;
  attempt: number;
  isOpen: boolean;
  /** The kinds of its ends of the same amount, currency and owner. */
  ends: string[];
  allEnds: number;
  /** The status of its job; null if it was deleted. */
  status: string | null;
  /** The outcomes of the calls that it covers. */
  outcomes: string[];
}

const unfinished = new Set(['QUEUED', 'SUBMITTING', 'UNCERTAIN', 'TRAINING', 'GENERATING', 'STORING']);

/** The entries of the ledger, as `<attempt> <kind>`. */
export async function ledgerLines(sql: Pick<Sql, 'rows'>): Promise<string[]> {
  const rows = await sql.rows<{ text: string }>(
    `SELECT attempt || ' ' || kind AS text FROM ledger_entries ORDER BY attempt, reservation_id, kind = 'RESERVED' DESC, id`,
  );
  return rows.map(({ text }) => text);
}

/** The violations of the ledger's invariants, which hold at every moment: each reservation that is over has one end. */
export async function brokenLedgerEntries(sql: Pick<Sql, 'rows'>): Promise<string[]> {
  const reservations = await sql.rows<CheckedReservation>(
    `WITH spans AS (
       SELECT *, lead(attempt) OVER (PARTITION BY job_id ORDER BY attempt, created_at, id) AS next_attempt FROM ledger_entries WHERE kind = 'RESERVED')
     SELECT r.id, r.job_id AS job, r.attempt, r.due_at IS NOT NULL AS "isOpen",
            ARRAY(SELECT e.kind FROM ledger_entries e WHERE e.reservation_id = r.id AND e.kind <> 'RESERVED'
                     AND (e.amount, e.currency, e.owner, e.attempt) = (r.amount, r.currency, r.owner, r.attempt)) AS ends,
            (SELECT count(*)::int FROM ledger_entries e WHERE e.reservation_id = r.id AND e.id <> r.id) AS "allEnds",
            coalesce((SELECT status FROM models WHERE id = r.job_id), (SELECT status FROM generations WHERE id = r.job_id)) AS status,
            ARRAY(SELECT s.outcome FROM submissions s WHERE coalesce(s.model_id, s.generation_id) = r.job_id
                     AND s.attempt >= r.attempt AND (r.next_attempt IS NULL OR s.attempt < r.next_attempt)) AS outcomes
       FROM spans r`,
  );
  return reservations.flatMap((reservation) =>
    problemsOf(reservation).map(
      (problem) => `attempt ${reservation.attempt} of ${reservation.job} ${problem}`,
    ),
  );
}

function problemsOf(reservation: CheckedReservation): string[] {
  const { isOpen, ends, allEnds, outcomes } = reservation;
  const isCharged = outcomes.includes('ACCEPTED');
  const isReleased = ends.includes('RELEASED');
  const wasNotExecuted = outcomes.length > 0 && outcomes.every(isNotExecuted);
  const rules: [boolean, string][] = [
    [ends.length !== allEnds, 'has an end that differs from it'],
    [allEnds !== (isOpen ? 0 : 1), `is ${isOpen ? 'open' : 'over'} with ${allEnds} ends`],
    [isOpen && !mayBeOpen(reservation), `is reserved although it is over (${outcomes.join()})`],
    [isCharged && (isOpen || isReleased), `is ${ends.join()} although it was charged`],
    [wasNotExecuted && ends.includes('SPENT'), 'is spent although it was not executed'],
  ];
  return rules.filter(([isBroken]) => isBroken).map(([, problem]) => problem);
}

function mayBeOpen({ status, outcomes }: CheckedReservation): boolean {
  return (status !== null && unfinished.has(status)) || outcomes.includes('CALLING');
}

const isNotExecuted = (outcome: string): boolean => outcome === 'REFUSED' || outcome === 'NOT_EXECUTED';
