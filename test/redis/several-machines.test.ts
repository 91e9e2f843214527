import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../../src/core/free-port';
import { S3Store } from '../../src/storage/s3-store';
import { readAll } from '../contract/media-store-suite';
import { Balancer } from '../support/balancer';
import { isOver, type Job } from '../support/client';
import { newDataDir } from '../support/environment';
import { findViolations } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { Listener } from '../support/faults-listener';
import type { PictureStore } from '../support/faults-pictures';
import { LocalBucket } from '../support/local-bucket';
import { installNewerVersion } from '../support/newer-version';
import { Pooler } from '../support/pooler';
import type { RecordingClient } from '../support/recording-client';
import { RedisServer } from '../support/redis-server';
import { rowsAt } from '../support/test-server';
import { eventually, until } from '../support/until';

jest.setTimeout(600_000);

/** How many clients follow the drill: half of them all pictures of a model, from the beginning to the end. */
const clients = 200;
const leaseMs = 2_000;
/** How long the jobs of a process that has failed may take to their end, in milliseconds: 7 s on a quiet machine. */
const maxTakeoverMs = 120_000;
/** The first two serve the API, the others do the work. */
const roles = ['api', 'api', 'worker', 'worker'] as const;

let environment: FaultsEnvironment;
let redis: RedisServer;
let bucket: LocalBucket;
let pooler: Pooler;
let balancer: Balancer;
let client: RecordingClient;
let common: Record<string, string>;
const ports: string[] = [];
const listeners: Listener[] = [];
const ids: string[] = [];
const phases: string[] = [];

beforeAll(async () => {
  [environment, redis, bucket] = await Promise.all([
    FaultsEnvironment.open({ gateways: 0, ownPostgres: true, maxFollowed: 1, sandbox: { speed: 1_200 } }),
    RedisServer.start(),
    LocalBucket.start(),
  ]);
  pooler = await Pooler.start(environment.databaseUrl, 8);
  while (ports.length < roles.length) ports.push(String(await freePort()));
  balancer = await Balancer.start(ports.slice(0, 2));
  common = {
    ...bucket.settings,
    DATABASE_URL: pooler.urlOf(environment.databaseUrl),
    DATABASE_DIRECT_URL: environment.databaseUrl,
    DATABASE_POOL: '5',
    REDIS_URL: redis.url,
    PUBLIC_URL: balancer.url,
    LEASE: `${leaseMs}ms`,
    SHUTDOWN_DRAIN: '500ms',
    SIGNING_SECRETS: 'a secret that all of the machines share',
    UPSTREAM_REQUESTS_PER_MINUTE: '100000',
  };
  await Promise.all(roles.map((_, index) => mkdir(settingsOf(index).DATA_DIR)));
  for (const index of roles.keys())
    await environment.addGateway({ ...settingsOf(index), PORT: ports[index]! });
  client = environment.clientOf(() => ({ url: balancer.url }));
  await until(() => ports.slice(0, 2).every((port) => balancer.isReady(port)));
});

afterAll(async () => {
  await environment.stop();
  await balancer.stop();
  await Promise.all([pooler.stop(), redis.stop(), bucket.stop()]);
});

/** The settings of a process; each has a data directory of its own. */
function settingsOf(index: number): Record<'DATA_DIR' | 'ROLE', string> {
  return { ...common, ROLE: roles[index]!, DATA_DIR: join(environment.dataDir, `machine-${index}`) };
}

/** A client that follows a job, or all pictures of a model, and resumes through the load balancer. */
function follow(subject: string, kind: 'progress' | 'avatars'): void {
  if (listeners.length >= clients) return;
  const options = { owner: 'viewer', token: null, after: null, gateway: () => balancer.url };
  // Those of a job also disconnect by themselves, since it may end before a process fails.
  const maxItems = kind === 'progress' ? { maxItems: () => 2 } : {};
  const listener = new Listener({ ...options, ...maxItems, subject, kind });
  listeners.push(listener);
  environment.checker.add(listener);
}

const read = (id: string): Promise<Job | null> =>
  id.startsWith('model_') ? client.model(id) : client.generation(id);

/** The model of all generations, and its photos. */
let fixtures: { modelId: string; photoIds: string[] };

/** Orders a job; repeats the request without an answer, as clients do. */
async function order(kind: 'training' | 'generation', key: string): Promise<void> {
  const { modelId, photoIds } = fixtures;
  const send = (): Promise<Job> =>
    kind === 'training'
      ? client.train({ photoIds, idempotencyKey: key })
      : client.generate(modelId, [{ count: 1 }], key);
  const { id } = await eventually(key, send, () => true, 120_000);
  ids.push(id);
  for (let follower = 0; follower < 3; follower += 1) follow(id, 'progress');
}

/** Orders jobs until the signal is aborted. */
async function load(signal: AbortSignal): Promise<void> {
  for (let count = 0; !signal.aborted; count += 1) {
    await order(count % 3 === 0 ? 'training' : 'generation', `job-${count}`);
    await pause(300);
  }
}

const restart = async (index: number): Promise<void> => {
  await environment.restartGateway(index, settingsOf(index));
  if (roles[index] === 'api') await until(() => balancer.isReady(ports[index]!));
};

/** Stops two processes as a rollout does, one of each role, and starts them again. */
const replace = (...indexes: number[]): Promise<unknown> =>
  Promise.all(
    indexes.map(async (index) => {
      const gateway = environment.gateways[index]!;
      gateway.signal('SIGTERM');
      expect(await gateway.exitCode()).toBe(0);
      await restart(index);
    }),
  );

const unfinished = (): Promise<{ id: string }[]> =>
  environment.rows(
    `SELECT id FROM models WHERE status NOT IN ('READY', 'FAILED', 'CANCELLED')
      UNION ALL SELECT id FROM generations WHERE status NOT IN ('COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED')`,
  );

