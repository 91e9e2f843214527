import { RateLimiter } from '../../src/auth/rate-limiter';
import { RedisRateWindows } from '../../src/auth/redis-rate-windows';
import { createLogger } from '../../src/core/logger';
import { RedisConnection } from '../../src/redis/redis-connection';
import { TestDatabase } from '../support/database';
import { RedisServer } from '../support/redis-server';
import { until } from '../support/until';

const logger = createLogger('silent');
const policy = { name: 'owner', quota: 20, windowMs: 86_400_000 };

describe('counts whose exchange through Redis had no answer', () => {
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
    const limiter = new RateLimiter(
      await testDatabase.pool(1),
      logger,
      3_600_000,
      new RedisRateWindows(redis),
    );
    stops.push(() => limiter.stop());
    return { redis, limiter };
  };

  /** Counts a request, and returns how many are left for all. */
  const leftAfterOne = async ({ limiter }: { limiter: RateLimiter }, subject: string): Promise<number> => {
    limiter.consume(policy, subject);
    await limiter.flush();
    return limiter.consume(policy, subject, 0).remaining;
  };
  const stored = (): Promise<unknown[]> => testDatabase.rows('SELECT subject FROM rate_counts');

  it('are counted once if Redis was stopped by SIGSTOP and executes it afterwards', async () => {
    const [one, other] = [await startProcess(), await startProcess()];
    one.limiter.consume(policy, 'alice', 4);
    await one.limiter.flush();
    expect(await leftAfterOne(other, 'alice')).toBe(15);
    server.signal('SIGSTOP');
    one.limiter.consume(policy, 'alice', 3);
    await one.limiter.flush();
    expect(await stored()).toHaveLength(1);
    await until(() => [one, other].every(({ redis }) => !redis.isUp));
    // Reads the row of the database.
    expect(await leftAfterOne(other, 'alice')).toBe(11);
    server.signal('SIGCONT');
    await until(() => [one, other].every(({ redis }) => redis.isUp));
    // The process has not written its counts again.
    expect(await leftAfterOne(other, 'alice')).toBe(10);
    const third = await startProcess();
    expect(await leftAfterOne(third, 'alice')).toBe(9);
    expect(await leftAfterOne(one, 'alice')).toBe(8);
    expect(await leftAfterOne(third, 'alice')).toBe(7);
  });

  it('do not decrease if Redis has less than the database', async () => {
    const [one, other] = [await startProcess(), await startProcess()];
    one.limiter.consume(policy, 'ben', 4);
    await one.limiter.flush();
    await one.redis.stop();
    one.limiter.consume(policy, 'ben', 3);
    await one.limiter.flush();
    // It reads both.
    other.redis.markUnshared(60_000);
    expect(await leftAfterOne(other, 'ben')).toBe(12);
    expect(await leftAfterOne(other, 'ben')).toBe(11);
  });

  it('are not replaced by those of an earlier exchange that Redis executes later', async () => {
    const windows = new RedisRateWindows((await startProcess()).redis);
    const endsAtMs = Date.now() + 60_000;
    const exchange = async (name: string, own: number): Promise<unknown> =>
      windows.exchange([{ subject: 'cora', endsAtMs, name, own }]);
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
