import type { DueQuery } from '../core/due';
import type { Sql } from '../core/sql';
import type { PauseReason } from './account.entity';

/** How a refusal of the account changed its state. */
export type PauseEffect =
  /** Submissions were not paused before. */
  | 'PAUSED'
  /** They were paused, or a trial submission was refused. */
  | 'STILL_PAUSED'
  /** The account was found to be good just before: the refusal concerns the job. */
  | 'JOB_REFUSED';

/** The result of a check of a paused account. */
export type ProbeResult =
  /** The account is still refused: the next check is due after a longer interval. */
  | 'REFUSED'
  /** The account is accepted: submissions resume, one at a time until the first is accepted. */
  | 'GOOD'
  /** The check has no definite result: one submission may be made as a trial. */
  | 'UNKNOWN';

/** Intervals between checks double up to this multiple of the first. */
const maxIntervalFactor = 20;

/*
 * The states of an account, by its columns:
 *
 * - normal: submit_paused_at and trial_at are null.
 * - paused: submit_paused_at is set and trial_at null. No submission is made; with the reason UPSTREAM_AUTH no poll
 *   either. At probe_at the account is checked.
 * - on trial: trial_at is set. One submission is made at a time, from trial_at on; one that is accepted leads to
 *   normal, one that is refused for the account to paused. submit_paused_at stays set where the check said nothing.
 */

const notPaused = 'submit_paused_at = NULL, submit_pause_reason = NULL';
const notChecked = 'trial_at = NULL, probe_at = NULL, probes = 0';
const normal = `${notPaused}, ${notChecked}`;

/**
 * Pauses submissions after a refusal that concerns the account.
 * @param isUnclear - whether the refusal may concern the job instead; the account is then checked immediately
 * @param intervalMs - the interval before the first check
 */
export async function pauseSubmissions(
  sql: Sql,
  account: string,
  refusal: { reason: Exclude<PauseReason, 'OPERATOR'>; isUnclear: boolean },
  intervalMs: number,
): Promise<PauseEffect> {
  if (refusal.isUnclear) {
    const proven = await sql.rows(
      `UPDATE upstream_accounts SET ${normal}
        WHERE account = $1 AND trial_at IS NOT NULL AND submit_paused_at IS NULL RETURNING account`,
      [account],
    );
    if (proven.length > 0) return 'JOB_REFUSED';
  }
  const [paused] = await sql.rows<{ is_new: boolean }>(
    `UPDATE upstream_accounts
        SET submit_paused_at = coalesce(submit_paused_at, clock_timestamp()), submit_pause_reason = $2, trial_at = NULL,
            probe_at = clock_timestamp() + CASE WHEN $4 AND probes = 0 THEN interval '0' ELSE ${intervalSql('$3')} END
      WHERE account = $1 AND (submit_paused_at IS NULL OR trial_at IS NOT NULL)
     RETURNING probes = 0 AS is_new`,
    [account, refusal.reason, intervalMs, refusal.isUnclear],
  );
  return paused?.is_new ? 'PAUSED' : 'STILL_PAUSED';
}

/**
 * Ends the trial submission in flight, if any.
 * @returns whether this resumes submissions
 */
export async function endTrial(sql: Sql, account: string, isAccepted: boolean): Promise<boolean> {
  const ended = await sql.rows(
    `UPDATE upstream_accounts SET ${isAccepted ? normal : 'trial_at = clock_timestamp()'}
      WHERE account = $1 AND trial_at IS NOT NULL RETURNING account`,
    [account],
  );
  return isAccepted && ended.length > 0;
}

/** Records an answered poll, which shows that the key is accepted. Trial submissions continue one at a time. */
export async function acceptKey(sql: Sql, account: string): Promise<void> {
  await sql.rows(
    `UPDATE upstream_accounts SET ${notPaused}
      WHERE account = $1 AND trial_at IS NOT NULL AND submit_pause_reason = 'UPSTREAM_AUTH'`,
    [account],
  );
}

/** When the next check of a paused account is due. */
export function probeDue(account: string): DueQuery {
  return {
    sql: (first) =>
      `(SELECT probe_at FROM upstream_accounts
         WHERE account = $${first} AND submit_pause_reason <> 'OPERATOR' AND trial_at IS NULL)`,
    parameters: [account],
  };
}

/**
 * Claims the due check of a paused account, so that no other process makes it.
 * @param leaseMs - maximum duration of the check before another process makes it
 * @returns null if none is due
 */
