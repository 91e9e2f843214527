import { RateLimiter } from '../../src/auth/rate-limiter';
import { RedisRateWindows } from '../../src/auth/redis-rate-windows';
import { newId } from '../../src/core/ids';
import { createLogger } from '../../src/core/logger';
import type { Database } from '../../src/database/database';
import { RedisWakeups } from '../../src/events/redis-wakeups';
import { Wakeups } from '../../src/events/wakeups';
import { RedisConnection } from '../../src/redis/redis-connection';
import { TestDatabase } from '../support/database';
import { RedisServer } from '../support/redis-server';
import { TcpProxy } from '../support/servers';
import { until } from '../support/until';

const logger = createLogger('silent');
let server: RedisServer;
let testDatabase: TestDatabase;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  [server, testDatabase] = await Promise.all([RedisServer.start(), TestDatabase.create()]);
});

afterEach(async () => {
  jest.restoreAllMocks();
  for (const stop of stops.splice(0).reverse()) await stop();
});

afterAll(() => Promise.all([server.stop(), testDatabase.drop()]));

const connected = async (url = server.url, prefix = 'likeness'): Promise<RedisConnection> => {
  const redis = new RedisConnection({ url, prefix, logger });
  stops.push(() => redis.stop());
  redis.start();
  await until(() => redis.isUp);
  return redis;
};

/** A process: its wake-ups, and what it has received. */
interface Process {
  wakeups: Pick<Wakeups, 'announce'>;
  redis: RedisConnection | null;
  topics: string[];
  streams: string[];
  everything: () => number;
}

const startProcess = async (redis: RedisConnection | null): Promise<Process> => {
  const own = new Wakeups({ url: testDatabase.url, logger });
  const wakeups = redis ? new RedisWakeups(own, redis) : own;
  const [topics, streams]: [string[], string[]] = [[], []];
  let everything = 0;
  wakeups.onTopic((topic) => topics.push(topic));
  wakeups.onStreams((ids) => {
    if (ids === 'all') everything += 1;
    else streams.push(...ids);
  });
  stops.push(() => wakeups.stop());
  await wakeups.start();
  return { wakeups, redis, topics, streams, everything: () => everything };
};

/** Announces until the other process has received one announcement: of those before it notices an outage it gets `everything`. */
const reaches = async (from: Process, to: Process): Promise<void> => {
  const topic = `reached:${newId()}`;
  await until(() => {
    from.wakeups.announce({ topics: [topic] });
    return to.topics.includes(topic);
  });
};

describe('wake-ups through Redis', () => {
  it('reach every other process once, and none by NOTIFY', async () => {
    const here = await startProcess(await connected());
    const there = await startProcess(await connected());
    const listening = await startProcess(null);
    const elsewhere = await startProcess(await connected(server.url, 'another-installation'));
    const streams = Array.from({ length: 1_000 }, () => newId());
    here.wakeups.announce({ streams });
    here.wakeups.announce({ streams, topics: ['revoked:1'] });
    await until(() => there.topics.length > 0 && there.streams.length >= streams.length);
    there.wakeups.announce({ topics: ['end'] });
    await until(() => here.topics.includes('end'));
    // NOTIFY keeps the order, so an earlier one would have arrived.
    listening.wakeups.announce({ topics: ['from the command line'] });
    await until(() =>
      [here, there, elsewhere].every(({ topics }) => topics.includes('from the command line')),
    );
    expect(there.streams.sort()).toEqual([...streams].sort());
    expect(here.topics).toEqual(['revoked:1', 'end', 'from the command line']);
    expect(there.topics).toEqual(['revoked:1', 'end', 'from the command line']);
    expect(elsewhere.topics).toEqual(['from the command line']);
    expect([listening.topics, listening.streams]).toEqual([['from the command line'], []]);
  });

  it('reach a process whose connection is cut, while the others keep theirs', async () => {
    const proxy = new TcpProxy(new URL(server.url));
    await proxy.open();
    stops.push(() => proxy.close());
    const here = await startProcess(await connected());
    const url = new URL(server.url);
    url.port = new URL(proxy.url).port;
    const cut = await startProcess(await connected(url.href));
    const before = cut.everything();
    proxy.silence();
    cut.wakeups.announce({ topics: ['sent meanwhile'] });
    await until(() => !cut.redis!.isUp);
    await proxy.close();
    // When it notices the loss, and when another process does, which has sent wake-ups until then.
    await until(() => cut.everything() > before + 1);
    await until(() => here.topics.includes('sent meanwhile'));
    await reaches(here, cut);
    await reaches(cut, here);
    expect([here, cut].map(({ redis }) => redis!.isUp)).toEqual([true, false]);
    // The other process complies for 10 s, and is then asked again.
    const now = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => now() + 10_000);
    expect(here.redis!.isShared).toBe(true);
    await reaches(here, cut);
    const during = cut.everything();
    await proxy.open();
    await until(() => cut.redis!.isUp);
    expect(cut.everything()).toBeGreaterThan(during);
    await reaches(here, cut);
  });

  it('reach a process that starts while it cannot connect to Redis', async () => {
    const here = await startProcess(await connected());
    const redis = new RedisConnection({ url: 'redis://127.0.0.1:9', prefix: 'likeness', logger });
    stops.push(() => redis.stop());
    redis.start();
    await expect(reaches(here, await startProcess(redis))).resolves.toBeUndefined();
  });

  const outages: readonly [string, () => unknown, () => unknown][] = [
    ['stops answering', () => server.signal('SIGSTOP'), () => server.signal('SIGCONT')],
    ['is killed', () => server.kill(), () => server.begin()],
    [
      'only reads',
      () => server.ask('REPLICAOF', '127.0.0.1', '1'),
      () => server.ask('REPLICAOF', 'NO', 'ONE'),
    ],
    [
      'has no memory left',
      () => server.ask('CONFIG', 'SET', 'maxmemory', '1'),
      () => server.ask('CONFIG', 'SET', 'maxmemory', '0'),
    ],
  ];

  it.each(outages)(
    'continue through the database when Redis %s, and return by themselves',
    async (_, begin, end) => {
      const [here, there] = [await startProcess(await connected()), await startProcess(await connected())];
      const processes = [here, there];
      await begin();
      // Announced once, before the outage is noticed.
      here.wakeups.announce({ topics: ['sent at its beginning'] });
      await until(() => there.topics.includes('sent at its beginning'));
      await until(() => processes.every(({ redis }) => !redis!.isUp));
      await reaches(here, there);
      await reaches(there, here);
      expect(processes.map(({ redis }) => redis!.lossCount)).toEqual([1, 1]);
      await end();
      await until(() => processes.every(({ redis }) => redis!.isUp));
      await reaches(here, there);
    },
  );
});

