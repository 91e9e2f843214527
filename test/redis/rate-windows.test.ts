import { RateLimiter } from '../../src/auth/rate-limiter';
import { RedisRateWindows } from '../../src/auth/redis-rate-windows';
import { createLogger } from '../../src/core/logger';
import { RedisConnection } from '../../src/redis/redis-connection';
import { TestDatabase } from '../support/database';
import { RedisServer } from '../support/redis-server';
import { until } from '../support/until';

const logger = createLogger('silent');
const policy = { name: 'owner', quota: 10, windowMs: 86_400_000 };
/** Longer than the test. */
const unsharedMs = 60_000;

describe('rate windows while processes return to Redis at different times', () => {
  let server: RedisServer;
  let testDatabase: TestDatabase;
  const stops: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    [server, testDatabase] = await Promise.all([RedisServer.start(), TestDatabase.create()]);
  });

  afterAll(async () => {
    for (const stop of stops.reverse()) await stop();
    await server.stop();
    await testDatabase.drop();
  });

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
    expect(late.limiter.consume(policy, 'dora')).toMatchObject({ isAllowed: true, remaining: 3 });
    await count(early, 'dora', 1);
    expect(early.limiter.consume(policy, 'dora')).toMatchObject({ isAllowed: true, remaining: 2 });
  });

  it('are shared between those that use it again and those that do not yet, and nothing is counted twice', async () => {
    const [early, late] = [await startProcess(), await startProcess()];
    late.redis.markUnshared(unsharedMs);
    await count(early, 'anna', 6);
    await count(late, 'anna', 4);
    expect(late.limiter.consume(policy, 'anna').isAllowed).toBe(false);
    await count(late, 'ben', 6);
    await count(early, 'ben', 4);
    expect(early.limiter.consume(policy, 'ben').isAllowed).toBe(false);
    early.redis.markUnshared(unsharedMs);
    await count(early, 'cora', 4);
    await count(late, 'cora', 4);
    expect(late.limiter.consume(policy, 'cora')).toMatchObject({ isAllowed: true, remaining: 1 });
  });
});
