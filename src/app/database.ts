import { join } from 'node:path';
import type { DataSource } from 'typeorm';
import type { Config } from '../config';
import type { Logger } from '../core/logger';
import { OutageLog } from '../core/outage';
import { reasonOf } from '../core/reason';
import type { CostlyReads } from '../core/sql';
import { createDataSource } from '../database/data-source';
import { Database, isUnavailable } from '../database/database';
import { checkDirectSession, UnusableDirectUrl } from '../database/direct-session';
import { engines } from '../database/engine';
import { agreeOnEngine, checkEngineAt } from '../database/installation';
import { checkMigrated, migrateDirectly, waitUntilMigrated } from '../database/migrate';
import { explainReadOnly } from '../database/read-only';
import { ReplicaReads } from '../database/replica-reads';
import { EmbeddedKeeper } from '../embedded-postgres/embedded-postgres';
import { entities } from '../entities';
import type { Startup } from './upstream';

/**
 * How long a connection in use may be silent, in milliseconds. Longer than the time limits of statements and of idle
 * transactions; others take over the work within 30 s.
 */
const maxSilenceMs = 20_000;

/** Connections to a replica: for one scrape, and an operator's overview. */
const replicaPool = 2;

/** The database, and how it is used. */
interface OpenDatabase {
  readonly database: Database;
  /** The URL for what needs a session, such as LISTEN. */
  readonly directUrl: string;
  readonly costlyReads: CostlyReads;
  /** Null without DATABASE_REPLICA_URL. */
  readonly replica: ReplicaReads | null;
}

/** Opens the configured database, or the embedded one, with the latest schema. */
export async function openDatabase(startup: Startup): Promise<OpenDatabase> {
  const { config, shutdown, logger } = startup;
  const { DATABASE_POOL: poolSize, DATABASE_DIRECT_URL } = config;
  const outages = new OutageLog(logger, {
    begin: 'the database is unavailable',
    end: 'the database is available again',
  });
  const url = config.DATABASE_URL ?? (await startDatabase(startup));
  const directUrl = DATABASE_DIRECT_URL ?? url;
  const isPooled = DATABASE_DIRECT_URL !== undefined;
  const engine = engines[config.DATABASE_ENGINE];
  if (config.DATABASE_URL !== undefined && engine.notifies)
    await explained(() => explainReadOnly(() => checkDirectSession({ url, directUrl })));
  await prepareSchema(config, directUrl);
  const source = await createDataSource({ url, poolSize, entities, isPooled }).initialize();
  shutdown.onStop(() => source.destroy());
  const prepares = config.DATABASE_PREPARED_STATEMENTS ?? !isPooled;
  const database = new Database(source, { outages, isPooled, prepares, engine, maxSilenceMs });
  await explainReadOnly(() => agreeOnEngine(database));
  if (isPooled) await warnWithoutTimeLimit(database, logger);
  const replica = openReplica(startup, database);
  return { database, directUrl, replica, costlyReads: replica ?? { begin: () => Promise.resolve(database) } };
}

/** Costly reads on the replica of DATABASE_REPLICA_URL, which may be unavailable at the start. */
function openReplica({ config, logger, shutdown }: Startup, primary: Database): ReplicaReads | null {
  const { DATABASE_REPLICA_URL: url } = config;
  if (url === undefined) return null;
  let source: DataSource | null = null;
  shutdown.onStop(() => source?.destroy());
  const connect = async (): Promise<Database> => {
    source = await createDataSource({ url, poolSize: replicaPool, entities }).initialize();
    return new Database(source, { engine: primary.engine, maxSilenceMs });
  };
  const outages = new OutageLog(logger, {
    begin: 'the replica cannot be used or is late; costly reads use the primary',
    end: 'costly reads use the replica again',
  });
  return new ReplicaReads({ primary, connect, outages });
}

/** @param url - of the embedded database, or of one whose sessions {@link checkDirectSession} has accepted */
async function prepareSchema({ MIGRATE, DATABASE_URL, DATABASE_ENGINE }: Config, url: string): Promise<void> {
  const engine = engines[DATABASE_ENGINE];
  if (DATABASE_URL === undefined) {
    await checkEngineAt(url, engine);
    await migrateDirectly(url, undefined, engine);
  } else if (engine.migratesAtStart) {
    // First: the advice about missing migrations is a command that would also change the engine.
    await explained(() => checkEngineAt(url, engine));
    await explained(() => (MIGRATE ? migrateDirectly(url) : checkMigrated(url)));
  } else await explained(() => waitUntilMigrated(url));
}

/** Runs a part of the start; if the configured database cannot be reached, the error says so. */
async function explained(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof UnusableDirectUrl || !isUnavailable(error)) throw error;
    throw new Error(`the database at DATABASE_URL cannot be reached: ${reasonOf(error)}`, { cause: error });
  }
}

/** A time limit cannot be set for single statements through a pooler: it would apply to other clients of the session. */
async function warnWithoutTimeLimit(database: Database, logger: Logger): Promise<void> {
  const [row] = await database.rows<{ statement_timeout: string }>('SHOW statement_timeout');
  if (row!.statement_timeout !== '0') return;
  logger.warn(
    'statements through the pooler have no time limit: run ALTER ROLE … SET statement_timeout = 15000',
  );
}

async function startDatabase({ dataDir, logger, shutdown }: Startup): Promise<string> {
  const keeper = await EmbeddedKeeper.start(join(dataDir, 'postgres'), logger, shutdown.signal);
  // After a crash the database keeps running and is reused at the next start; a regular stop ends it.
  shutdown.onStop(() => keeper.stop(), true);
  return keeper.url;
}
