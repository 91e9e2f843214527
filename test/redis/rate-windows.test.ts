import { RateLimiter } from '../../src/auth/rate-limiter';
import { RedisRateWindows } from '../../src/auth/redis-rate-windows';
import { createLogger } from '../../src/core/logger';
import { RedisConnection } from '../../src/redis/redis-connection';
import { TestDatabase } from '../support/database';
import { RedisServer } from '../support/redis-server';
import { until } from '../support/until';

const logger = createLogger('silent');
const policy = { name: 'owner', quota: 20, windowMs: 86_400_000 };
/** Longer than the test. */
const unsharedMs = 60_000;

describe('counts of rate windows', () => {
  let server: RedisServer;
  let testDatabase: TestDatabase;
  const stops: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    [server, testDatabase] = await Promise.all([RedisServer.start(), TestDatabase.create()]);
  });

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  afterAll(() => Promise.all([server.stop(), testDatabase.drop()]));

  const startProcess = async (): Promise<{ redis: RedisConnection; limiter: RateLimiter }> => {
    const redis = new RedisConnection({ url: server.url, prefix: 'likeness', logger });
    stops.push(() => redis.stop());
    redis.start();
    await until(() => redis.isUp);
    const database = await testDatabase.pool(1);
    const limiter = new RateLimiter(database, logger, 3_600_000, new RedisRateWindows(redis));
    stops.push(() => limiter.stop());
    return { redis, limiter };
  };

  const count = async (
    { limiter }: { limiter: RateLimiter },
    subject: string,
    requests: number,
  ): Promise<void> => {
    limiter.consume(policy, subject, requests);
    await limiter.flush();
  };

  it('do not count twice what a process that learns of the outage later has seen in Redis', async () => {
    const [early, late] = [await startProcess(), await startProcess()];
    early.redis.markUnshared(unsharedMs);
    await count(early, 'dora', 4);
    await count(late, 'dora', 1);
    late.redis.markUnshared(unsharedMs);
    await count(late, 'dora', 1);
    expect(late.limiter.consume(policy, 'dora')).toMatchObject({ isAllowed: true, remaining: 13 });
    await count(early, 'dora', 1);
    expect(early.limiter.consume(policy, 'dora')).toMatchObject({ isAllowed: true, remaining: 12 });
  });

  it('are shared between those that use it again and those that do not yet, and nothing is counted twice', async () => {
    const [early, late] = [await startProcess(), await startProcess()];
    late.redis.markUnshared(unsharedMs);
    await count(early, 'anna', 12);
    await count(late, 'anna', 8);
    expect(late.limiter.consume(policy, 'anna').isAllowed).toBe(false);
    await count(late, 'ben', 12);
    await count(early, 'ben', 8);
    expect(early.limiter.consume(policy, 'ben').isAllowed).toBe(false);
    early.redis.markUnshared(unsharedMs);
    await count(early, 'cora', 4);
    await count(late, 'cora', 4);
    expect(late.limiter.consume(policy, 'cora')).toMatchObject({ isAllowed: true, remaining: 11 });
  });

  /** Counts a request, and returns how many are left for all. */
  const leftAfterOne = async (of: { limiter: RateLimiter }, subject: string): Promise<number> => {
    await count(of, subject, 1);
    return of.limiter.consume(policy, subject, 0).remaining;
  };
  const countRows = async (): Promise<number> =>
    (await testDatabase.rows('SELECT subject FROM rate_counts')).length;

  it('are counted once if Redis was stopped by SIGSTOP and executes it afterwards', async () => {
    const [one, other] = [await startProcess(), await startProcess()];
    await count(one, 'eve', 4);
    expect(await leftAfterOne(other, 'eve')).toBe(15);
    const rows = await countRows();
    server.signal('SIGSTOP');
    await count(one, 'eve', 3);
    expect(await countRows()).toBe(rows + 1);
    await until(() => [one, other].every(({ redis }) => !redis.isUp));
    // Reads the row of the database.
    expect(await leftAfterOne(other, 'eve')).toBe(11);
    server.signal('SIGCONT');
    await until(() => [one, other].every(({ redis }) => redis.isUp));
    // The process has not written its counts again.
    expect(await leftAfterOne(other, 'eve')).toBe(10);
    const third = await startProcess();
    expect(await leftAfterOne(third, 'eve')).toBe(9);
    expect(await leftAfterOne(one, 'eve')).toBe(8);
    expect(await leftAfterOne(third, 'eve')).toBe(7);
  });

  it('do not decrease if Redis has less than the database', async () => {
    const [one, other] = [await startProcess(), await startProcess()];
    await count(one, 'fred', 4);
    await one.redis.stop();
    await count(one, 'fred', 3);
    // It reads both.
    other.redis.markUnshared(unsharedMs);
    expect(await leftAfterOne(other, 'fred')).toBe(12);
    expect(await leftAfterOne(other, 'fred')).toBe(11);
  });

  it('are not replaced by those of an earlier exchange that Redis executes later', async () => {
    const windows = new RedisRateWindows((await startProcess()).redis);
    const endsAtMs = Date.now() + 60_000;
    const exchange = async (name: string, own: number): Promise<unknown> =>
      windows.exchange([{ subject: 'gina', endsAtMs, name, own }]);
    await exchange('one', 12);
    await exchange('one', 9);
    expect(await exchange('other', 1)).toEqual([
      new Map([
        ['one', 12],
        ['other', 1],
      ]),
    ]);
  });
});
