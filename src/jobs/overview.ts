import { toGlobalId } from '../core/ids';
import { camelRow, type Sql } from '../core/sql';
import type { PauseReason } from '../upstream/account.entity';

/** How many jobs of a kind are in a state. */
interface JobCount {
  kind: 'model' | 'generation' | 'avatar';
  status: string;
  count: number;
}

/** A job whose paid call has an unknown outcome. */
interface UncertainJob {
  /** The global id. */
  id: string;
  /** When the call was made. */
  since: Date;
}

/** What is known of an account at an avatar service. */
export interface AccountState {
  provider: string;
  /** A digest of address and key. */
  account: string;
  /** Nobody calls before; null, or past: calls are made. */
  pausedUntil: Date | null;
  /** Since when no paid call is made; null: paid calls are made. */
  submissionsPausedAt: Date | null;
  submissionsPauseReason: PauseReason | null;
  /** When a paused account is checked next. */
  nextCheckAt: Date | null;
  /** Different jobs whose calls failed since the last good answer. */
  failures: number;
  /** What the service said last; null: nothing. */
  creditsAvailable: number | null;
  creditsSeenAt: Date | null;
}

/** How the whole house stands, for whoever runs it. */
export interface Overview {
  /** Models and generations by state; of avatars those that are being fetched. */
  jobs: JobCount[];
  /** How long the work that waits longest has been due, in milliseconds; 0 if none is late. */
  lagMs: number;
  uncertain: UncertainJob | null;
  /** When the first of the pictures that are not stored yet is deleted upstream. */
  nextExpiry: Date | null;
  accounts: AccountState[];
  /** Files that are to be deleted and are not yet. */
  pendingMediaDeletions: number;
}

/** Reads how everything stands. Counts whole tables: for an operator, not for every request. */
export async function readOverview(sql: Sql): Promise<Overview> {
  const [figures] = await sql.rows<{ lag_ms: number; next_expiry: Date | null; pending_deletions: number }>(
    `SELECT greatest(0, extract(epoch FROM now() - least(
              (SELECT min(due_at) FROM models WHERE due_at IS NOT NULL AND status <> 'FAILED'),
              (SELECT min(due_at) FROM generations WHERE due_at IS NOT NULL AND status <> 'FAILED'),
              (SELECT min(due_at) FROM avatars WHERE due_at IS NOT NULL))) * 1000)::float8 AS lag_ms,
            (SELECT min(expires_at) FROM avatars WHERE due_at IS NOT NULL) AS next_expiry,
            (SELECT count(*)::int FROM media_deletions) AS pending_deletions`,
  );
  return {
    jobs: await countJobs(sql),
    lagMs: Math.round(figures!.lag_ms),
    uncertain: await oldestUncertain(sql),
    nextExpiry: figures!.next_expiry,
    accounts: await accountStates(sql),
    pendingMediaDeletions: figures!.pending_deletions,
  };
}

async function countJobs(sql: Sql): Promise<JobCount[]> {
  return sql.rows<JobCount>(
    `SELECT 'model' AS kind, status, count(*)::int AS count FROM models GROUP BY status
     UNION ALL
     SELECT 'generation', status, count(*)::int FROM generations GROUP BY status
     UNION ALL
     SELECT 'avatar', status, count(*)::int FROM avatars WHERE due_at IS NOT NULL GROUP BY status
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

async function accountStates(sql: Sql): Promise<AccountState[]> {
  const rows = await sql.rows<Record<string, unknown>>(
    `SELECT provider, account, paused_until, submit_paused_at AS submissions_paused_at,
            submit_pause_reason AS submissions_pause_reason, probe_at AS next_check_at, credits_available, credits_seen_at,
            greatest(cardinality(poll_failing), cardinality(submit_failing), cardinality(reach_failing)) AS failures
       FROM upstream_accounts ORDER BY provider, account`,
  );
  return rows.map((row) => camelRow<AccountState>(row));
}
