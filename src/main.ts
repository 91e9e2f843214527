import './core/thread-pool';
import 'reflect-metadata';
import { resolve } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { App } from './app/app';
import { settingNames, type Config } from './config';
import { DomainError, isDiskFull } from './core/errors';
import { createLogger, type Logger } from './core/logger';
import { reasonOf } from './core/reason';
import { Shutdown } from './core/shutdown';
import { checkAddress } from './http/address-check';
import { ConfigError, readConfig } from './read-config';
import { unknownSettings } from './unknown-settings';

/** Starts the gateway and stops it on SIGTERM or SIGINT, or when its terminal is closed, also during startup. */
async function main(): Promise<void> {
  const startedAt = performance.now();
  const config = settings();
  const logger = createLogger(config.LOG_LEVEL);
  const shutdown = new Shutdown(logger);
  const onSignal = (signal: NodeJS.Signals): void => {
    if (shutdown.signal.aborted) {
      // When a terminal is closed, the shell and the system send one each.
      if (signal === 'SIGHUP') return;
      logger.warn({ signal }, 'terminating immediately; running requests and work are interrupted');
      void shutdown.abort().then(() => process.exit(1));
      return;
    }
    logger.info({ signal }, 'shutting down; a second signal terminates immediately');
    void shutdown.stop().then(() => process.exit(0));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  // A full disk or a closed terminal must not end the process.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => undefined);
  // A rejection without a handler arrives here too. The state of the process is unknown, so it must not continue.
  process.once('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'uncaught error; the process exits');
    void shutdown.abort().finally(() => process.exit(1));
  });
  let app: App;
  try {
    await prepare(config, logger);
    // Loaded here, because it takes most of a second.
    const { startApp } = await import('./app/app');
    app = await startApp(config, logger, shutdown);
  } catch (error) {
    // Shutdown was requested during startup: `stop` exits the process.
    if (shutdown.signal.aborted) return;
    process.stderr.write(`Likeness cannot start: ${messageOf(error, config)}\n`);
    logger.debug({ err: error }, 'Likeness could not start');
    process.exit(1);
  }
  const ms = Math.round(performance.now() - startedAt);
  logger.info({ ms, upstream: config.UPSTREAM }, 'Likeness is ready');
  announce(config, app);
}

/** The message of an error, and that of its cause if the error names none: what is wrong with the bucket. */
function messageOf(error: unknown, { DATA_DIR }: Config): string {
  if (isDiskFull(error))
    return `the disk of DATA_DIR ${resolve(DATA_DIR)} is full. Free space, then start again.`;
  if (!(error instanceof Error)) return String(error);
  const isVague = error instanceof DomainError && error.cause instanceof Error;
  return isVague ? `${error.message} (${reasonOf(error.cause)})` : error.message;
}

/** Reports what the start does, and what cannot be meant by the settings, before anything is loaded or created. */
async function prepare(config: Config, logger: Logger): Promise<void> {
  for (const { name, nearest } of unknownSettings(process.env, settingNames)) {
    logger.warn({ setting: name, nearest }, 'unknown setting: it has no effect');
  }
  await checkAddress(config.HOST, config.PORT);
  if (config.METRICS_PORT !== undefined)
    await checkAddress(config.METRICS_HOST, config.METRICS_PORT, 'METRICS_');
  const database = config.DATABASE_URL === undefined ? config.DATA_DIR : 'DATABASE_URL';
  logger.info({ database, host: config.HOST, port: config.PORT }, 'Preparing the database …');
  // Lets the logger write.
  await turn();
}

function settings(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

function announce(config: Config, { url }: App): void {
  const isApi = config.ROLE !== 'worker';
  const lines = [
    `Likeness is ready: ${url}/${config.STUDIO && isApi ? '  (studio)' : ''}`,
    ...(config.GRAPHIQL && isApi ? [`GraphiQL: ${url}/graphiql`] : []),
    ...(config.UPSTREAM === 'sandbox'
      ? [
          'The upstream is the sandbox: avatars are made from your photos without AI. Set PICSART_API_KEY to use Picsart.',
        ]
      : []),
  ];
  // Standard output has only lines of JSON unless a person reads it.
  const output = process.stdout.isTTY ? process.stdout : process.stderr;
  output.write(`\n${lines.join('\n')}\n\n`);
}

void main();
