import { Client } from 'pg';
import { MigrationExecutor, type DataSource } from 'typeorm';
import { pause } from '../core/clock';
import type { Engine } from '../core/engine';
import { createDataSource, migrationNames } from './data-source';
import { checkDirectSession } from './direct-session';
import { engines } from './engine';
import { lockMigrations } from './migration-lock';
import { explainReadOnly } from './read-only';
import { checkRemovals } from './required-migrations';

/** Maximum wait of a migration for a table lock: meanwhile all statements on the table wait too. */
const maxTableLockText = '10s';
const maxTries = 6;
/**
 * PostgreSQL ends the session of a machine that was lost, and with it the lock, after about half a minute instead of more
 * than two hours.
 */
const keepAlive =
  'SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3';
/**
 * How long an answer may take that is not that of a migration, in milliseconds: longer than the time limit of statements. After
 * the loss of the machine of PostgreSQL, the system itself would wait for a quarter of an hour.
 */
const maxAnswerMs = 20_000;
/** The delay between tries, in milliseconds, so that waiting statements can run. */
const retryMs = 2_000;

/**
 * Migrates the database to the latest schema. Several processes may start concurrently: one migrates, the others wait for at
 * most a minute. A migration may take as long as it needs, but waits for table locks only briefly and is then repeated.
 * @param only - the names of the only migrations to run; by default all
 * @param engine - how processes exclude each other
 * @throws Error with advice if a lock could not be obtained, the URL leads to a pooler or a standby, or a newer version has removed
 * what this one uses
 */
export function migrate(
  url: string,
  only?: readonly string[],
  engine: Engine = engines.postgresql,
): Promise<void> {
  return explainReadOnly(async () => {
    if (engine.migratesAtStart) await checkDirectSession({ url, directUrl: url });
    await migrateDirectly(url, only, engine);
  });
}

/**
 * As {@link migrate}, for a URL that is known not to lead to a pooler: the lock would stay in one of its sessions, and stop all
 * others that migrate.
 */
export function migrateDirectly(
  url: string,
  only?: readonly string[],
  engine: Engine = engines.postgresql,
): Promise<void> {
  return explainReadOnly(() => migrateAlone(url, only, engine));
}

async function migrateAlone(url: string, only: readonly string[] | undefined, engine: Engine): Promise<void> {
  const holder = new Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    query_timeout: maxAnswerMs,
    application_name: 'likeness migration',
  });
  // If the session is lost, the migration continues: its own session reports what it cannot do.
  holder.on('error', () => undefined);
  await holder.connect();
  try {
    await holder.query(keepAlive);
    const unlock = await lockMigrations(holder, engine);
    const source = await createDataSource({ url, poolSize: 1, entities: [], migrations: only }).initialize();
    try {
      await checkVersion(source);
      await runMigrations(source);
    } finally {
      await source.destroy();
      await unlock();
    }
  } finally {
    await holder.end();
  }
}

function checkVersion(source: DataSource): Promise<void> {
  return checkRemovals((text) => source.query(text), migrationNames);
}

async function runMigrations(source: DataSource): Promise<void> {
  const runner = source.createQueryRunner();
  try {
    // Migrations need more time than the statement timeout, including a timeout set for the role.
    await runner.query(`SET statement_timeout = 0; SET lock_timeout = '${maxTableLockText}'`);
    for (let tries = 1; ; tries += 1) {
      const executor = new MigrationExecutor(source, runner);
      executor.transaction = 'each';
      try {
        await executor.executePendingMigrations();
        return;
      } catch (error) {
        if (!isLockTimeout(error)) throw error;
        if (tries === maxTries) throw tableLocked(error);
      }
      await pause(retryMs);
    }
  } finally {
    await runner.release();
  }
}

/** `55P03`: lock_not_available. */
function isLockTimeout(error: unknown): boolean {
  return (error as { code?: unknown }).code === '55P03';
}

function tableLocked(cause: unknown): Error {
  return new Error(
    `A migration could not lock a table within ${maxTries} times ${maxTableLockText}: another session holds it. ` +
      'Look for long transactions in pg_stat_activity, end them, and start again.',
    { cause },
  );
}

/** How long a gateway waits for `likeness migrate`, and how often it checks, in milliseconds. */
const migratedMs = { maxWait: 60_000, interval: 1_000 } as const;

/**
 * {@link checkMigrated}, repeated for at most a minute: for gateways that are started together with `likeness migrate`.
 * @throws as {@link checkMigrated}
 */
export async function waitUntilMigrated(url: string): Promise<void> {
  for (const endMs = Date.now() + migratedMs.maxWait; ;) {
    try {
      await checkMigrated(url);
      return;
    } catch (error) {
      if (!(error instanceof MissingMigrations) || Date.now() >= endMs) throw error;
    }
    await pause(migratedMs.interval);
  }
}

class MissingMigrations extends Error {}

/**
 * Checks, without changes, that the database has the latest schema; for a gateway whose role must not migrate.
 * @throws Error with advice if a migration is missing, or a newer version has removed what this one uses
 */
export async function checkMigrated(url: string): Promise<void> {
  const source = await createDataSource({ url, poolSize: 1, entities: [], maxAnswerMs }).initialize();
  try {
    await checkVersion(source);
    const done = await appliedIn(source);
    const missing = source.migrations.filter(({ name = '' }) => !done.has(name));
    if (missing.length === 0) return;
    throw new MissingMigrations(
      `The database lacks ${missing.length} of ${source.migrations.length} migrations, and MIGRATE=false or DATABASE_ENGINE=portable disables running them. ` +
        'Run `npm run likeness -- migrate` with the DATABASE_URL of the role that owns the tables.',
    );
  } finally {
    await source.destroy();
  }
}

/** `42P01`: undefined_table. */
const undefinedTable = '42P01';

async function appliedIn(source: DataSource): Promise<Set<string>> {
  try {
    const rows = await source.query<{ name: string }[]>('SELECT name FROM migrations');
    return new Set(rows.map(({ name }) => name));
  } catch (error) {
    if ((error as { code?: unknown }).code === undefinedTable) return new Set();
    throw error;
  }
}
