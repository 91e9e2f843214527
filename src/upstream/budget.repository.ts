import type { Sql } from '../core/sql';
import {
  acceptKey,
  endTrial,
  operatorPauseSql,
  pauseSubmissions,
  readPauseReason,
  type PauseEffect,
} from './account-pause.repository';
import type { PauseReason } from './account.entity';
import { minPauseMs, type UpstreamNotice } from './provider';
import { storedCredits } from './stored-credits';

/**
 * The purpose of a call. Each has its own share of the budget: polls never starve submissions, and polls of failed
 * jobs (`watch`) never starve those of running ones.
 */
export type CallKind = 'poll' | 'submit' | 'watch';

/** How many calls may be made now, and when to request the others. */
export interface Grant {
  granted: number;
  /** Milliseconds until budget is available again; 0 if all calls were granted. */
  waitMs: number;
  /** Whether the granted call is a trial, which shows whether others can be granted. */
  isTrial: boolean;
}

/** The burst size, as a share of the provider's requests per minute; the rest is spread evenly. */
const burstShare = 0.1;
/** The share of polls of failed jobs. */
const watchShare = 0.05;

/** A circuit opens when the calls of this many different jobs have failed without a successful answer in between. */
const minFailingJobs = 5;
/** The stored set of failing jobs is bounded; only its size up to {@link minFailingJobs} matters. */
const maxFailingJobs = 20;
const minOpenMs = 5_000;
const maxOpenMs = 300_000;
/** The maximum time between the grant of a trial call and its start, in milliseconds. */
const trialStartMs = 15_000;

/** A call without a usable answer. */
export interface CallFailure {
  /** The UUID of the model or generation. */
  jobId: string;
  /** Whether the upstream could not be reached at all, so that calls of every kind are affected. */
  isUnreachable: boolean;
}

/** Limits of {@link UpstreamBudget}. */
export interface BudgetLimits {
  /** Maximum number of calls of all kinds with this key. @defaultValue the provider's documented limit */
  requestsPerMinute: number | undefined;
  /** The share of polls in these calls; submissions get the rest, except for {@link watchShare}. */
  pollShare: number;
  /** The time until a paused account is first checked, in milliseconds. */
  probeIntervalMs: number;
  /** The time limit of the longest call, in milliseconds. */
  maxCallMs: number;
}

/** `reach` concerns the upstream as a whole and blocks calls of every kind. */
type Circuit = Exclude<CallKind, 'watch'> | 'reach';

/** Polls of failed jobs use the circuit of all polls, and make no trial calls. */
const circuitOf = (kind: CallKind): Exclude<Circuit, 'reach'> => (kind === 'watch' ? 'poll' : kind);
const trialCalls = (kind: CallKind): string => (kind === 'watch' ? '0' : 'least(1, floor(tokens))');

const isOpen = (circuit: Circuit): string => `cardinality(${circuit}_failing) >= ${minFailingJobs}`;
/** When to request calls again while submissions are paused, in milliseconds; a wake-up comes sooner. */
const pausedWaitMs = 5_000;
const isPaused = {
  submit: 'submit_paused_at IS NOT NULL AND trial_at IS NULL',
  poll: `coalesce(submit_pause_reason = 'UPSTREAM_AUTH', false) AND trial_at IS NULL`,
} as const;
/** While the key may be refused, polls are made one at a time as well. */
const isOnTrial = {
  submit: 'trial_at IS NOT NULL',
  poll: `trial_at IS NOT NULL AND coalesce(submit_pause_reason = 'UPSTREAM_AUTH', false)`,
} as const;
/** When another trial call is granted although the first has no result, for example because its process died. */
const trialEnd = `g.at + $5 * interval '1 ms'`;

/**
 * The request budget that all processes with the same key share, stored in PostgreSQL: a token bucket for each kind
 * of call, the pauses that the upstream requested, and three circuit breakers: for polls, for submissions, and
 * `reach`, which blocks all kinds while the upstream is unreachable. A circuit counts jobs, not calls: a job that
 * always fails has its own backoff and blocks no other.
 */
export class UpstreamBudget {
  private readonly shares: Readonly<Record<CallKind, number>>;
  private known = false;
  private mayBeFailing = true;
  private mayBeOnTrial = true;
  private creditsSeen: number | undefined;

  constructor(
    private readonly sql: Sql,
    private readonly provider: { name: string; account: string; facts: { requestsPerMinute: number } },
    private readonly limits: BudgetLimits,
  ) {
    const { pollShare } = limits;
    this.shares = { poll: pollShare, submit: 1 - pollShare - watchShare, watch: watchShare };
  }

