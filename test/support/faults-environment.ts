import { join } from 'node:path';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/sandbox';
import { jwtSettings, tokenOf } from './client';
import { TestDatabase, testEngine } from './database';
import { Environment, newDataDir } from './environment';
import { HistoryChecker } from './faults-history';
import { GatewayProcess } from './faults-process';
import { crashPostgres } from './processes';
import { RecordingClient } from './recording-client';

/** Options of an environment. */
export interface EnvironmentOptions {
  /** Settings of every gateway, in addition to {@link baseSettings}. */
  settings?: Readonly<Record<string, string>>;
  /** Options of the sandbox, in addition to its speed. */
  sandbox?: SandboxOptions;
  /** Whether it has its own PostgreSQL, which can be killed; otherwise a database on the shared server. */
  ownPostgres?: boolean;
  /** A database of the caller's, instead of both. */
  databaseUrl?: string;
  /** How many gateways share the environment. @defaultValue 1 */
  gateways?: number;
  /**
   * The owners, with `AUTH=jwt`; the first is {@link FaultsEnvironment.client}.
   * @defaultValue one viewer, with `AUTH=none`
   */
  owners?: readonly string[];
  /**
   * How many subscriptions follow the jobs at once, for the history checker; 0 checks no history.
   * @defaultValue 10
   */
  maxFollowed?: number;
  /** Each gateway's limit of open files. @defaultValue that of this process */
  openFiles?: number;
}

/** The processes that are killed. */
export type Crash = 'gateway' | 'postgres' | 'both';

/** The maximum number of attempts to start a gateway. */
const startTries = 5;

/** A training takes half a second. */
const sandboxSpeed = 2_400;

/** Results are kept for longer than any test: a busy machine may fetch them late, and they cannot be replaced. */
const retentionMs = 3_600_000;

/**
 * Short leases and grace periods, so that what takes half an hour in production takes seconds; defaults otherwise. The first
 * poll of a training is after a second, of a generation after 67 ms.
 */
const baseSettings = {
  DATABASE_ENGINE: testEngine.name,
  UPSTREAM: 'picsart',
  PRICES: ['picsart', 'sandbox']
    .flatMap((name) => ['training', 'generation', 'instant'].map((work) => `${name}.${work}=1`))
    .join(),
  POLL_SPEED: '300',
  LEASE: '2s',
  ACCOUNT_PROBE_INTERVAL: '1s',
  UNCERTAIN_GRACE: '5s',
  SUBMIT_TIMEOUT: '10s',
  POLL_TIMEOUT: '3s',
  SHUTDOWN_DRAIN: '0s',
  SHUTDOWN_GRACE: '1s',
  RATE_LIMIT_OWNER: 'off',
  RATE_LIMIT_ADDRESS: 'off',
  GRAPHIQL: 'false',
  LOG_LEVEL: 'info',
};

/** An environment with gateways as processes, and an upstream that is never killed. */
export class FaultsEnvironment extends Environment {
  /** One client per owner. */
  readonly clients: readonly RecordingClient[];
  readonly gateways: GatewayProcess[] = [];
  /** The data directories of all gateways. */
  readonly dataDirs = new Set<string>();
  /** The folder of the installation of gateways that start from now on; undefined: this one. */
  installed: string | undefined = undefined;
  private own: EmbeddedPostgres | null = null;
  private shared: TestDatabase | null = null;

  private constructor(
    dataDir: string,
    readonly sandbox: Sandbox,
    private readonly options: EnvironmentOptions,
    readonly checker: HistoryChecker,
    private readonly tokens: ReadonlyMap<string, string | null>,
  ) {
    super(dataDir);
    this.clients = [...tokens.keys()].map((owner) => this.clientOf(() => this.gateway, owner));
  }

  /** Creates an environment and starts its gateways. */
  static async open(options: EnvironmentOptions = {}): Promise<FaultsEnvironment> {
    const dataDir = await newDataDir();
    const checker = new HistoryChecker(options.maxFollowed);
    const sandbox = await startSandbox({
      onExecuted: checker.onExecuted,
      speed: sandboxSpeed,
      retentionMs,
      rateLimit: { requests: 100_000, windowMs: 1_000 },
      maxPictureSize: 128,
      ...options.sandbox,
      ...(options.settings?.UPSTREAM === 'sandbox' && { dir: join(dataDir, 'sandbox') }),
    });
    const environment = new FaultsEnvironment(
      dataDir,
      sandbox,
      options,
      checker,
      await tokensOf(options.owners),
    );
    try {
      await environment.openDatabase();
      while (environment.gateways.length < (options.gateways ?? 1)) await environment.addGateway();
      return environment;
    } catch (error) {
      await environment.stop();
      throw error;
    }
  }

  get url(): string {
    return this.gateway.url;
  }

  /** The first gateway, which the client uses. */
  get gateway(): GatewayProcess {
    return this.gateways[0]!;
  }

