import { rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { startApp, type App } from '../../src/app/app';
import { createLogger } from '../../src/core/logger';
import { readConfig } from '../../src/read-config';
import type { Sandbox } from '../../src/sandbox/sandbox';
import { mediaPath } from '../../src/storage/disk-store';
import { Client, uuidOf } from './client';
import { TestDatabase } from './database';
import { Environment, newDataDir, type Settings } from './environment';
import { StatementWatch } from './statements';

/**
 * At this speed a training takes 0.6 s, a generation 30 ms, and results are available for 86 s. A higher speed does not help:
 * polling pauses for up to half a second.
 */
const sandboxSpeed = 2_000;

/** Options of a {@link TestGateway}. */
export interface TestGatewayOptions {
  /** Records the statements of the gateway: see {@link TestGateway.watch}.
   *  @defaultValue false */
  watchesStatements?: boolean;
  /** Called with the URL of the new database before the gateway starts. */
  prepare?: (databaseUrl: string) => Promise<void>;
}

/** An environment with the gateway in this process. */
export class TestGateway extends Environment {
  /** The log: warnings and errors, unless LOG_LEVEL is set. */
  readonly log: Record<string, unknown>[] = [];
  /** Sends requests without authentication. */
  readonly client = new Client(() => this.url);
  private readonly others: TestGateway[] = [];
  private app: App | null = null;
  private port = '0';

  private constructor(
    readonly database: TestDatabase,
    dataDir: string,
    private settings: Settings,
    private readonly recorder: StatementWatch | null,
  ) {
    super(dataDir);
  }

  /** Starts a gateway on a free port, with a database of its own. */
  static async start(
    settings: Settings = {},
    { watchesStatements = false, prepare }: TestGatewayOptions = {},
  ): Promise<TestGateway> {
    const database = await TestDatabase.create();
    const recorder = watchesStatements ? await StatementWatch.start(database.settings.DATABASE_URL) : null;
    const gateway = new TestGateway(database, await newDataDir(), settings, recorder);
    try {
      await prepare?.(database.url);
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

  /** The URL of the server of METRICS_PORT. */
  get metricsUrl(): string {
    return this.running.metricsUrl!;
  }

  get databaseUrl(): string {
    return this.database.url;
  }

  get sandbox(): Sandbox {
    return this.running.sandbox!;
  }

  /** The statements of a gateway with the option `watchesStatements`. */
  get watch(): StatementWatch {
    return this.recorder!;
  }

  /**
   * Starts another gateway on the same database and store; it stops with this one.
   * @param settings - in addition to those of this gateway
   */
  async startAnother(settings: Settings): Promise<TestGateway> {
    const dataDir = await newDataDir();
    await symlink(this.mediaDir, join(dataDir, 'media'));
    const another = new TestGateway(this.database, dataDir, { ...this.settings, ...settings }, null);
    this.others.push(another);
    await another.begin();
    return another;
  }

  /**
   * Stops the gateway as SIGTERM does, and starts it again with the same data and port.
   * @param settings - in addition to the previous ones
   */
  async restart(settings: Settings = {}): Promise<void> {
    await this.end();
    this.settings = { ...this.settings, ...settings };
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
      ...this.database.settings,
      ...(this.recorder && { DATABASE_URL: this.recorder.url }),
      DATA_DIR: this.dataDir,
      SANDBOX_SPEED: String(sandboxSpeed),
      SHUTDOWN_DRAIN: '0s',
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

  /** Writes a failure to the database, since a real one takes long. */
  async failJob(table: 'models' | 'generations', id: string, isRetryable = true): Promise<void> {
    await this.rows(
      `UPDATE ${table} SET status = 'FAILED', due_at = NULL, failure_code = 'UPSTREAM_FAILED',
         failure_message = 'It failed.', failure_retryable = $2 WHERE id = $1`,
      [uuidOf(id), isRetryable],
    );
  }

  /** Moves the bytes of a photo to the media key that a later try to store it would have. */
  async moveToLaterKey(photoId: string): Promise<void> {
    const id = uuidOf(photoId);
    await this.rows("UPDATE photos SET media_token = 'later' WHERE id = $1", [id]);
    const path = (name: string): string => join(this.mediaDir, mediaPath(`photos/${id}${name}.jpg`));
    await rename(path(''), path('.later'));
  }

  protected async halt(): Promise<void> {
    await Promise.all(this.others.splice(0).map((another) => another.stop()));
    await this.end();
    await this.recorder?.stop();
    await this.database.drop();
  }

  private get running(): App {
    if (!this.app) throw new Error('The gateway is not running.');
    return this.app;
  }
}
