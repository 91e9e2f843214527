import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../src/core/free-port';
import { readAll } from '../contract/media-store-suite';
import { Balancer } from '../support/balancer';
import { FaultsEnvironment } from '../support/faults-environment';
import type { PictureStore } from '../support/faults-pictures';
import { Pooler } from '../support/pooler';
import { RedisServer } from '../support/redis-server';
import { S3Server } from '../support/s3-server';
import { rowsAt } from '../support/test-server';
import { eventually, until } from '../support/until';

/** The lease of the processes, in milliseconds. */
export const leaseMs = 2_000;

/** The first two serve the API, the others do the work. */
export const roles = ['api', 'api', 'worker', 'worker'] as const;

/** The bucket of the processes. It does not exist before they start. */
const bucket = 'several-machines';

/**
 * Two API processes behind a load balancer and two workers, each with a data directory of its own, on PostgreSQL behind
 * pgbouncer, Redis and an S3 server.
 */
export class Machines {
  private readonly ports: string[] = [];
  private pooler!: Pooler;
  private balancer!: Balancer;

  private constructor(
    readonly environment: FaultsEnvironment,
    readonly redis: RedisServer,
    private readonly s3: S3Server,
  ) {}

  static async start(owners: readonly string[]): Promise<Machines> {
    const [environment, redis, s3] = await Promise.all([
      FaultsEnvironment.open({
        ...{ gateways: 0, ownPostgres: true, maxFollowed: 1, sandbox: { speed: 1_200 }, owners },
      }),
      RedisServer.start(),
      S3Server.start(),
    ]);
    const machines = new Machines(environment, redis, s3);
    await machines.begin();
    return machines;
  }

  /** The URL of the load balancer. */
  get url(): string {
    return this.balancer.url;
  }

  /** The pictures in the bucket. */
  get pictures(): PictureStore {
    const store = this.s3.store(bucket);
    return {
      keys: async () => {
        const keys: string[] = [];
        for await (const key of store.list('', 0)) keys.push(key);
        return keys;
      },
      read: (key) => readAll(store, key),
    };
  }

  /** Starts a process again. */
  async restart(index: number): Promise<void> {
    await this.environment.restartGateway(index, this.settingsOf(index));
    if (roles[index] === 'api') await until(() => this.balancer.isReady(this.ports[index]!));
  }

  /** Stops processes as a rollout does and starts them again. */
  async replace(...indexes: number[]): Promise<void> {
    await Promise.all(
      indexes.map(async (index) => {
        const gateway = this.environment.gateways[index]!;
        gateway.signal('SIGTERM');
        const code = await gateway.exitCode();
        if (code !== 0) throw new Error(`Process ${index} has ended with exit code ${code}.`);
        await this.restart(index);
      }),
    );
  }

  /** SIGSTOP: processes keep their connections and do nothing, until SIGCONT. */
  signal(name: 'SIGSTOP' | 'SIGCONT', ...indexes: number[]): void {
    for (const index of indexes) this.environment.gateways[index]!.signal(name);
  }

  /** Waits until PostgreSQL can be used, after it was started again. */
  async untilConnected(): Promise<void> {
    // The pooler connects again only after its `server_login_retry`; a gateway that starts meanwhile would end.
    const { databaseUrl } = this.environment;
    await eventually(
      'an answer through the pooler',
      () => rowsAt(this.pooler.urlOf(databaseUrl), 'SELECT 1').catch(() => null),
      (rows) => rows !== null,
    );
  }

  /** Waits until all processes use Redis, or none does. */
  async untilRedisIs(used: boolean): Promise<void> {
    await eventually(
      used ? 'the use of Redis' : 'the loss of Redis',
      () => Promise.all(this.environment.gateways.map((gateway) => gateway.metric('likeness_redis_up'))),
      (values) => values.every((value) => value === Number(used)),
    );
  }

  async stop(): Promise<void> {
    await this.environment.stop();
    await this.balancer.stop();
    await Promise.all([this.pooler.stop(), this.redis.stop(), this.s3.stop()]);
  }

  private async begin(): Promise<void> {
    const { environment, ports } = this;
    this.pooler = await Pooler.start(environment.databaseUrl, 8);
    while (ports.length < roles.length) ports.push(String(await freePort()));
    const served = ports.filter((_, index) => roles[index] === 'api');
    this.balancer = await Balancer.start(served);
    for (const [index, PORT] of ports.entries()) {
      const settings = this.settingsOf(index);
      await mkdir(settings.DATA_DIR);
      await environment.addGateway({ ...settings, PORT });
    }
    await until(() => served.every((port) => this.balancer.isReady(port)));
  }

  private settingsOf(index: number): Readonly<Record<string, string>> & { DATA_DIR: string } {
    const { environment, pooler, redis, s3, balancer } = this;
    return {
      ...s3.settings(bucket),
      DATABASE_URL: pooler.urlOf(environment.databaseUrl),
      DATABASE_DIRECT_URL: environment.databaseUrl,
      DATABASE_POOL: '5',
      REDIS_URL: redis.url,
      PUBLIC_URL: balancer.url,
      LEASE: `${leaseMs}ms`,
      SHUTDOWN_DRAIN: '500ms',
      SIGNING_SECRETS: 'a secret that all of the machines share',
      UPSTREAM_REQUESTS_PER_MINUTE: '100000',
      ROLE: roles[index]!,
      DATA_DIR: join(environment.dataDir, `machine-${index}`),
    };
  }
}
