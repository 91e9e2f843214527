import { setTimeout as pause } from 'node:timers/promises';
import { likeness } from '../support/command-line';
import { findViolations } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending, order, prepareFixtures, successes, type JobKind } from '../support/faults-jobs';
import { RedisServer } from '../support/redis-server';
import { eventually, until } from '../support/until';

jest.setTimeout(180_000);

let server: RedisServer;
let environment: FaultsEnvironment;

beforeAll(async () => {
  server = await RedisServer.start();
  environment = await FaultsEnvironment.open({
    maxFollowed: 20,
    settings: { REDIS_URL: server.url, RATE_LIMIT_OWNER: '100000/1h' },
  });
  await environment.addGateway({ REDIS_URL: server.tlsUrl, NODE_EXTRA_CA_CERTS: server.authority });
});

afterAll(async () => {
  await environment.stop();
  await server.stop();
});

const metric = async (name: string): Promise<number[]> =>
  Promise.all(environment.gateways.map((gateway) => gateway.metric(name)));

const outage = async (end: () => Promise<void> | void): Promise<void> => {
  await eventually(
    'the outage',
    () => metric('likeness_redis_up'),
    (up) => up.join() === '0,0',
  );
  const ready = await Promise.all(environment.gateways.map(({ url }) => fetch(`${url}/readyz`)));
  expect(ready.map(({ status }) => status)).toEqual([200, 200]);
  await end();
  await eventually(
    'the end of the outage',
    () => metric('likeness_redis_up'),
    (up) => up.join() === '1,1',
  );
};

describe('two gateways with Redis, one of them through TLS', () => {
  it('end and pay every job once while Redis is killed, emptied and stopped under load, and deliver each event once', async () => {
    await prepareFixtures(environment);
    await until(async () => (await metric('likeness_redis_up')).join() === '1,1');
    const before = await environment.paid();
    const ordered: { kind: JobKind; id: string }[] = [];
    const ended = new AbortController();
    const load = (async () => {
      const kinds = ['training', 'generation', 'instant'] as const;
      for (let count = 0; !ended.signal.aborted || count < 9; count += 1) {
        const kind = kinds[count % 3]!;
        const { id } = await order(environment, kind);
        ordered.push({ kind, id });
        await pause(200);
      }
    })();
    await server.kill();
    await outage(() => server.begin());
    server.signal('SIGSTOP');
    await outage(() => server.signal('SIGCONT'));
    ended.abort();
    await load;
    for (const { kind, id } of ordered)
      expect(await ending(environment, kind, id)).toMatchObject({ status: successes[kind] });
    expect((await environment.paid()) - before).toBe(ordered.length);
    expect(await findViolations(environment)).toEqual([]);
    await eventually(
      'counts in Redis',
      async () => {
        await ending(environment, ordered[0]!.kind, ordered[0]!.id);
        return (await server.ask('KEYS', 'likeness:rate:*')) as string[];
      },
      (keys) => keys.length > 0,
    );
    await eventually(
      'the end in the log',
      () =>
        Promise.resolve(environment.gateways.map((gateway) => gateway.said(/^Redis is available again$/))),
      (lines) => lines.every(({ length }) => length > 0),
    );
    for (const gateway of environment.gateways) {
      const begins = gateway.said(/^Redis is unavailable/, 'warn').length;
      expect(begins).toBeGreaterThan(0);
      expect(begins).toBeLessThanOrEqual(2);
      expect(gateway.said(/./, 'error')).toEqual([]);
    }
    expect(await metric('likeness_redis_losses_total')).toEqual([2, 2]);
  });

  it('are examined by the doctor, and log no password', async () => {
    const own = { DATABASE_URL: environment.databaseUrl, DATA_DIR: environment.dataDir };
    const tls = await likeness({ ...own, REDIS_URL: server.tlsUrl }, 'doctor');
    expect(tls.out).toMatch(/Redis +WARN +.*self-signed certificate/);
    const good = await likeness({ ...own, REDIS_URL: server.url }, 'doctor');
    expect(good.out).toMatch(/Redis +OK +scripts run, and a message takes \d+ ms/);
    const wrong = server.url.replace('secret', 'wrong-secret');
    const bad = await likeness({ ...own, REDIS_URL: wrong }, 'doctor');
    expect(bad.out).toMatch(/Redis +WARN +WRONGPASS/);
    expect(bad.out + bad.remarks).not.toContain('wrong-secret');
    const gateway = await environment.addGateway({ REDIS_URL: wrong, LOG_LEVEL: 'trace' });
    await until(() => gateway.said(/^Redis is unavailable/).length > 0);
    const texts = environment.gateways.flatMap(({ log, errors }) => [
      ...log.map((line) => JSON.stringify(line)),
      errors,
    ]);
    expect(texts.join('\n')).toContain('WRONGPASS');
    expect(texts.join('\n')).not.toMatch(/secret(\/|%2F)word/);
  });
});

describe('two gateways with Redis and DATABASE_ENGINE=portable', () => {
  it('wake each other through Redis, and every second while it is away, and pay for each job once', async () => {
    const portable = await FaultsEnvironment.open({
      gateways: 2,
      maxFollowed: 10,
      settings: { DATABASE_ENGINE: 'portable', REDIS_URL: server.url, REDIS_PREFIX: 'portable' },
    });
    try {
      const isUp = (wanted: string): Promise<unknown> =>
        eventually(
          'the state of Redis',
          () => Promise.all(portable.gateways.map((gateway) => gateway.metric('likeness_redis_up'))),
          (up) => up.join() === wanted,
        );
      await isUp('1,1');
      await prepareFixtures(portable);
      const before = await portable.paid();
      const kinds = ['training', 'generation', 'instant'] as const;
      const first = await Promise.all(kinds.map((kind) => order(portable, kind)));
      await server.kill();
      await isUp('0,0');
      const second = await Promise.all(kinds.map((kind) => order(portable, kind)));
      const jobs = [...first, ...second];
      for (const [index, { id }] of jobs.entries()) {
        const kind = kinds[index % kinds.length]!;
        expect(await ending(portable, kind, id)).toMatchObject({ status: successes[kind] });
      }
      expect((await portable.paid()) - before).toBe(jobs.length);
      expect(await findViolations(portable)).toEqual([]);
      await server.begin();
      await isUp('1,1');
    } finally {
      await portable.stop();
    }
  });
});
