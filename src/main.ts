import 'reflect-metadata';
import { startApp, type App } from './app';
import { ConfigError, readConfig, type Config } from './config';
import { createLogger } from './core/logger';

/** Starts the gateway and ends it when it is told to. */
async function main(): Promise<void> {
  const startedAt = performance.now();
  const config = settings();
  const logger = createLogger(config.LOG_LEVEL);
  let app: App | undefined;
  let isStopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    // Whoever asks twice does not want to wait.
    if (isStopping) process.exit(1);
    isStopping = true;
    logger.info({ signal }, 'stopping; a second signal ends at once');
    void app?.stop().then(() => process.exit(0));
    if (!app) process.exit(0);
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  try {
    app = await startApp(config, logger);
  } catch (error) {
    // Whoever starts it by hand reads a sentence; the stack is for who asks for it.
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
          'The upstream is the sandbox: pictures are made from your photos without AI. Set PICSART_API_KEY for the real one.',
        ]
      : []),
  ];
  process.stdout.write(`\n${lines.join('\n')}\n\n`);
}

void main();
