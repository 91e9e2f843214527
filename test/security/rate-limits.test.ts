import type { Client as Session } from 'pg';
import { pino } from 'pino';
import { RateLimiter } from '../../src/auth/rate-limiter';
import { DomainError } from '../../src/core/errors';
import type { Sql } from '../../src/core/sql';
import { Client, jwtSecret } from '../support/client';
import { TestDatabase } from '../support/database';
import { TestGateway } from '../support/gateway';
import { signed } from '../support/issuer';
import { type RawAnswer, SocketClient, send } from '../support/raw-client';

const who = { query: '{ viewer { owner } }' };
/** A window that does not end during a test. */
const limit = (quota: number): string => `${quota}/24h`;

describe('rate limits', () => {
  const gateways: TestGateway[] = [];
  const start = async (settings: Record<string, string>): Promise<TestGateway> => {
    const gateway = await TestGateway.start({ AUTH: 'jwt', JWT_SECRET: jwtSecret, ROLE: 'api', ...settings });
    gateways.push(gateway);
    return gateway;
  };
  afterAll(() => Promise.all(gateways.map((gateway) => gateway.stop())));
  const tokenOf = (subject: string): Promise<string> => signed(jwtSecret, { subject });
  const post = async (gateway: TestGateway, token: string, headers = {}): Promise<RawAnswer> =>
    send(
      `${gateway.url}/graphql`,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
      },
      JSON.stringify(who),
    );

  it('per owner apply to all transports together, and return when to retry', async () => {
    const gateway = await start({ RATE_LIMIT_OWNER: limit(4) });
    const alice = await tokenOf('alice');
    const caller = new Client(() => gateway.url, { token: alice });
    const first = await post(gateway, alice);
    expect(first.headers['ratelimit-policy']).toBe('"owner";q=4;w=86400');
    expect(first.headers.ratelimit).toMatch(/^"owner";r=3;t=\d+$/);
    for (const transport of ['WebSocket', 'SSE', 'HTTP'] as const) {
      expect((await caller.execute(transport, who)).errors).toBeUndefined();
    }
    const refused = await post(gateway, alice);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused.headers.ratelimit).toMatch(/^"owner";r=0;t=\d+$/);
    const { errors } = JSON.parse(refused.text) as { errors: { extensions: object }[] };
    expect(errors[0]!.extensions).toMatchObject({
      code: 'RATE_LIMITED',
      limit: 'owner',
      maximum: 4,
      retryAfterSeconds: Number(refused.headers['retry-after']),
    });
    expect((await caller.execute('WebSocket', who)).errors?.[0]?.extensions.code).toBe('RATE_LIMITED');
    const stream = await fetch(`${gateway.url}/graphql/stream?query=${encodeURIComponent(who.query)}`, {
      headers: { authorization: `Bearer ${alice}` },
    });
    expect([stream.status, stream.headers.get('retry-after')]).toEqual([429, expect.any(String)]);
    expect((await post(gateway, await tokenOf('bob'))).status).toBe(200);
    caller.close();
  });

  it('per address apply to unauthenticated clients, including WebSockets', async () => {
    const gateway = await start({ RATE_LIMIT_ADDRESS: limit(3) });
    const statuses: number[] = [];
    for (let guess = 0; guess < 5; guess += 1) statuses.push((await post(gateway, `guess-${guess}`)).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    const client = await SocketClient.greeted(gateway.url, {
      authorization: `Bearer ${await tokenOf('alice')}`,
    });
    expect((await client.end()).code).toBe(1013);
    expect((await send(`${gateway.url}/healthz`)).status).toBe(200);
  });

  it('per address use the client address from a trusted proxy, and no forged one', async () => {
    const behind = await start({ RATE_LIMIT_ADDRESS: limit(1), TRUSTED_PROXIES: '127.0.0.1' });
    const alice = await tokenOf('alice');
    const asks = async (gateway: TestGateway, forwarded: string): Promise<number> =>
      (await post(gateway, alice, { 'x-forwarded-for': forwarded })).status;
    expect(await asks(behind, '198.51.100.1')).toBe(200);
    expect(await asks(behind, '203.0.113.1, 198.51.100.1')).toBe(429);
    expect(await asks(behind, '198.51.100.2')).toBe(200);
    const direct = await start({ RATE_LIMIT_ADDRESS: limit(1) });
    expect(await asks(direct, '198.51.100.1')).toBe(200);
    expect(await asks(direct, '198.51.100.2')).toBe(429);
  });

  it('do not count this machine by default', async () => {
    const gateway = await start({});
    const { headers } = await post(gateway, await tokenOf('alice'));
    expect(headers.ratelimit).toBeUndefined();
    const behind = await start({ TRUSTED_PROXIES: '127.0.0.0/8' });
    const answer = await post(behind, await tokenOf('alice'), { 'x-forwarded-for': '198.51.100.1' });
    expect(answer.headers['ratelimit-policy']).toBe('"address";q=1200;w=60, "owner";q=600;w=60');
  });

  describe('between processes', () => {
    let database: TestDatabase;
    let client: Session;
    const logger = pino({ level: 'silent' });
    const policy = { name: 'owner', quota: 10, windowMs: 86_400_000 };
    const limiters: RateLimiter[] = [];
    const limiter = (sql: Pick<Sql, 'rows'>): RateLimiter => {
      const made = new RateLimiter(sql, logger, 3_600_000);
      limiters.push(made);
      return made;
    };
    const working: Pick<Sql, 'rows'> = {
      rows: async <Row>(text: string, parameters: readonly unknown[] = []) =>
        (await client.query(text, parameters as unknown[])).rows as Row[],
    };
    beforeAll(async () => {
      database = await TestDatabase.create();
      client = await database.session();
    });
    afterAll(async () => {
      await Promise.all(limiters.map((made) => made.stop()));
      await database.drop();
    });

    it('are shared', async () => {
      const [one, other] = [limiter(working), limiter(working)];
      for (let index = 0; index < 6; index += 1) one.consume(policy, 'alice');
      for (let index = 0; index < 4; index += 1) other.consume(policy, 'alice');
      await one.flush();
      await other.flush();
      expect(other.consume(policy, 'alice').isAllowed).toBe(false);
      expect(other.consume(policy, 'bob').isAllowed).toBe(true);
      // A process reads the counts of others when it shares its own.
      expect(one.consume(policy, 'alice')).toMatchObject({ isAllowed: true, remaining: 3 });
      await one.flush();
      expect(one.consume(policy, 'alice')).toMatchObject({ isAllowed: false, remaining: 0 });
    });

    it('reset with each window, and store no name in the database', async () => {
      const made = limiter(working);
      const short = { ...policy, name: 'short', windowMs: 60_000 };
      const now = Date.now();
      for (let index = 0; index < 10; index += 1) made.consume(short, 'carol', 1, now);
      expect(made.consume(short, 'carol', 1, now).isAllowed).toBe(false);
      const flushed = made.flush();
      expect(made.consume(short, 'carol', 9, now + 60_000).isAllowed).toBe(true);
      await flushed;
      expect(made.consume(short, 'carol', 1, now + 60_000)).toMatchObject({ isAllowed: true, remaining: 0 });
      await made.flush();
      const { rows } = await client.query('SELECT * FROM rate_counts');
      expect(rows).not.toEqual([]);
      expect(JSON.stringify(rows)).not.toMatch(/alice|bob|carol/);
    });

    it('leave no row of a window that ended more than a minute ago, also of earlier versions', async () => {
      const ages = `(VALUES ('ended', now() - interval '2 minutes'), ('kept', now())) AS each (subject, ends_at)`;
      await client.query(`INSERT INTO rate_windows SELECT subject, ends_at, 1 FROM ${ages}`);
      await client.query(`INSERT INTO rate_counts SELECT subject, ends_at, '{"one": 1}' FROM ${ages}`);
      await limiter(working).flush();
      for (const table of ['rate_windows', 'rate_counts']) {
        const { rows } = await client.query(
          `SELECT subject FROM ${table} WHERE subject IN ('ended', 'kept')`,
        );
        expect(rows).toEqual([{ subject: 'kept' }]);
      }
    });

    it('are counted once if the answer of the database was lost', async () => {
      const losing: Pick<Sql, 'rows'> = {
        rows: async (text, parameters) => {
          await working.rows(text, parameters);
          throw new DomainError('SERVICE_UNAVAILABLE', 'away');
        },
      };
      const [one, other] = [limiter(losing), limiter(working)];
      for (let count = 0; count < 3; count += 1) {
        one.consume(policy, 'emil');
        await one.flush();
      }
      other.consume(policy, 'emil');
      await other.flush();
      expect(other.consume(policy, 'emil')).toMatchObject({ isAllowed: true, remaining: 5 });
    });

    it('do not decrease if statements of a process are executed in another order', async () => {
      const held: (() => Promise<unknown>)[] = [];
      const late: Pick<Sql, 'rows'> = {
        rows: (text, parameters) => {
          held.push(() => working.rows(text, parameters));
          return Promise.reject(new DomainError('SERVICE_UNAVAILABLE', 'away'));
        },
      };
      const one = limiter(late);
      for (const count of [2, 4]) {
        one.consume(policy, 'finn', count);
        await one.flush();
      }
      for (const send of held.reverse()) await send();
      const other = limiter(working);
      other.consume(policy, 'finn');
      await other.flush();
      expect(other.consume(policy, 'finn')).toMatchObject({ isAllowed: true, remaining: 2 });
    });

    it('are shared with a process whose clock is a whole window behind', async () => {
      const [one, other] = [limiter(working), limiter(working)];
      // Each deletes ended windows at its first exchange.
      for (const each of [one, other]) await each.flush();
      const behindMs = Date.now() - policy.windowMs;
      for (const nowMs of [behindMs, Date.now()]) {
        one.consume(policy, 'gina', 5, nowMs);
        await one.flush();
        other.consume(policy, 'gina', 5, nowMs);
        await other.flush();
        expect(other.consume(policy, 'gina', 1, nowMs).isAllowed).toBe(false);
      }
    });

    it('are counted per process during a database outage, and shared afterwards', async () => {
      let isAway = true;
      const flaky: Pick<Sql, 'rows'> = {
        rows: (text, parameters) =>
          isAway
            ? Promise.reject(new DomainError('SERVICE_UNAVAILABLE', 'away'))
            : working.rows(text, parameters),
      };
      const one = limiter(flaky);
      for (let index = 0; index < 10; index += 1) expect(one.consume(policy, 'dora').isAllowed).toBe(true);
      await one.flush();
      expect(one.consume(policy, 'dora').isAllowed).toBe(false);
      isAway = false;
      await one.flush();
      const other = limiter(working);
      expect(other.consume(policy, 'dora').isAllowed).toBe(true);
      await other.flush();
      expect(other.consume(policy, 'dora').isAllowed).toBe(false);
    });
  });
});
