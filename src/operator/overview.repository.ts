import { firstIdAt, toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import { isFailing, isFresh } from '../generations/avatar.entity';
import type { PauseReason } from '../upstream/account.entity';
import type { CallKind, UpstreamBudget } from '../upstream/budget.repository';

interface JobCount {
  kind: 'model' | 'generation' | 'avatar';
  status: string;
  count: number;
}

/** A job whose paid call has an unknown outcome. */
interface UncertainJob {
  id: string;
  /** When the call was made. */
  since: Date;
}

/** The state of an account at an avatar service. */
export interface AccountState {
  provider: string;
  /** A digest of the service's address and key. */
  account: string;
  /** No calls before this time; null or in the past: calls are made. */
  pausedUntil: Date | null;
  /** Since when no paid calls are made; null: paid calls are made. */
  submissionsPausedAt: Date | null;
  submissionsPauseReason: PauseReason | null;
  /** When a paused account is checked next. */
  nextCheckAt: Date | null;
  /** Number of different jobs whose calls failed since the last successful answer. */
  failures: number;
  /** Remaining credits as last reported by the service; null if never reported. */
  creditsAvailable: number | null;
  creditsSeenAt: Date | null;
}

/** The state of the whole gateway, for its operator. */
export interface Overview {
  /** {@link countJobsByState} */
  jobs: JobCount[];
  /** How long the most overdue work has been due, in milliseconds; 0 if nothing is late. */
  lagMs: number;
  uncertain: UncertainJob | null;
  /** The earliest time at which the upstream deletes a picture that is not stored yet. */
  nextExpiry: Date | null;
  accounts: AccountState[];
  /** Files that are scheduled for deletion and still exist. */
  pendingMediaDeletions: number;
}

/** Avatars to be fetched. Each part has its own index; together they are not recognised as the rows of one. */
const unfinishedAvatars = [isFresh, isFailing]
  .map((rows) => `SELECT status, due_at, expires_at FROM avatars WHERE ${rows}`)
  .join(' UNION ALL ');

/** Reads the state of the gateway. */
export async function readOverview(sql: Sql): Promise<Overview> {
  const { lagMs, nextExpiry, pendingMediaDeletions } = await readBacklog(sql);
  return {
    jobs: await countJobsByState(sql),
    lagMs: Math.round(lagMs),
    uncertain: await oldestUncertain(sql),
    nextExpiry,
    accounts: await accountStates(sql),
    pendingMediaDeletions,
  };
}

/** What waits in the database. */
interface Backlog extends Pick<Overview, 'lagMs' | 'nextExpiry' | 'pendingMediaDeletions'> {
  /** The time until {@link Overview.nextExpiry}, by the clock of the database, in milliseconds; null without one. */
  nextExpiryMs: number | null;
}

/** Reads how late work is, what expires next, and what is to be deleted. */
export async function readBacklog(sql: Sql): Promise<Backlog> {
  const [backlog] = await sql.rows<Backlog>(
    `SELECT greatest(0, extract(epoch FROM now() - least(
              (SELECT min(due_at) FROM models WHERE due_at IS NOT NULL AND status <> 'FAILED'),
              (SELECT min(due_at) FROM generations WHERE due_at IS NOT NULL AND status NOT IN ('FAILED', 'PARTIAL')),
              (SELECT min(due_at) FROM (${unfinishedAvatars}) unfinished))) * 1000)::float8 AS "lagMs",
            expiry.at AS "nextExpiry", (extract(epoch FROM expiry.at - now()) * 1000)::float8 AS "nextExpiryMs",
            (SELECT count(*)::int FROM media_deletions) AS "pendingMediaDeletions"
       FROM (SELECT min(expires_at) AS at FROM (${unfinishedAvatars}) unfinished) expiry`,
  );
  return backlog!;
}

/**
 * Counts unfinished models, generations and avatars by state, and FAILED jobs that are still polled. Reads only their
 * index entries and rows, not those of finished ones.
 */
export async function countJobsByState(sql: Sql): Promise<JobCount[]> {
  return sql.rows<JobCount>(
    `SELECT 'model' AS kind, status, count(*)::int AS count FROM models WHERE due_at IS NOT NULL GROUP BY status
     UNION ALL
     SELECT 'generation', status, count(*)::int FROM generations WHERE due_at IS NOT NULL GROUP BY status
     UNION ALL
     SELECT 'avatar', status, count(*)::int FROM (${unfinishedAvatars}) unfinished GROUP BY status
     ORDER BY kind DESC, status`,
  );
}

async function oldestUncertain(sql: Sql): Promise<UncertainJob | null> {
  const [oldest] = await sql.rows<{ model_id: string | null; generation_id: string | null; called_at: Date }>(
    `SELECT model_id, generation_id, called_at FROM (
       SELECT s.* FROM models m JOIN submissions s ON s.model_id = m.id AND s.attempt = m.attempt
        WHERE m.status = 'UNCERTAIN'
       UNION ALL
       SELECT s.* FROM generations g JOIN submissions s ON s.generation_id = g.id AND s.attempt = g.attempt
        WHERE g.status = 'UNCERTAIN') AS unknown
      ORDER BY called_at LIMIT 1`,
  );
  if (!oldest) return null;
  const id = oldest.model_id
    ? toGlobalId('AvatarModel', oldest.model_id)
    : toGlobalId('Generation', oldest.generation_id!);
  return { id, since: oldest.called_at };
}

/** The accounts at avatar services. */
export async function accountStates(sql: Sql): Promise<AccountState[]> {
  return sql.rows(
    `SELECT provider, account, paused_until AS "pausedUntil", submit_paused_at AS "submissionsPausedAt",
            submit_pause_reason AS "submissionsPauseReason", probe_at AS "nextCheckAt",
            credits_available AS "creditsAvailable", credits_seen_at AS "creditsSeenAt",
            greatest(cardinality(poll_failing), cardinality(submit_failing), cardinality(reach_failing)) AS failures
       FROM upstream_accounts ORDER BY provider, account`,
  );
}

/** How the token buckets of an account fill. */
export interface Buckets {
  readonly account: string;
  readonly bucket: UpstreamBudget['bucket'];
}

/** How many calls of each kind an account's budget allows at once. Pauses and open circuits are not considered. */
export async function readBudget(sql: Sql, { account, bucket }: Buckets): Promise<Record<CallKind, number>> {
  const tokens = (['poll', 'submit', 'watch'] as const).map((kind) => {
    const { perSecond, burst } = bucket(kind);
    const refilled = `greatest(0, extract(epoch FROM clock_timestamp() - ${kind}_refilled_at))`;
    return `floor(least(${burst}, ${kind}_tokens + ${perSecond} * ${refilled}))::int AS ${kind}`;
  });
  const [row] = await sql.rows<Record<CallKind, number>>(
    `SELECT ${tokens.join(', ')} FROM upstream_accounts WHERE account = $1`,
    [account],
  );
  const whole = (kind: CallKind): number => Math.floor(bucket(kind).burst);
  return row ?? { poll: whole('poll'), submit: whole('submit'), watch: whole('watch') };
}

/** The money of all owners, by currency. */
export interface MoneyTotals {
  readonly currency: string;
  /** Reserved at present. */
  readonly reserved: number;
  /** Spent since 00:00 UTC. */
  readonly spentToday: number;
}

/** Adds up reservations that have not ended, and what was spent today. Reads only these entries and others of today. */
export function sumMoney(sql: Sql): Promise<MoneyTotals[]> {
  const since = firstIdAt(new Date().setUTCHours(0, 0, 0, 0) - maxSkewMs);
  return sql.rows(
    `SELECT currency, (sum(reserved) * 0.000001)::float8 AS reserved, (sum(spent) * 0.000001)::float8 AS "spentToday" FROM (
       SELECT currency, amount AS reserved, 0 AS spent FROM ledger_entries WHERE due_at IS NOT NULL
       UNION ALL
       SELECT currency, 0, amount FROM ledger_entries
        WHERE id >= $1 AND kind = 'SPENT' AND created_at >= date_trunc('day', now(), 'UTC')) AS amounts
      GROUP BY currency`,
    [since],
  );
}

/** How far the clocks of processes may be from that of the database, in milliseconds. */
const maxSkewMs = 3_600_000;

/** The accounts with paused submissions, by provider and reason. */
export function countPauses(sql: Sql): Promise<{ provider: string; reason: string; count: number }[]> {
  return sql.rows(
    `SELECT provider, submit_pause_reason AS reason, count(*)::int AS count FROM upstream_accounts
      WHERE submit_pause_reason IS NOT NULL GROUP BY provider, submit_pause_reason`,
  );
}
