import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import type { Config } from '../config';
import { durationUnits, readDuration } from '../core/clock';
import type { Engine } from '../core/engine';
import { createLogger, type Logger } from '../core/logger';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { createDataSource, migrationNames } from '../database/data-source';
import { Database } from '../database/database';
import { engines } from '../database/engine';
import { findOtherEngine, findOtherEngineAt, isUnrecorded } from '../database/installation';
import { checkMigrated, migrate } from '../database/migrate';
import { findRemoval, removalCure } from '../database/required-migrations';
import { startEmbeddedPostgres } from '../embedded-postgres/embedded-postgres';
import { entities } from '../entities';
import { Wakeups } from '../events/wakeups';
import { readConfig } from '../read-config';
import { prepareDataDirectory } from '../storage/data-directory';

/** The environment of a command. */
export interface Shell {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Writes results to standard output. */
  print(text: string): void;
  /** Writes messages and errors to standard error. */
  remark(text: string): void;
  /** Shows the progress of a long command in place of the last text; empty: removes it. Absent without a terminal. */
  progress?(text: string): void;
}

/** An error that is printed to the user as one sentence. */
export class CommandError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
  }
}

/** The operator, acting on data of an owner. */
export function operatorFor(owner: string): Viewer {
  return { owner, scopes: new Set(['read', 'write', 'admin']), actor: 'operator' };
}

/** The longest lifetime of a key, in days; so that its end is a valid date. */
const maxLifetimeDays = 999_999;

/**
 * Reads how long something is valid, such as `90d`, `12h` or `30m`, in milliseconds.
 * @throws CommandError
 */
export function readLifetime(text: string): number {
  const ms = readDuration(text.trim());
  if (ms !== undefined && ms >= durationUnits.s && ms <= maxLifetimeDays * durationUnits.d) return ms;
  throw new CommandError(`"${text}" is not a duration (examples: 90d, 12h, 30m).`);
}

/** The gateway's settings and database for operator commands. The gateway may be stopped. */
export interface OperatorContext {
  config: Config;
  logger: Logger;
  dataDir: string;
  database: Database;
  /** Notifies running gateways of committed changes. */
  wakeups: Wakeups;
}

/**
 * Opens the configured database or the embedded one in DATA_DIR, which is started unless a gateway runs it. Closes it
 * when `work` has ended.
 * @param isFirst - whether to create and migrate the database if necessary, like a gateway at startup; a function
 * migrates it in another way. Read-only commands must not change the database.
 * @throws CommandError if the processes of the database have another engine than the settings, or a newer version has removed what
 * this one uses
 */
export function withDatabase<Result>(
  shell: Shell,
  work: (context: OperatorContext) => Promise<Result>,
  isFirst?: boolean | ((url: string, engine: Engine) => Promise<void>),
): Promise<Result> {
  const checked = async (context: OperatorContext): Promise<Result> => {
    await requireEngine(context.database);
    await requireVersion(context.database);
    return work(context);
  };
  return withAnyDatabase(shell, checked, isFirst);
}

async function requireEngine(sql: Sql): Promise<void> {
  refuseOther(
    await findOtherEngine(sql).catch((error: unknown) => {
      if (isUnrecorded(error)) return null;
      throw error;
    }),
  );
}

/** Commands of a version that no longer starts would write incomplete rows. */
async function requireVersion(sql: Sql): Promise<void> {
  const problem = await findRemoval((text) => sql.rows(text), migrationNames);
  if (problem !== null) throw new CommandError(`${problem} ${removalCure}`);
}

function refuseOther(other: Awaited<ReturnType<typeof findOtherEngine>>): void {
  if (other !== null) throw new CommandError(`${other.problem} ${other.cure}`);
}

/**
 * As {@link withDatabase}, also if the processes of the database have another engine than the settings. With `isFirst` it is then
 * refused, before it is migrated.
 */
export async function withAnyDatabase<Result>(
  shell: Shell,
  work: (context: OperatorContext) => Promise<Result>,
  isFirst: boolean | ((url: string, engine: Engine) => Promise<void>) = false,
): Promise<Result> {
  const config = readConfig(shell.environment);
  const logger = createLogger('silent');
  const dataDir = resolve(config.DATA_DIR);
  const engine = engines[config.DATABASE_ENGINE];
  const found = findDatabase(config, dataDir, isFirst !== false, () => {
    if (isFirst === true) shell.remark(newDatabase(dataDir));
  });
  const release = closeOnSignal(async () => (await found).close());
  const { url, close } = await found.catch((error: unknown) => {
    release();
    throw error;
  });
  try {
    if (isFirst !== false) refuseOther(await findOtherEngineAt(url, engine));
    if (typeof isFirst === 'function') await isFirst(url, engine);
    else if (isFirst) await (config.MIGRATE ? migrate(url, undefined, engine) : checkMigrated(url));
    const source = await createDataSource({ url, poolSize: 2, entities }).initialize();
    const wakeups = new Wakeups({ url: engine.notifies ? url : null, logger });
    try {
      await wakeups.start();
      const database = new Database(source, { engine });
      return await work({ config, logger, dataDir, database, wakeups });
    } finally {
      await wakeups.stop();
      await source.destroy();
    }
  } finally {
    release();
    await close();
  }
}

/**
 * A signal that the command does not handle ends it, and the server that it has started.
 * @returns a function that removes the handlers
 */
function closeOnSignal(close: () => Promise<void>): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    if (process.listenerCount(signal) > 1) return;
    void close().finally(() => process.exit(128 + constants.signals[signal]));
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

const newDatabase = (dataDir: string): string =>
  `A database is created in ${dataDir}. If the gateway uses another, set DATA_DIR or DATABASE_URL as for the gateway, ` +
  'and run the command again.';

async function findDatabase(
  { DATABASE_URL, DATABASE_DIRECT_URL: url = DATABASE_URL }: Config,
  dataDir: string,
  isFirst: boolean,
  onNew: () => void,
): Promise<{ url: string; close: () => Promise<void> }> {
  if (url !== undefined) return { url, close: () => Promise.resolve() };
  const dir = join(dataDir, 'postgres');
  const isNew = !existsSync(dir);
  if (isNew && !isFirst) {
    throw new CommandError(
      `There is no database in ${dataDir}. Set DATA_DIR or DATABASE_URL as for the gateway.`,
    );
  }
  if (isFirst) await prepareDataDirectory(dataDir);
  if (isNew) onNew();
  const server = await startEmbeddedPostgres({ dir, durable: true });
  return { url: server.url, close: () => server.stop() };
}
