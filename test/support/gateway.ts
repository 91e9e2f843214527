import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApp, type App } from '../../src/app/app';
import { readConfig } from '../../src/config';
import { createLogger } from '../../src/core/logger';
import type { Sandbox } from '../../src/sandbox/sandbox';
import { TestDatabase } from './database';

/** Settings as environment variables. */
export type Settings = Readonly<Record<string, string | undefined>>;

/**
 * At this speed a training takes 0.6 s, a generation 30 ms, and results are available for 86 s. A higher speed does not help:
 * polling pauses for up to half a second.
 */
const sandboxSpeed = 2_000;

/** A complete gateway in this process, with the sandbox as its upstream and its own database and data directory. */
export class TestGateway {
  /** The log: warnings and errors, unless LOG_LEVEL is set. */
  readonly log: Record<string, unknown>[] = [];
  private app: App | null = null;
  private port = '0';

  private constructor(
    readonly database: TestDatabase,
    /** Contains the media, the journal and the memory of the sandbox. */
    readonly dataDir: string,
    private readonly settings: Settings,
    private readonly databaseUrl: string,
  ) {}

  /**
   * Starts a gateway on a free port.
   * @param proxyUrl - maps the database URL to the one that the gateway uses
   */
  static async start(
    settings: Settings = {},
    proxyUrl: (databaseUrl: string) => Promise<string> = (url) => Promise.resolve(url),
  ): Promise<TestGateway> {
    const database = await TestDatabase.create();
    const dataDir = await mkdtemp(join(tmpdir(), 'likeness-gateway-'));
    const gateway = new TestGateway(database, dataDir, settings, await proxyUrl(database.url));
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
      DATABASE_URL: this.databaseUrl,
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

  /** The unordered names of all files in the media store. */
  async mediaFiles(): Promise<string[]> {
    const entries = await readdir(join(this.dataDir, 'media'), { withFileTypes: true, recursive: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  }

  /** Stops the gateway and removes its data. */
  async stop(): Promise<void> {
    await this.end();
    await this.database.drop();
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 3 });
  }

  private get running(): App {
    if (!this.app) throw new Error('The gateway is not running.');
    return this.app;
  }
}
