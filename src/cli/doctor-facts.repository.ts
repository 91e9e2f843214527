import type { Sql } from '../core/sql';
import { migrationNames } from '../database/data-source';
import { findRemoval } from '../database/required-migrations';
import { readOperatorPauses } from '../upstream/account-pause.repository';

/** What `likeness doctor` reads from the database. */
export interface DatabaseFacts {
  /** `server_version_num`, such as 150004. */
  readonly version: number;
  readonly versionName: string;
  readonly synchronousCommit: string;
  readonly latencyMs: number;
  /** The time of the database minus that of this process, in milliseconds. */
  readonly clockMs: number;
  /** Processes that are connected, without this one. */
  readonly processes: number;
  readonly missingMigrations: number;
  /** Migrations that this version does not have. */
  readonly unknownMigrations: number;
  /** Why this version must not use the database: a newer one has removed what it uses. Null if it may. */
  readonly removal: string | null;
  /** Null while migrations are missing, which may add what is read, and if a newer version has removed something. */
  readonly waiting: WaitingFacts | null;
}

/** What waits for an operator. */
export interface WaitingFacts {
  readonly uncertain: number;
  /** Providers and reasons of paused submissions. */
  readonly pauses: readonly string[];
  /** Disabled webhooks. */
  readonly disabledWebhooks: number;
}

/** Reads the state of the database. It may have an earlier or a later schema. */
export async function readDatabaseFacts(sql: Sql): Promise<DatabaseFacts> {
  const startedAt = performance.now();
  const beforeMs = Date.now();
  const [server] = await sql.rows<
    Pick<DatabaseFacts, 'version' | 'versionName' | 'synchronousCommit' | 'processes'> & { nowMs: number }
  >(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS "versionName",
            current_setting('synchronous_commit') AS "synchronousCommit", (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "nowMs",
            (SELECT greatest(count(*) - 1, 0)::int FROM pg_stat_activity
              WHERE datname = current_database() AND application_name = 'likeness wake-ups') AS processes`,
  );
  const latencyMs = performance.now() - startedAt;
  const { nowMs, ...rest } = server!;
  const migrations = await countMigrations(sql);
  const removal = await findRemoval((text) => sql.rows(text), migrationNames);
  return {
    ...{ ...rest, ...migrations },
    removal,
    latencyMs: Math.round(latencyMs),
    clockMs: nowMs - beforeMs - latencyMs / 2,
    waiting: migrations.missingMigrations === 0 && removal === null ? await readWaiting(sql) : null,
  };
}

async function readWaiting(sql: Sql): Promise<WaitingFacts> {
  const [counts] = await sql.rows<{ uncertain: number; disabledWebhooks: number }>(
    `SELECT (SELECT count(*) FROM models WHERE status = 'UNCERTAIN')::int
              + (SELECT count(*) FROM generations WHERE status = 'UNCERTAIN')::int AS uncertain,
            (SELECT count(*)::int FROM webhooks WHERE status = 'DISABLED') AS "disabledWebhooks"`,
  );
  const pauses = await sql.rows<{ text: string }>(
    `SELECT DISTINCT provider || ' (' || submit_pause_reason || ')' AS text FROM upstream_accounts
      WHERE submit_pause_reason IS NOT NULL ORDER BY 1`,
  );
  const byOperator = (await readOperatorPauses(sql)).map((account) => `${account} (by the operator)`);
  return { ...counts!, pauses: [...byOperator, ...pauses.map(({ text }) => text)] };
}

async function countMigrations(
  sql: Sql,
): Promise<Pick<DatabaseFacts, 'missingMigrations' | 'unknownMigrations'>> {
  const applied = await sql.rows<{ name: string }>('SELECT name FROM migrations');
  const names = applied.map(({ name }) => name);
  return {
    missingMigrations: migrationNames.filter((name) => !names.includes(name)).length,
    unknownMigrations: names.filter((name) => !migrationNames.includes(name)).length,
  };
}

/** A PostgreSQL server, as part of a replication. */
export interface ServerFacts {
  /** The identifier that a primary shares with its replicas. */
  readonly system: string;
  readonly isReplica: boolean;
  /** Standbys that are connected to it. */
  readonly standbys: number;
  /** `synchronous_standby_names` */
  readonly synchronousStandbys: string;
  /** How far a primary has written its log; null on a replica. */
  readonly position: string | null;
  /** Of a replica: the part of the log up to the given position that it has not replayed. */
  readonly behindBytes: number | null;
}

/**
 * Reads what a server is.
 * @param position - that of the primary
 */
export async function readServer(sql: Sql, position: string | null = null): Promise<ServerFacts> {
  const [server] = await sql.rows<ServerFacts>(
    `SELECT s.system_identifier::text AS system, r.is AS "isReplica",
            (SELECT count(*)::int FROM pg_stat_replication) AS standbys,
            current_setting('synchronous_standby_names') AS "synchronousStandbys",
            CASE WHEN NOT r.is THEN pg_current_wal_lsn()::text END AS position,
            CASE WHEN r.is THEN pg_wal_lsn_diff($1::pg_lsn, pg_last_wal_replay_lsn())::float8 END AS "behindBytes"
       FROM pg_control_system() s, (SELECT pg_is_in_recovery() AS is) r`,
    [position],
  );
  return server!;
}
