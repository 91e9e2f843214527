import { Gauge, type Registry } from 'prom-client';
import { withinMs } from '../../core/clock';
import type { CostlyReads } from '../../core/sql';
import {
  accountStates,
  countJobsByState,
  countPauses,
  readBacklog,
  readBudget,
  sumMoney,
  type Buckets,
} from '../../operator/overview.repository';
import type { CallKind } from '../../upstream/budget.repository';
import { countWebhooksByStatus } from '../../webhooks/webhook.repository';
import { setValues, type GaugeValue } from './instruments';

/** How long a scrape waits for the database, in milliseconds. Prometheus itself waits for 10 s by default. */
const maxReadMs = 2_000;

/** The values of all gauges, by name; a name without values has none. */
type Reading = Readonly<Partial<Record<keyof typeof gauges, readonly GaugeValue[]>>>;

/** Every gauge that is read from the database: its help text and labels. */
const gauges = {
  likeness_jobs: {
    help: 'Unfinished models, generations and avatars by status, and FAILED jobs that are still polled.',
    labels: ['kind', 'status'],
  },
  likeness_submissions_paused: {
    help: 'Avatar service accounts with paused submissions, by reason.',
    labels: ['provider', 'reason'],
  },
  likeness_money: {
    help: 'The money of all owners: reserved for attempts that are not over, and spent since 00:00 UTC.',
    labels: ['kind', 'currency'],
  },
  likeness_webhooks: { help: 'Webhooks by status: ENABLED, PAUSED, DISABLED.', labels: ['status'] },
  likeness_webhook_oldest_pending_seconds: {
    help: 'The age of the oldest pending delivery of an enabled webhook; 0 without any.',
    labels: [],
  },
  likeness_work_lag_seconds: {
    help: 'How long the most overdue work of the poller has been due; 0 if nothing is late.',
    labels: [],
  },
  likeness_results_expire_seconds: {
    help: 'The time until the avatar service deletes the next picture that is not stored yet; no value if all are stored.',
    labels: [],
  },
  likeness_media_deletions_pending: {
    help: 'Files that are scheduled for deletion and still exist.',
    labels: [],
  },
  likeness_upstream_failing_jobs: {
    help: 'Different jobs whose calls have failed since the last answer of the avatar service; from 5 on calls are blocked for a while.',
    labels: ['provider'],
  },
  likeness_upstream_credits: {
    help: 'Remaining credits as last reported by the avatar service; no value if never reported.',
    labels: ['provider'],
  },
  likeness_upstream_budget_calls: {
    help: 'Calls that the request budget of the configured account allows at once, by kind: poll, submit, watch.',
    labels: ['kind'],
  },
} as const;

/**
 * Gauges that are read from the database on each scrape. If it does not answer in time they have no values, and
 * `likeness_database_up` is 0.
 */
export class DatabaseGauges {
  private readonly byName: ReadonlyMap<string, Gauge>;
  private readonly up: Gauge;
  /** A read that has not ended: a suspended database is not asked again. */
  private reading: Promise<Reading> | null = null;

  constructor(
    registry: Registry,
    private readonly reads: CostlyReads,
    private readonly buckets: Buckets,
  ) {
    const registers = [registry];
    this.up = new Gauge({
      name: 'likeness_database_up',
      help: '1 if the database answered this scrape; otherwise 0, and the values that are in the database are left out.',
      registers,
    });
    this.byName = new Map(
      Object.entries(gauges).map(([name, { help, labels }]) => [
        name,
        new Gauge({ name, help, labelNames: labels, registers }),
      ]),
    );
  }

  /** Reads all values. Never rejects. */
  async refresh(): Promise<void> {
    const reading = await this.read().catch(() => null);
    this.up.set(reading ? 1 : 0);
    for (const [name, gauge] of this.byName) {
      const known = name as keyof typeof gauges;
      setValues(gauge, gauges[known].labels, reading?.[known] ?? []);
    }
  }

  private read(): Promise<Reading> {
    this.reading ??= this.readAll().finally(() => (this.reading = null));
    return withinMs(maxReadMs, this.reading, () => new Error('The database did not answer in time.'));
  }

  private async readAll(): Promise<Reading> {
    const sql = await this.reads.begin();
    // One after the other, so that a scrape uses one connection.
    const jobs = await countJobsByState(sql);
    const pauses = await countPauses(sql);
    const money = await sumMoney(sql);
    const { byStatus, oldestPendingSeconds } = await countWebhooksByStatus(sql);
    const backlog = await readBacklog(sql);
    const accounts = await accountStates(sql);
    const budget = await readBudget(sql, this.buckets);
    return {
      likeness_jobs: jobs.map(({ kind, status, count }) => [{ kind, status }, count]),
      likeness_submissions_paused: pauses.map(({ provider, reason, count }) => [{ provider, reason }, count]),
      likeness_money: money.flatMap(({ currency, reserved, spentToday }): GaugeValue[] => [
        [{ kind: 'reserved', currency }, reserved],
        [{ kind: 'spent_today', currency }, spentToday],
      ]),
      likeness_webhooks: byStatus.map(({ status, count }) => [{ status }, count]),
      likeness_webhook_oldest_pending_seconds: [[{}, oldestPendingSeconds]],
      likeness_work_lag_seconds: [[{}, backlog.lagMs / 1_000]],
      likeness_results_expire_seconds:
        backlog.nextExpiryMs === null ? [] : [[{}, backlog.nextExpiryMs / 1_000]],
      likeness_media_deletions_pending: [[{}, backlog.pendingMediaDeletions]],
      ...accountValues(accounts),
      likeness_upstream_budget_calls: (Object.keys(budget) as CallKind[]).map((kind) => [
        { kind },
        budget[kind],
      ]),
    };
  }
}

/** By provider: of several accounts, the most failures and the least credits. */
function accountValues(accounts: Awaited<ReturnType<typeof accountStates>>): Reading {
  const failing = new Map<string, number>();
  const credits = new Map<string, number>();
  for (const { provider, failures, creditsAvailable } of accounts) {
    failing.set(provider, Math.max(failing.get(provider) ?? 0, failures));
    if (creditsAvailable !== null)
      credits.set(provider, Math.min(credits.get(provider) ?? Infinity, creditsAvailable));
  }
  const values = (byProvider: ReadonlyMap<string, number>): GaugeValue[] =>
    [...byProvider].map(([provider, value]) => [{ provider }, value]);
  return { likeness_upstream_failing_jobs: values(failing), likeness_upstream_credits: values(credits) };
}