  /** The client of the first owner. */
  get client(): RecordingClient {
    return this.clients[0]!;
  }

  /** A client of an owner (by default the first) for one gateway. */
  clientOf(gateway: () => Pick<GatewayProcess, 'url'>, owner = [...this.tokens.keys()][0]!): RecordingClient {
    return new RecordingClient(() => gateway().url, {
      owner,
      token: this.tokens.get(owner) ?? null,
      history: this.checker.history,
      onAcknowledged: (client, id, target) => {
        this.follow(client, id, 'progress');
        if (target?.startsWith('model_')) this.follow(client, target, 'avatars');
      },
    });
  }

  /** The URL of a random gateway. */
  readonly anyGateway = (): string => this.gateways[Math.floor(Math.random() * this.gateways.length)]!.url;

  get databaseUrl(): string {
    return this.options.databaseUrl ?? this.own?.url ?? this.shared!.url;
  }

  /** Starts another gateway. */
  async addGateway(settings: Readonly<Record<string, string>> = {}): Promise<GatewayProcess> {
    const gateway = await this.startGateway(settings);
    this.gateways.push(gateway);
    return gateway;
  }

  /**
   * Restarts a killed gateway at its port. Like a supervisor, tries again if the gateway
   * fails to start, since PostgreSQL may be unavailable.
   */
  async restartGateway(index = 0, settings: Readonly<Record<string, string>> = {}): Promise<void> {
    const { port } = this.gateways[index]!;
    for (let left = startTries; ; left -= 1) {
      try {
        this.gateways[index] = await this.startGateway({ ...settings, PORT: port });
        return;
      } catch (error) {
        if (left === 1) throw error;
      }
    }
  }

  /** Kills PostgreSQL with SIGKILL. */
  async crashPostgres(): Promise<void> {
    await crashPostgres(this.own!.pid);
  }

  /** Starts PostgreSQL, after a crash at the same port. */
  async startPostgres(): Promise<void> {
    this.own = await startEmbeddedPostgres({ dir: join(this.dataDir, 'postgres'), durable: true });
  }

  /** The number of paid calls of all kinds that the upstream has executed. */
  async paid(): Promise<number> {
    const { trainings, generations, instants } = await this.sandbox.counts();
    return trainings + generations + instants;
  }

  /** Resets budgets, pauses and circuits. */
  async freshBudget(): Promise<void> {
    await this.rows(
      `UPDATE upstream_accounts SET poll_failing = '{}', submit_failing = '{}', reach_failing = '{}', paused_until = NULL,
              submit_tokens = 1000, poll_tokens = 1000`,
    );
  }

  /** Removes all pending faults. */
  async clearFaults(): Promise<void> {
    const headers = { 'x-picsart-api-key': this.sandbox.apiKey };
    await fetch(new URL('/sandbox/faults', this.sandbox.url), { method: 'DELETE', headers });
  }

  protected async halt(): Promise<void> {
    await Promise.all(this.gateways.map(async (gateway) => gateway.isRunning && gateway.kill()));
    await this.checker.stop();
    await this.sandbox.stop();
    await this.own?.stop().catch(() => undefined);
    await this.shared?.drop();
  }

  private async openDatabase(): Promise<void> {
    if (this.options.databaseUrl !== undefined) return;
    if (this.options.ownPostgres) await this.startPostgres();
    else this.shared = await TestDatabase.create();
  }

  private follow({ options }: RecordingClient, subject: string, kind: 'progress' | 'avatars'): void {
    const { owner, token = null } = options;
    this.checker.follow({ owner, token, subject, kind, gateway: this.anyGateway });
  }

  private startGateway(settings: Readonly<Record<string, string>>): Promise<GatewayProcess> {
    const environment = {
      ...baseSettings,
      PICSART_BASE_URL: this.sandbox.url,
      PICSART_API_KEY: this.sandbox.apiKey,
      DATA_DIR: this.dataDir,
      DATABASE_URL: this.databaseUrl,
      // The built-in sandbox fetches photos for a minute, and the grace period must not be shorter.
      ...(this.options.settings?.UPSTREAM === 'sandbox' && { UNCERTAIN_GRACE: '60s' }),
      ...(this.options.owners && { ...jwtSettings, JWT_ALLOW_ANY_AUDIENCE: 'true' }),
      ...this.options.settings,
      ...settings,
    };
    this.dataDirs.add(environment.DATA_DIR);
    return GatewayProcess.start(environment, this.options.openFiles, this.installed);
  }
}

/** A token for each owner; null for the single viewer without authentication. */
async function tokensOf(owners: readonly string[] | undefined): Promise<Map<string, string | null>> {
  if (!owners) return new Map([['viewer', null]]);
  return new Map(await Promise.all(owners.map(async (owner) => [owner, await tokenOf(owner)] as const)));
}
