import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RateLimiter } from '../../src/auth/rate-limiter';
import { RedisRateWindows } from '../../src/auth/redis-rate-windows';
import { createLogger } from '../../src/core/logger';
import { RedisConnection } from '../../src/redis/redis-connection';
import { TestDatabase } from '../support/database';
import { RedisServer } from '../support/redis-server';
import { until } from '../support/until';

const policy = { name: 'owner', quota: 20, windowMs: 86_400_000 };

describe('a user of Redis with only the documented rights', () => {
  let server: RedisServer;
  let testDatabase: TestDatabase;
  let rules: string[];
  const stops: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    [server, testDatabase] = await Promise.all([RedisServer.start(), TestDatabase.create()]);
    const text = await readFile(join(__dirname, '../../docs/operations.md'), 'utf8');
    const [, documented] = /ACL SETUSER likeness on >… (.+)/.exec(text) ?? [];
    rules = documented!.split(' ');
  });

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  afterAll(() => Promise.all([server.stop(), testDatabase.drop()]));

  /** A connection as a new user. */
  const connectionOf = async (
    user: string,
    rights: readonly string[],
    errors: string[] = [],
  ): Promise<RedisConnection> => {
    await server.ask('ACL', 'SETUSER', user, 'on', '>secret', ...rights);
    const logger = createLogger('silent');
    jest
      .spyOn(logger, 'warn')
      .mockImplementation((facts: unknown) => void errors.push((facts as { err: Error }).err.message));
    const url = Object.assign(new URL(server.url), { username: user, password: 'secret' });
    const redis = new RedisConnection({ url: url.href, prefix: 'likeness', logger });
    stops.push(() => redis.stop());
    redis.start();
    return redis;
  };

  it('exchanges counts and wake-ups', async () => {
    const redis = await connectionOf('documented', rules);
    await until(() => redis.isUp);
    const received: string[] = [];
    redis.onMessage((message) => received.push(message));
    const sql = await testDatabase.pool(1);
    const limiter = new RateLimiter(sql, createLogger('silent'), 3_600_000, new RedisRateWindows(redis));
    stops.push(() => limiter.stop());
    limiter.consume(policy, 'alice', 4);
    await limiter.flush();
    await redis.publish(['woken']);
    await until(() => received.length > 0);
    expect(await testDatabase.rows('SELECT subject FROM rate_counts')).toEqual([]);
    expect(redis).toMatchObject({ isUp: true, lossCount: 0 });
  });

  it.each(['eval', 'hset', 'hget', 'hgetall', 'pexpire', 'ping', 'subscribe'])(
    'is not used without %s, which is logged',
    async (command) => {
      const errors: string[] = [];
      const redis = await connectionOf(`without-${command}`, [...rules, `-${command}`], errors);
      await until(() => errors.length > 0);
      expect(redis.isUp).toBe(false);
      expect(redis.lossCount).toBe(0);
      expect(errors[0]).toMatch(/permission|can't run this command/);
    },
  );
});