export async function claimProbe(
  sql: Sql,
  account: string,
  leaseMs: number,
): Promise<{ reason: Exclude<PauseReason, 'OPERATOR'>; isAtMaxInterval: boolean } | null> {
  const [claimed] = await sql.rows<{ reason: Exclude<PauseReason, 'OPERATOR'>; probes: number }>(
    `UPDATE upstream_accounts SET probes = probes + 1, probe_at = clock_timestamp() + $2 * interval '1 ms'
      WHERE account = $1 AND submit_pause_reason <> 'OPERATOR' AND trial_at IS NULL AND probe_at <= clock_timestamp()
     RETURNING submit_pause_reason AS reason, probes`,
    [account, leaseMs],
  );
  if (!claimed) return null;
  return { reason: claimed.reason, isAtMaxInterval: 2 ** (claimed.probes - 1) >= maxIntervalFactor };
}

/** Stores the result of a check, unless an operator paused or resumed submissions in the meantime. */
export async function finishProbe(
  sql: Sql,
  account: string,
  reason: PauseReason,
  { result, intervalMs }: { result: ProbeResult; intervalMs: number },
): Promise<void> {
  const changes: Record<ProbeResult, string> = {
    REFUSED: `probe_at = clock_timestamp() + ${intervalSql('$3')}`,
    GOOD: `${notPaused}, trial_at = clock_timestamp(), probe_at = NULL`,
    UNKNOWN: 'trial_at = clock_timestamp(), probe_at = NULL',
  };
  await sql.rows(
    `UPDATE upstream_accounts SET ${changes[result]}
      WHERE account = $1 AND submit_pause_reason = $2 AND trial_at IS NULL AND $3::float8 > 0`,
    [account, reason, intervalMs],
  );
}

/** Why submissions are paused; null if they are not. */
export async function readPauseReason(sql: Sql, account: string): Promise<PauseReason | null> {
  const [row] = await sql.rows<{ reason: PauseReason | null }>(
    'SELECT submit_pause_reason AS reason FROM upstream_accounts WHERE account = $1',
    [account],
  );
  return row?.reason ?? null;
}

/** Accounts: of a provider, or of all; with a prefix of their digests, which may be empty. */
export interface AccountSelection {
  readonly prefix: string;
  /** Null: all. */
  readonly provider: string | null;
}

const isSelected = 'starts_with(account, $1) AND ($2::text IS NULL OR provider = $2)';

/**
 * Pauses the submissions of accounts until {@link resumeByOperator}; without a prefix, also of accounts of these providers
 * that are used later.
 * @param sql - a transaction
 * @returns the accounts that are known now
 */
export async function pauseByOperator(sql: Sql, selection: AccountSelection): Promise<string[]> {
  await recordChange(sql, selection, 'clock_timestamp()');
  return changeAccounts(
    sql,
    selection,
    `${notChecked}, submit_paused_at = coalesce(submit_paused_at, clock_timestamp()), submit_pause_reason = 'OPERATOR'`,
  );
}

/**
 * Resumes the submissions of accounts, for any reason of their pause. A refusal pauses them again.
 * @param sql - a transaction
 */
export async function resumeByOperator(sql: Sql, selection: AccountSelection): Promise<string[]> {
  await recordChange(sql, selection, 'NULL');
  return changeAccounts(sql, selection, normal);
}

/** SQL: when the operator paused a provider, for an account that is used for the first time; null or no row if not. */
export function operatorPauseSql(provider: string): string {
  return `SELECT paused_at FROM submission_pauses WHERE provider IN (${provider}, '') ORDER BY provider DESC LIMIT 1`;
}

/** The providers whose later accounts begin paused; `all` for those without a change of their own. */
export async function readOperatorPauses(sql: Sql): Promise<string[]> {
  const rows = await sql.rows<{ provider: string }>(
    `SELECT coalesce(nullif(provider, ''), 'all') AS provider FROM submission_pauses WHERE paused_at IS NOT NULL ORDER BY 1`,
  );
  return rows.map(({ provider }) => provider);
}

async function recordChange(sql: Sql, { prefix, provider }: AccountSelection, at: string): Promise<void> {
  if (prefix !== '') return;
  // An account that is used for the first time meanwhile has its row before, and is changed, or reads this change.
  await sql.rows('LOCK TABLE upstream_accounts IN SHARE ROW EXCLUSIVE MODE');
  await sql.rows('DELETE FROM submission_pauses WHERE $1::text IS NULL OR provider = $1', [provider]);
  await sql.rows(`INSERT INTO submission_pauses (provider, paused_at) VALUES (coalesce($1, ''), ${at})`, [
    provider,
  ]);
}

async function changeAccounts(
  sql: Sql,
  { prefix, provider }: AccountSelection,
  set: string,
): Promise<string[]> {
  const rows = await sql.rows<{ account: string }>(
    `UPDATE upstream_accounts SET ${set} WHERE ${isSelected} RETURNING account`,
    [prefix, provider],
  );
  return rows.map(({ account }) => account);
}

/** The interval until the next check, after `probes` checks. */
function intervalSql(firstMs: string): string {
  return `${firstMs} * least(${maxIntervalFactor}, 2 ^ least(probes, 30)) * interval '1 ms'`;
}
