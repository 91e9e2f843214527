import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readConfig, type Config } from '../config';
import { createLogger, type Logger } from '../core/logger';
import { createDataSource } from '../database/data-source';
import { Database } from '../database/database';
import { checkMigrated, migrate } from '../database/migrate';
import { startEmbeddedPostgres } from '../embedded-postgres/embedded-postgres';
import { entities } from '../entities';
import { Wakeups } from '../events/wakeups';
import { CommandError, type Shell } from './shell';

/** What an operator's commands stand on: the gateway's settings and its database, whether it runs or not. */
export interface OperatorContext {
  config: Config;
  logger: Logger;
  dataDir: string;
  database: Database;
  /** Tells the gateways that run of what was committed. */
  wakeups: Wakeups;
}

/**
 * Opens the database of the settings, or the embedded one in DATA_DIR, which is attached to if a gateway runs it, and
 * else started; closes what it opened when the work is done.
 * @param isFirst - whether this may be the very first thing that happens to the database: it is made, and brought to
 * the newest schema as a gateway would at its start. Otherwise neither: looking at a database must not change it.
 */
export async function withDatabase<Result>(
  shell: Shell,
  work: (context: OperatorContext) => Promise<Result>,
  isFirst = false,
): Promise<Result> {
  const config = readConfig(shell.environment);
  const logger = createLogger('silent');
  const dataDir = resolve(config.DATA_DIR);
  const { url, close } = await findDatabase(config, dataDir, isFirst);
  try {
    if (isFirst) await (config.MIGRATE ? migrate(url) : checkMigrated(url));
    return await onDatabase(url, logger, (database, wakeups) =>
      work({ config, logger, dataDir, database, wakeups }),
    );
  } finally {
    await close();
  }
}

async function findDatabase(
  { DATABASE_URL: url }: Config,
  dataDir: string,
  isFirst: boolean,
): Promise<{ url: string; close: () => Promise<void> }> {
  if (url !== undefined) return { url, close: () => Promise.resolve() };
  const dir = join(dataDir, 'postgres');
  if (!isFirst && !existsSync(dir)) {
    throw new CommandError(
      `There is no database in ${dataDir}. Set DATA_DIR or DATABASE_URL to the gateway's own.`,
    );
  }
  const server = await startEmbeddedPostgres({ dir, durable: true });
  return { url: server.url, close: () => server.stop() };
}

async function onDatabase<Result>(
  url: string,
  logger: Logger,
  work: (database: Database, wakeups: Wakeups) => Promise<Result>,
): Promise<Result> {
  const source = await createDataSource({ url, poolSize: 2, entities }).initialize();
  try {
    const wakeups = new Wakeups({ url, logger });
    await wakeups.start();
    try {
      return await work(new Database(source), wakeups);
    } finally {
      await wakeups.stop();
    }
  } finally {
    await source.destroy();
  }
}