/**
 * Ends or stops a process while jobs are in progress.
 * @returns how long the others take for these jobs, in milliseconds
 */
async function takeoverMs(key: string, fail: () => unknown): Promise<number> {
  const kinds = ['training', 'training', 'generation', 'generation'] as const;
  await Promise.all(kinds.map((kind, index) => order(kind, `${key}-${index}`)));
  await fail();
  const began = performance.now();
  const open = new Set((await unfinished()).map(({ id }) => id));
  expect(open.size).toBeGreaterThan(0);
  await eventually('the end of these jobs', unfinished, (left) => !left.some(({ id }) => open.has(id)));
  return performance.now() - began;
}

const phase = async (name: string, run: () => Promise<unknown>): Promise<void> => {
  const began = performance.now();
  await run();
  phases.push(`${name} ${((performance.now() - began) / 1_000).toFixed(1)} s`);
};

const store = (): PictureStore => {
  const { S3_ENDPOINT: endpoint, S3_BUCKET, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = bucket.settings;
  const credentials = { accessKeyId: S3_ACCESS_KEY_ID!, secretAccessKey: S3_SECRET_ACCESS_KEY! };
  const pictures = new S3Store({
    ...{ bucket: S3_BUCKET!, endpoint, region: 'us-east-1', forcePathStyle: true, credentials },
  });
  return {
    keys: async () => {
      const keys: string[] = [];
      for await (const key of pictures.list('', 0)) keys.push(key);
      return keys;
    },
    read: (key) => readAll(pictures, key),
  };
};

describe('two API processes and two workers on PostgreSQL behind pgbouncer, Redis and S3', () => {
  it('lose no event, picture or call, and pay nothing twice, while each of them fails and all are replaced and upgraded', async () => {
    const photoIds = await client.upload(5);
    const { id: modelId } = await client.train({ photoIds });
    await eventually(
      'a model',
      () => client.model(modelId),
      (model) => model?.status === 'READY',
    );
    fixtures = { modelId, photoIds };
    for (let count = 0; count < clients / 2; count += 1) follow(modelId, 'avatars');
    const ended = new AbortController();
    const loading = load(ended.signal);
    const takeovers: number[] = [];

    await phase('kill -9 of each', async () => {
      for (const index of [2, 3, 0, 1]) {
        const gateway = environment.gateways[index]!;
        if (roles[index] === 'worker')
          takeovers.push(await takeoverMs(`killed-${index}`, () => gateway.kill()));
        else await gateway.kill();
        await restart(index);
      }
    });
    await phase('SIGSTOP of a worker', async () => {
      const { pid } = environment.gateways[2]!;
      takeovers.push(await takeoverMs('stopped', () => process.kill(pid, 'SIGSTOP')));
      await pause(leaseMs * 2);
      process.kill(pid, 'SIGCONT');
    });
    await phase('restart of Redis', async () => {
      await redis.kill();
      await pause(1_000);
      await redis.begin();
    });
    await phase('crash of PostgreSQL', async () => {
      await environment.crashPostgres();
      await pause(500);
      await environment.startPostgres();
      // The pooler connects again only after its `server_login_retry`; a gateway that starts meanwhile would end.
      const query = (): Promise<unknown> => rowsAt(pooler.urlOf(environment.databaseUrl), 'SELECT 1');
      await eventually(
        'an answer through the pooler',
        () => query().catch(() => null),
        (rows) => rows !== null,
        60_000,
      );
    });
    await phase('rolling restart', async () => {
      await replace(0, 2);
      await replace(1, 3);
    });
    const newer = await newDataDir();
    await phase('upgrade', async () => {
      await installNewerVersion(newer);
      environment.installed = newer;
      await replace(0, 2);
      await replace(1, 3);
    });
    ended.abort();
    await loading;
    while (listeners.length < clients) follow(ids[listeners.length % ids.length]!, 'progress');

    await phase('end', async () => {
      const jobs = await Promise.all(ids.map((id) => eventually(id, () => read(id), isOver, 120_000)));
      const failures = jobs.map((job) => job!.failure?.code).filter((code) => code !== undefined);
      // A process was killed during its call, or PostgreSQL while photos were fetched.
      const known = ['SUBMISSION_UNKNOWN', 'PHOTO_UNREACHABLE'];
      expect(failures.filter((code) => !known.includes(code))).toEqual([]);
      expect(failures.length).toBeLessThan(ids.length / 2);
      await until(() => listeners.slice(clients / 2).every(({ log }) => log.isComplete), 60_000);
      expect(await findViolations(environment, { store: store() })).toEqual([]);
    });
    const pictures = await environment.rows(`SELECT id FROM avatars WHERE status <> 'STORED'`);
    expect(pictures).toEqual([]);
    const migrated = await environment.rows('SELECT name FROM migrations ORDER BY timestamp DESC LIMIT 1');
    expect(migrated).toEqual([{ name: 'NewerVersion1999000000000' }]);
    expect(Math.max(...takeovers)).toBeLessThan(maxTakeoverMs);
    const resumed = listeners.filter(({ connections }) => connections > 1);
    expect(resumed.length).toBeGreaterThanOrEqual(clients / 2);
    const connections = listeners.reduce((sum, listener) => sum + listener.connections, 0);
    const events = listeners.reduce((sum, { log }) => sum + log.events.length, 0);
    const seconds = takeovers.map((ms) => (ms / 1_000).toFixed(1)).join(', ');
    process.stdout.write(
      `${ids.length} jobs; ${resumed.length} of ${clients} clients resumed, with ${connections} connections and ${events} events; ` +
        `work taken over in ${seconds} s; ${phases.join(', ')}\n`,
    );
  });
});
