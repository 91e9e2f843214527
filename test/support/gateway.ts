import { startApp, type App } from '../../src/app/app';
import { readConfig } from '../../src/config';
import { createLogger } from '../../src/core/logger';
import type { Sandbox } from '../../src/sandbox/sandbox';
import { TestDatabase } from './database';
import { Environment, newDataDir, type Settings } from './environment';

/**
 * At this speed a training takes 0.6 s, a generation 30 ms, and results are available for 86 s. A higher speed does not help:
 * polling pauses for up to half a second.
 */
const sandboxSpeed = 2_000;

/** An environment with the gateway in this process. */
export class TestGateway extends Environment {
  /** The log: warnings and errors, unless LOG_LEVEL is set. */
  readonly log: Record<string, unknown>[] = [];
  private app: App | null = null;
  private port = '0';

  private constructor(
    readonly database: TestDatabase,
    dataDir: string,
    private readonly settings: Settings,
    private readonly proxiedUrl: string,
  ) {
    super(dataDir);
  }

  /**
   * Starts a gateway on a free port.
   * @param proxyUrl - maps the database URL to the one that the gateway uses
   */
  static async start(
    settings: Settings = {},
    proxyUrl: (databaseUrl: string) => Promise<string> = (url) => Promise.resolve(url),
  ): Promise<TestGateway> {
    const database = await TestDatabase.create();
    const gateway = new TestGateway(database, await newDataDir(), settings, await proxyUrl(database.url));
    try {
      await gateway.begin();
      return gateway;
    } catch (error) {
      await gateway.stop();
      throw error;
    }
  }

  get url(): string {
    return this.running.url;
  }

  get databaseUrl(): string {
    return this.database.url;
  }

  get sandbox(): Sandbox {
    return this.running.sandbox!;
  }

  /** Stops the gateway as SIGTERM does, and starts it again with the same data and port. */
  async restart(): Promise<void> {
    await this.end();
    await this.begin();
  }

  /** Stops the gateway as SIGTERM does; its data are kept. */
  async end(): Promise<void> {
    const { app } = this;
    this.app = null;
    await app?.stop();
  }

  /** Starts a stopped gateway. */
  async begin(): Promise<void> {
    const config = readConfig({
      HOST: '127.0.0.1',
      PORT: this.port,
      DATABASE_URL: this.proxiedUrl,
      DATA_DIR: this.dataDir,
      SANDBOX_SPEED: String(sandboxSpeed),
      SHUTDOWN_GRACE: '2s',
      LOG_LEVEL: 'warn',
      JWT_ALLOW_ANY_AUDIENCE: 'true',
      ...this.settings,
    });
    const logger = createLogger(config.LOG_LEVEL, {
      write: (line: string) => void this.log.push(JSON.parse(line) as Record<string, unknown>),
    });
    this.app = await startApp(config, logger);
    this.port = new URL(this.app.url).port;
  }

  protected async halt(): Promise<void> {
    await this.end();
    await this.database.drop();
  }

  private get running(): App {
    if (!this.app) throw new Error('The gateway is not running.');
    return this.app;
  }
}
