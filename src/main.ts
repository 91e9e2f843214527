import './core/thread-pool';
import 'reflect-metadata';
import { startApp, type App } from './app/app';
import { ConfigError, readConfig, type Config } from './config';
import { createLogger } from './core/logger';
import { Shutdown } from './core/shutdown';

/** Starts the gateway and stops it on SIGTERM or SIGINT, also during startup. */
async function main(): Promise<void> {
  const startedAt = performance.now();
  const config = settings();
  const logger = createLogger(config.LOG_LEVEL);
  const shutdown = new Shutdown(logger);
  const onSignal = (signal: NodeJS.Signals): void => {
    if (shutdown.signal.aborted) {
      logger.warn({ signal }, 'terminating immediately; running requests and work are interrupted');
      void shutdown.abort().then(() => process.exit(1));
      return;
    }
    logger.info({ signal }, 'shutting down; a second signal terminates immediately');
    void shutdown.stop().then(() => process.exit(0));
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  // A rejection without a handler arrives here too. The state of the process is unknown, so it must not continue.
  process.once('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'uncaught error; the process exits');
    void shutdown.abort().finally(() => process.exit(1));
  });
  let app: App;
  try {
    app = await startApp(config, logger, shutdown);
  } catch (error) {
    // Shutdown was requested during startup: `stop` exits the process.
    if (shutdown.signal.aborted) return;
    process.stderr.write(
      `Likeness cannot start: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    logger.debug({ err: error }, 'Likeness could not start');
    process.exit(1);
  }
  const ms = Math.round(performance.now() - startedAt);
  logger.info({ ms, upstream: config.UPSTREAM }, 'Likeness is ready');
  announce(config, app);
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
  const showsGraphiql = config.GRAPHIQL && config.ROLE !== 'worker';
  const lines = [
    `Likeness is ready: ${url}/${showsGraphiql ? '  (GraphiQL)' : ''}`,
    ...(config.UPSTREAM === 'sandbox'
      ? [
          'The upstream is the sandbox: avatars are made from your photos without AI. Set PICSART_API_KEY to use Picsart.',
        ]
      : []),
  ];
  process.stdout.write(`\n${lines.join('\n')}\n\n`);
}

void main();
