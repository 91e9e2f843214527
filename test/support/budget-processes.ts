import { newId } from '../../src/core/ids';
import type { Database } from '../../src/database/database';
import { UpstreamBudget } from '../../src/upstream/budget.repository';

/** Request budgets of processes that share accounts. Each call of {@link processes} makes a new account. */
export class BudgetProcesses {
  private accounts = 0;

  constructor(readonly database: Database) {}

  /** The latest account. */
  get account(): string {
    return `account-${this.accounts}`;
  }

  /** Processes that share a key. */
  processes(
    count: number,
    { requestsPerMinute = 500, pollShare = 0.75, maxCallMs = 30_000 } = {},
  ): UpstreamBudget[] {
    this.accounts += 1;
    const provider = { name: 'scripted', account: this.account, facts: { requestsPerMinute: 500 } };
    const limits = { requestsPerMinute, pollShare, probeIntervalMs: 30_000, maxCallMs };
    return Array.from({ length: count }, () => new UpstreamBudget(this.database, provider, limits));
  }

  /** The state that the processes of the latest account share. */
  async state(): Promise<{ failing: number; pauseMs: number; creditsAvailable: number | null }> {
    const [row] = await this.database.rows<{
      failing: number;
      pause_ms: number;
      credits_available: number | null;
    }>(
      `SELECT credits_available,
              cardinality(poll_failing) + cardinality(submit_failing) + cardinality(reach_failing) AS failing,
              coalesce(extract(epoch FROM greatest(paused_until, poll_open_until, submit_open_until, reach_open_until)
                                          - clock_timestamp()) * 1000, 0)::float8 AS pause_ms
         FROM upstream_accounts WHERE account = $1`,
      [this.account],
    );
    return { failing: row!.failing, pauseMs: row!.pause_ms, creditsAvailable: row!.credits_available };
  }

  /** Advances the clock as seen by the budget. */
  async advance(ms: number): Promise<void> {
    const columns = [
      ...['poll_refilled_at', 'submit_refilled_at', 'watch_refilled_at', 'paused_until'],
      ...['poll', 'submit', 'reach'].flatMap((name) => [`${name}_failing_since`, `${name}_open_until`]),
    ];
    const set = columns.map((column) => `${column} = ${column} - $2 * interval '1 ms'`);
    await this.database.rows(`UPDATE upstream_accounts SET ${set.join(', ')} WHERE account = $1`, [
      this.account,
      ms,
    ]);
  }

  /** Records failed calls of so many different jobs, one after the other. */
  async fail(
    budget: UpstreamBudget,
    jobs: number,
    { kind = 'poll', isUnreachable = true }: { kind?: 'poll' | 'submit'; isUnreachable?: boolean } = {},
  ): Promise<void> {
    for (let job = 0; job < jobs; job += 1) await budget.failed(kind, [{ jobId: newId(), isUnreachable }]);
  }
}