describe('rate windows in Redis', () => {
  const policy = { name: 'owner', quota: 10, windowMs: 86_400_000 };
  let database: Database;

  beforeAll(async () => {
    database = await testDatabase.pool(1);
  });

  const limiter = (redis: RedisConnection): RateLimiter => {
    const made = new RateLimiter(database, logger, 3_600_000, new RedisRateWindows(redis));
    stops.push(() => made.stop());
    return made;
  };
  const stored = (): Promise<unknown[]> => testDatabase.rows('SELECT counts FROM rate_counts');

  it('are shared by all processes, and leave no name in Redis and no row in the database', async () => {
    const [one, other] = [limiter(await connected()), limiter(await connected())];
    one.consume(policy, 'alice', 6);
    other.consume(policy, 'alice', 4);
    await one.flush();
    await other.flush();
    expect(other.consume(policy, 'alice').isAllowed).toBe(false);
    expect(one.consume(policy, 'alice')).toMatchObject({ isAllowed: true, remaining: 3 });
    await one.flush();
    expect(one.consume(policy, 'alice')).toMatchObject({ isAllowed: false, remaining: 0 });
    one.consume(policy, 'dora', 2);
    await one.flush();
    one.consume(policy, 'dora', 2);
    await one.flush();
    expect(one.consume(policy, 'dora')).toMatchObject({ remaining: 5 });
    const keys = (await server.ask('KEYS', '*')) as string[];
    const windows = keys.filter((key) => key.startsWith('likeness:rate:'));
    expect(windows).toHaveLength(2);
    expect(keys.join()).not.toMatch(/alice|dora/);
    expect(Number(await server.ask('PTTL', windows[0]!))).toBeGreaterThan(0);
    expect(await stored()).toEqual([]);
  });

  it('are filled again by a Redis that has lost its data', async () => {
    const connections = [await connected(), await connected()] as const;
    const [one, other] = [limiter(connections[0]), limiter(connections[1])];
    one.consume(policy, 'bob', 6);
    other.consume(policy, 'bob', 3);
    await one.flush();
    await other.flush();
    await server.kill();
    await until(() => connections.every(({ isUp }) => !isUp));
    await one.flush();
    await other.flush();
    await server.begin();
    await until(() => connections.every(({ isUp }) => isUp));
    await one.flush();
    await other.flush();
    const third = limiter(await connected());
    expect(third.consume(policy, 'bob').isAllowed).toBe(true);
    await third.flush();
    expect(third.consume(policy, 'bob').isAllowed).toBe(false);
    expect(await stored()).toEqual([]);
  });

  it('are filled again by a Redis that is emptied while it runs', async () => {
    const connections = [await connected(), await connected()] as const;
    const [one, other] = [limiter(connections[0]), limiter(connections[1])];
    one.consume(policy, 'eve', 6);
    other.consume(policy, 'eve', 3);
    for (const each of [one, other]) await each.flush();
    await server.ask('FLUSHALL');
    await until(() => connections.every(({ isUp, lossCount }) => isUp && lossCount === 1));
    await other.flush();
    expect(other.consume(policy, 'eve', 2).isAllowed).toBe(false);
    await one.flush();
    const third = limiter(await connected());
    expect(third.consume(policy, 'eve').isAllowed).toBe(true);
    await third.flush();
    expect(third.consume(policy, 'eve').isAllowed).toBe(false);
    expect(await stored()).toEqual([]);
    // Counts that have not changed since are not sent again.
    const windows = (): Promise<unknown> => server.ask('KEYS', 'likeness:rate:*');
    await server.ask('DEL', ...((await windows()) as string[]));
    await one.flush();
    expect(await windows()).toEqual([]);
  });

  it('keep what a process has counted before it had to forget the counter of the subject', async () => {
    const one = limiter(await connected());
    const hourly = { ...policy, name: 'forgotten', windowMs: 3_600_000 };
    one.consume(hourly, 'grace', 8);
    await one.flush();
    // The maximum number of counters.
    for (let count = 0; count < 20_000; count += 1) one.consume({ ...hourly, quota: 0 }, `other ${count}`);
    one.consume(hourly, 'grace', 1);
    await one.flush();
    expect(one.consume(hourly, 'grace', 2).isAllowed).toBe(false);
    expect(one.consume(hourly, 'grace').isAllowed).toBe(true);
  });

  it('are shared with processes whose clocks are a whole window behind', async () => {
    const [one, other] = [limiter(await connected()), limiter(await connected())];
    const minute = { ...policy, windowMs: 50_000 };
    // Each deletes the counts of ended windows at its first exchange.
    await other.flush();
    // The window has ended by the clock of the first process.
    const behindMs = Date.now() - minute.windowMs;
    one.consume(minute, 'fred', 6, behindMs);
    await one.flush();
    other.consume(minute, 'fred', 4, behindMs);
    await other.flush();
    expect(other.consume(minute, 'fred', 1, behindMs).isAllowed).toBe(false);
    const keys = (await server.ask('KEYS', 'likeness:rate:*')) as string[];
    const expiries = await Promise.all(keys.map((key) => server.ask('PTTL', key)));
    expect(Math.min(...expiries.map(Number))).toBeGreaterThan(minute.windowMs);
  });

  it('continue in the database while Redis is away, with what was counted before', async () => {
    const connections = [await connected(), await connected()] as const;
    const [one, other] = [limiter(connections[0]), limiter(connections[1])];
    one.consume(policy, 'carol', 4);
    await one.flush();
    other.consume(policy, 'carol', 1);
    await other.flush();
    await server.kill();
    one.consume(policy, 'carol', 2);
    await one.flush();
    other.consume(policy, 'carol', 2);
    await other.flush();
    expect(await stored()).toHaveLength(1);
    expect(other.consume(policy, 'carol')).toMatchObject({ isAllowed: true, remaining: 0 });
    expect(other.consume(policy, 'carol').isAllowed).toBe(false);
    await server.begin();
    await until(() => connections.every(({ isUp }) => isUp));
    await one.flush();
    await other.flush();
    await one.flush();
    const third = limiter(await connected());
    third.consume(policy, 'carol');
    await third.flush();
    expect(third.consume(policy, 'carol').isAllowed).toBe(false);
  });

  it('are shared with a process whose connection is cut, and return to Redis with what was counted meanwhile', async () => {
    const proxy = new TcpProxy(new URL(server.url));
    await proxy.open();
    stops.push(() => proxy.close());
    const url = new URL(server.url);
    url.port = new URL(proxy.url).port;
    const connections = [await connected(), await connected(url.href)] as const;
    for (const each of connections) await startProcess(each);
    const [one, cut] = [limiter(connections[0]), limiter(connections[1])];
    await proxy.close();
    await until(() => !connections[1].isUp && !connections[0].isShared);
    one.consume(policy, 'henry', 6);
    await one.flush();
    cut.consume(policy, 'henry', 4);
    await cut.flush();
    expect(cut.consume(policy, 'henry').isAllowed).toBe(false);
    await proxy.open();
    await until(() => connections.every(({ isShared }) => isShared));
    for (const each of [one, cut]) await each.flush();
    const third = limiter(await connected());
    third.consume(policy, 'henry');
    await third.flush();
    expect(third.consume(policy, 'henry').isAllowed).toBe(false);
  });
});