  /**
   * Takes up to `wanted` calls from the budget: none during a pause that the upstream requested, and no submission
   * while those are paused for the account. Report the result of a granted submission to {@link endTrial} or {@link
   * pauseSubmissions}.
   */
  async take(kind: CallKind, wanted: number): Promise<Grant> {
    if (wanted === 0) return { granted: 0, waitMs: 0, isTrial: false };
    await this.open();
    const { perSecond, burst } = this.bucket(kind);
    const tokens = `${kind}_tokens`;
    const circuit = circuitOf(kind);
    const [grant] = await this.sql.rows<{
      granted: number;
      wait_ms: number;
      is_failing: boolean;
      is_on_trial: boolean;
      is_trial: boolean;
    }>(
      `WITH a AS (
         SELECT *, ${isOpen(circuit)} AS kind_is_open, ${isOpen('reach')} AS reach_is_open, clock_timestamp() AS at,
                ${isPaused[circuit]} AS is_paused, ${isOnTrial[circuit]} AS is_on_trial,
                least($4, ${tokens} + $3 * greatest(0, extract(epoch FROM clock_timestamp() - ${kind}_refilled_at))) AS tokens
           FROM upstream_accounts WHERE account = $1 FOR UPDATE),
       b AS (
         SELECT *, greatest(paused_until, CASE WHEN is_paused THEN at + interval '${pausedWaitMs} ms' END,
                            ${kind === 'submit' ? 'trial_at' : 'NULL'}, CASE WHEN kind_is_open THEN ${circuit}_open_until END,
                            CASE WHEN reach_is_open THEN reach_open_until END) AS blocked_until FROM a),
       g AS (
         SELECT *, CASE WHEN blocked_until > at THEN 0
                        WHEN kind_is_open OR reach_is_open OR is_on_trial THEN ${trialCalls(kind)}
                        ELSE least($2, floor(tokens)) END AS granted FROM b)
       UPDATE upstream_accounts u
          SET ${tokens} = g.tokens - g.granted, ${kind}_refilled_at = g.at,
              trial_at = CASE WHEN g.is_on_trial AND g.granted = 1 AND ${kind === 'submit'} THEN ${trialEnd} ELSE u.trial_at END,
              ${circuit}_open_until = CASE WHEN g.kind_is_open AND g.granted = 1 THEN ${trialEnd} ELSE u.${circuit}_open_until END,
              reach_open_until = CASE WHEN g.reach_is_open AND g.granted = 1 THEN ${trialEnd} ELSE u.reach_open_until END
         FROM g WHERE u.account = g.account
       RETURNING g.granted::int, g.granted = 1 AND (g.kind_is_open OR g.reach_is_open OR g.is_on_trial) AS is_trial,
                 cardinality(u.${circuit}_failing) + cardinality(u.reach_failing) > 0 AS is_failing, g.trial_at IS NOT NULL AS is_on_trial,
                 greatest(extract(epoch FROM greatest(g.blocked_until, ${kind === 'submit' ? 'u.trial_at' : 'NULL'}, CASE WHEN g.kind_is_open THEN u.${circuit}_open_until END,
                                                      CASE WHEN g.reach_is_open THEN u.reach_open_until END) - g.at) * 1000,
                          (1 - (g.tokens - g.granted)) / $3 * 1000, 0)::float8 AS wait_ms`,
      [this.provider.account, wanted, perSecond, burst, this.limits.maxCallMs + trialStartMs],
    );
    if (!grant) {
      // A restore into the database of a running gateway replaces all rows: the next call creates it again.
      this.known = false;
      return { granted: 0, waitMs: minOpenMs, isTrial: false };
    }
    this.mayBeFailing = grant.is_failing;
    this.mayBeOnTrial = grant.is_on_trial;
    const { granted, is_trial: isTrial } = grant;
    return { granted, waitMs: granted >= wanted ? 0 : Math.ceil(grant.wait_ms), isTrial };
  }

  /**
   * Returns granted calls that were not made. {@link take} limits what has gathered.
   * @param isTrial - whether one was a trial: another is granted immediately
   */
  async release(kind: CallKind, calls: number, isTrial: boolean): Promise<void> {
    const circuits: Circuit[] = isTrial && kind !== 'watch' ? [kind, 'reach'] : [];
    const untils = circuits.map(
      (circuit) =>
        `${circuit}_open_until = CASE WHEN ${isOpen(circuit)} THEN least(${circuit}_open_until, clock_timestamp())
                                 ELSE ${circuit}_open_until END`,
    );
    if (isTrial && kind === 'submit')
      untils.push('trial_at = CASE WHEN trial_at IS NOT NULL THEN least(trial_at, clock_timestamp()) END');
    await this.sql.rows(
      `UPDATE upstream_accounts SET ${[`${kind}_tokens = ${kind}_tokens + $2`, ...untils].join(', ')}
        WHERE account = $1`,
      [this.provider.account, calls],
    );
  }

  /** Pauses all calls with this key for the time that the upstream requested. */
  async pause(ms: number): Promise<void> {
    await this.open();
    await this.sql.rows(
      `UPDATE upstream_accounts SET paused_until = greatest(paused_until, clock_timestamp() + $2 * interval '1 ms') WHERE account = $1`,
      [this.provider.account, Math.max(minPauseMs, ms)],
    );
  }

  /** Pauses submissions after a refusal of the account, until a check, a trial or an operator resumes them. */
  async pauseSubmissions(
    reason: Exclude<PauseReason, 'OPERATOR'>,
    { isUnclear }: { isUnclear: boolean },
  ): Promise<PauseEffect> {
    await this.open();
    return pauseSubmissions(
      this.sql,
      this.provider.account,
      { reason, isUnclear },
      this.limits.probeIntervalMs,
    );
  }

