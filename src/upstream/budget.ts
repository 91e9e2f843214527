import type { Sql } from '../core/sql';
import type { UpstreamNotice } from './provider';

/** What a call is for; each has its own share of the budget, so that polls never starve submissions. */
export type CallKind = 'poll' | 'submit';

/** How many calls may be made now, and when to ask again for those that may not. */
export interface Grant {
  granted: number;
  /** Milliseconds until there is budget again; 0 if all was granted. */
  waitMs: number;
}

/** Of the provider's requests a minute: a tenth is the most that may come at once, the rest is spread evenly. */
const burstShare = 0.1;
const submitShare = 0.2;

/** From this many failures in a row on, a single call probes while the others wait. */
const breakerFailures = 5;
const firstPauseMs = 5_000;
const longestPauseMs = 300_000;
/** The shortest pause, also where the upstream asks for none (`Retry-After: 0`). */
const minPauseMs = 1_000;
/** How long a probe may take before another is let through; longer than any call's own timeout. */
const probeMs = 45_000;

/**
 * The budget of requests that all processes with the same key share, kept in PostgreSQL: a token bucket for polls and
 * one for submissions, the pauses that the upstream asked for, and a circuit breaker.
 */
export class UpstreamBudget {
  private known = false;
  private mayBeFailing = true;
  private creditsSeen: number | undefined;

  constructor(
    private readonly sql: Sql,
    private readonly provider: { name: string; account: string; facts: { requestsPerMinute: number } },
  ) {}

  /** Takes up to `wanted` calls out of the budget. None while the upstream has asked for a pause. */
  async take(kind: CallKind, wanted: number): Promise<Grant> {
    if (wanted === 0) return { granted: 0, waitMs: 0 };
    await this.open();
    const { perSecond, burst } = this.bucket(kind);
    const tokens = `${kind}_tokens`;
    const [grant] = await this.sql.rows<{ granted: number; wait_ms: number; failures: number }>(
      `WITH a AS (
         SELECT account, failures, greatest(paused_until, CASE WHEN failures > 0 THEN broken_until END) AS until, clock_timestamp() AS at,
                least($4, ${tokens} + $3 * greatest(0, extract(epoch FROM clock_timestamp() - ${kind}_refilled_at))) AS tokens
           FROM upstream_accounts WHERE account = $1 FOR UPDATE),
       g AS (
         SELECT *, CASE WHEN until > at THEN 0
                        WHEN failures >= ${breakerFailures} THEN least(1, floor(tokens))
                        ELSE least($2, floor(tokens)) END AS granted FROM a)
       UPDATE upstream_accounts u
          SET ${tokens} = g.tokens - g.granted, ${kind}_refilled_at = g.at,
              broken_until = CASE WHEN g.failures >= ${breakerFailures} AND g.granted = 1
                                  THEN g.at + interval '${probeMs} ms' ELSE u.broken_until END
         FROM g WHERE u.account = g.account
       RETURNING g.granted::int, g.failures,
                 greatest(extract(epoch FROM greatest(u.paused_until, u.broken_until) - g.at) * 1000, (1 - (g.tokens - g.granted)) / $3 * 1000, 0)::float8 AS wait_ms`,
      [this.provider.account, wanted, perSecond, burst],
    );
    if (!grant) return { granted: 0, waitMs: firstPauseMs };
    this.mayBeFailing = grant.failures > 0;
    return { granted: grant.granted, waitMs: grant.granted >= wanted ? 0 : Math.ceil(grant.wait_ms) };
  }

  /** The upstream said when to come back: nobody with this key calls before. */
  async pause(ms: number): Promise<void> {
    await this.open();
    await this.sql.rows(
      `UPDATE upstream_accounts SET paused_until = greatest(paused_until, clock_timestamp() + $2 * interval '1 ms') WHERE account = $1`,
      [this.provider.account, Math.max(minPauseMs, ms)],
    );
  }

  /** A call got no usable answer. After several in a row everybody waits, longer each time, and one call probes. */
  async failed(): Promise<void> {
    await this.open();
    this.mayBeFailing = true;
    await this.sql.rows(
      `UPDATE upstream_accounts
          SET failures = failures + 1,
              broken_until = CASE WHEN failures + 1 >= ${breakerFailures}
                THEN greatest(broken_until, clock_timestamp() + least($2, $3 * 2 ^ least(failures + 1 - ${breakerFailures}, 20)) * interval '1 ms')
                ELSE broken_until END
        WHERE account = $1`,
      [this.provider.account, longestPauseMs, firstPauseMs],
    );
  }

  /** A call was answered: the breaker closes; a pause that the upstream asked for goes on. Costs nothing while all is well. */
  async answered(notice: UpstreamNotice): Promise<void> {
    if (this.mayBeFailing) {
      this.mayBeFailing = false;
      await this.sql.rows(
        'UPDATE upstream_accounts SET broken_until = NULL, failures = 0 WHERE account = $1 AND failures > 0',
        [this.provider.account],
      );
    }
    if (notice.creditsAvailable !== undefined && notice.creditsAvailable !== this.creditsSeen) {
      this.creditsSeen = notice.creditsAvailable;
      await this.sql.rows(
        'UPDATE upstream_accounts SET credits_available = $2, credits_seen_at = now() WHERE account = $1',
        [this.provider.account, notice.creditsAvailable],
      );
    }
  }

  private bucket(kind: CallKind): { perSecond: number; burst: number } {
    const share = kind === 'submit' ? submitShare : 1 - submitShare;
    const perMinute = this.provider.facts.requestsPerMinute * share;
    return { perSecond: (perMinute * (1 - burstShare)) / 60, burst: Math.max(1, perMinute * burstShare) };
  }

  private async open(): Promise<void> {
    if (this.known) return;
    await this.sql.rows(
      `INSERT INTO upstream_accounts (account, provider, poll_tokens, submit_tokens) VALUES ($1, $2, $3, $4)
       ON CONFLICT (account) DO NOTHING`,
      [this.provider.account, this.provider.name, this.bucket('poll').burst, this.bucket('submit').burst],
    );
    this.known = true;
  }
}