  /**
   * Ends a submission that was not refused because of the account. Writes only while submissions are on trial.
   * @returns whether this resumes submissions
   */
  async endTrial(isAccepted: boolean): Promise<boolean> {
    return this.mayBeOnTrial && endTrial(this.sql, this.provider.account, isAccepted);
  }

  /** Why submissions are paused; null if they are not. */
  async pauseReason(sql: Sql = this.sql): Promise<PauseReason | null> {
    return readPauseReason(sql, this.provider.account);
  }

  /**
   * Records failed calls, when none of those made with them succeeded. After failures of several different jobs,
   * calls are blocked for as long as they have been failing (5 s to 5 min), and then a single one is granted as a
   * trial.
   */
  async failed(kind: Exclude<CallKind, 'watch'>, failures: readonly CallFailure[]): Promise<void> {
    await this.open();
    this.mayBeFailing = true;
    const jobsOf = (isUnreachable: boolean): string[] =>
      failures.filter((failure) => failure.isUnreachable === isUnreachable).map(({ jobId }) => jobId);
    await this.addFailing(kind, jobsOf(false));
    await this.addFailing('reach', jobsOf(true));
  }

  /**
   * Records an answered call: closes its circuit and `reach`. Writes only if calls have failed. A requested pause
   * stays.
   */
  async answered(kind: Exclude<CallKind, 'watch'>, notice: UpstreamNotice): Promise<void> {
    if (this.mayBeFailing) {
      this.mayBeFailing = false;
      const closed = [kind, 'reach'].map(
        (name) => `${name}_failing = '{}', ${name}_failing_since = NULL, ${name}_open_until = NULL`,
      );
      await this.sql.rows(
        `UPDATE upstream_accounts SET ${closed.join(', ')}
          WHERE account = $1 AND (${kind}_failing <> '{}' OR reach_failing <> '{}')`,
        [this.provider.account],
      );
    }
    if (kind === 'poll' && this.mayBeOnTrial) await acceptKey(this.sql, this.provider.account);
    if (notice.creditsAvailable !== undefined && notice.creditsAvailable !== this.creditsSeen) {
      this.creditsSeen = notice.creditsAvailable;
      await this.sql.rows(
        'UPDATE upstream_accounts SET credits_available = $2, credits_seen_at = now() WHERE account = $1',
        [this.provider.account, storedCredits(notice.creditsAvailable)],
      );
    }
  }

  private async addFailing(circuit: Circuit, jobIds: readonly string[]): Promise<void> {
    if (jobIds.length === 0) return;
    await this.sql.rows(
      `WITH a AS (
         SELECT account, coalesce(${circuit}_failing_since, clock_timestamp()) AS since,
                ARRAY(SELECT DISTINCT id FROM unnest(${circuit}_failing || $2::uuid[]) AS id LIMIT ${maxFailingJobs}) AS failing
           FROM upstream_accounts WHERE account = $1 FOR UPDATE)
       UPDATE upstream_accounts u
          SET ${circuit}_failing = a.failing, ${circuit}_failing_since = a.since,
              ${circuit}_open_until = CASE WHEN cardinality(a.failing) >= ${minFailingJobs}
                THEN clock_timestamp() + least($4, greatest($3, extract(epoch FROM clock_timestamp() - a.since) * 1000)) * interval '1 ms' END
         FROM a WHERE u.account = a.account`,
      [this.provider.account, jobIds, minOpenMs, maxOpenMs],
    );
  }

  /** The token bucket of a kind of call: how fast it fills, and its size. */
  bucket(kind: CallKind): { perSecond: number; burst: number } {
    const { limits, provider, shares } = this;
    const perMinute = (limits.requestsPerMinute ?? provider.facts.requestsPerMinute) * shares[kind];
    return { perSecond: (perMinute * (1 - burstShare)) / 60, burst: Math.max(1, perMinute * burstShare) };
  }

  /** How many calls of a kind the budget allows in the long run. */
  perSecond(kind: CallKind): number {
    return this.bucket(kind).perSecond;
  }

  /** Creates the account's row, which operators see; paused if the operator has paused the provider. */
  async open(): Promise<void> {
    if (this.known) return;
    await this.sql.rows(
      `INSERT INTO upstream_accounts (account, provider, poll_tokens, submit_tokens, watch_tokens, submit_paused_at, submit_pause_reason)
       SELECT $1, $2, $3, $4, $5, p.paused_at, CASE WHEN p.paused_at IS NOT NULL THEN 'OPERATOR' END
         FROM (VALUES (1)) v LEFT JOIN (${operatorPauseSql('$2')}) p ON true ON CONFLICT (account) DO NOTHING`,
      [
        ...[this.provider.account, this.provider.name],
        ...(['poll', 'submit', 'watch'] as const).map((kind) => this.bucket(kind).burst),
      ],
    );
    this.known = true;
  }
}
