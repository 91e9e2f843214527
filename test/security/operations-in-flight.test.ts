import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import type { Result } from '../support/graphql-client';
import { countLockWaits } from '../support/lock-waits';
import { until } from '../support/until';
import { receiverSettings, WebhookReceiver } from '../support/webhook-receiver';
import { createWebhook } from '../support/webhooks';

const maximum = 3;
const maxWaits = 8;
/** Read by a planned statement, by resolvers, and a mutation: all need the table of models. */
const operations = [
  '{ models { totalCount } }',
  '{ models { totalCount nodes { queuePosition } } }',
  'mutation { cancelModels(input: { select: { filter: {} } }) { result { matchedCount } } }',
];
const codeOf = ({ errors }: Result): string | undefined => errors?.[0]?.extensions.code;

describe('operations in flight', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await TestGateway.start({
      ...{ ...jwtSettings, ROLE: 'api', BATCHING: 'true' },
      ...{ MAX_OPERATIONS_PER_OWNER: String(maximum), MAX_WAITS_PER_OWNER: String(maxWaits) },
    });
  });
  afterAll(() => gateway.stop());

  /** Runs `work` while every statement that reads models waits. */
  const whileLocked = async (work: () => Promise<void>): Promise<void> => {
    const pool = await gateway.database.pool(1);
    await pool.transaction(async (sql) => {
      await sql.rows('LOCK TABLE models IN ACCESS EXCLUSIVE MODE');
      await work();
    });
  };

  it.each(operations)('of one owner are limited, and those of others are answered: %s', async (query) => {
    const [alice, bob] = [await Client.of(gateway), await Client.of(gateway)];
    let waiting: Promise<Result[]> = Promise.resolve([]);
    await whileLocked(async () => {
      waiting = Promise.all(Array.from({ length: maximum }, () => alice.execute('HTTP', { query })));
      await until(async () => (await countLockWaits(gateway, 'models')) === maximum);
      for (const transport of ['HTTP', 'WebSocket', 'SSE'] as const) {
        const refused = await alice.execute(transport, { query: '{ viewer { owner } }' });
        expect(refused.errors).toMatchObject([
          { extensions: { code: 'RATE_LIMITED', maximum, retryAfterSeconds: 1 } },
        ]);
      }
      const { status } = await alice.post('{ viewer { owner } }');
      expect(status).toBe(429);
      for (const transport of ['HTTP', 'WebSocket', 'SSE'] as const)
        expect(codeOf(await bob.execute(transport, { query: '{ viewer { owner } }' }))).toBeUndefined();
    });
    expect((await waiting).map(codeOf)).toEqual(Array.from({ length: maximum }, () => undefined));
    expect(codeOf(await alice.execute('HTTP', { query }))).toBeUndefined();
    for (const client of [alice, bob]) client.close();
  });

  /** Executes work while operations of the client, as many as it may have, wait for the database. */
  const whileFull = async (client: Client, work: () => Promise<void>): Promise<void> => {
    let others: Promise<Result[]> = Promise.resolve([]);
    const pool = await gateway.database.pool(1);
    await pool.transaction(async (sql) => {
      await sql.rows('LOCK TABLE photos IN ACCESS EXCLUSIVE MODE');
      others = Promise.all(
        Array.from({ length: maximum }, () => client.execute('HTTP', { query: '{ photos { totalCount } }' })),
      );
      await until(async () => (await countLockWaits(gateway, 'photos')) === maximum);
      await work();
    });
    await others;
  };

  it.each(['{ model(id: $id, waitMs: 1) { id } }', '{ model(id: $id, waitMs: 1) { id queuePosition } }'])(
    'of one owner are answered later if they have waited for a change, up to the number of waits: %s',
    async (selection) => {
      // With batches more may queue.
      const other = await gateway.startAnother({ BATCHING: 'false' });
      const alice = await Client.of(other);
      const { id } = await alice.train({ photoIds: await alice.upload() });
      const query = `query ($id: ID!) ${selection}`;
      const answers: Result[] = [];
      let all: Promise<unknown> = Promise.resolve();
      await whileFull(alice, async () => {
        const waits = Array.from({ length: 20 }, async () => {
          answers.push(await alice.execute('HTTP', { query, variables: { id } }));
        });
        all = Promise.all(waits);
        await until(() => answers.length === 20 - maxWaits);
        expect(answers.map(codeOf)).toEqual(Array.from({ length: 20 - maxWaits }, () => 'RATE_LIMITED'));
      });
      await all;
      expect(answers.slice(20 - maxWaits).map(({ errors, data }) => [errors, data])).toEqual(
        Array.from({ length: maxWaits }, () => [
          undefined,
          { model: expect.objectContaining({ id }) as object },
        ]),
      );
      expect(codeOf(await alice.execute('HTTP', { query: '{ viewer { owner } }' }))).toBeUndefined();
    },
  );

  it('of one owner are answered later if another one of their batch has waited for a change', async () => {
    const alice = await Client.of(gateway);
    const { id } = await alice.train({ photoIds: await alice.upload() });
    const batch = [
      { query: 'query ($id: ID!) { model(id: $id, waitMs: 1000) { id } }', variables: { id } },
      ...Array.from({ length: 9 }, () => ({ query: '{ models { totalCount } }' })),
    ];
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${alice.token!}` };
    const request = { method: 'POST', headers, body: JSON.stringify(batch) };
    const bodies = await Promise.all(
      Array.from(
        { length: maxWaits },
        async () => (await (await fetch(`${gateway.url}/graphql`, request)).json()) as Result[],
      ),
    );
    expect(bodies.flat().map(codeOf)).toEqual(Array.from({ length: maxWaits * 10 }, () => undefined));
  });

  it('of one owner that have waited for a change are refused if others do not end within seconds', async () => {
    const alice = await Client.of(gateway);
    const { id } = await alice.train({ photoIds: await alice.upload() });
    const query = 'query ($id: ID!) { model(id: $id, waitMs: 1) { id } }';
    await whileFull(alice, async () => {
      const { errors } = await alice.execute('HTTP', { query, variables: { id } });
      expect(errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED', maximum } }]);
    });
    expect(codeOf(await alice.execute('HTTP', { query, variables: { id } }))).toBeUndefined();
  });
});

describe('operations of one owner that wait for the database', () => {
  it('leave connections to other owners, and are answered in order', async () => {
    const gateway = await TestGateway.start({ ...jwtSettings, ROLE: 'api', DATABASE_POOL: '4' });
    const [alice, bob] = [await Client.of(gateway), await Client.of(gateway)];
    const pool = await gateway.database.pool(1);
    let waiting: Promise<Result[]> = Promise.resolve([]);
    const answered: number[] = [];
    await pool.transaction(async (sql) => {
      await sql.rows('LOCK TABLE models IN ACCESS EXCLUSIVE MODE');
      waiting = Promise.all(
        Array.from({ length: 40 }, async (_, index) => {
          const result = await alice.execute('HTTP', { query: operations[0]! });
          answered.push(index);
          return result;
        }),
      );
      await until(async () => (await countLockWaits(gateway, 'models')) === 2);
      for (let count = 0; count < 5; count += 1)
        expect(codeOf(await bob.execute('HTTP', { query: '{ photos { totalCount } }' }))).toBeUndefined();
      expect(answered).toEqual([]);
    });
    expect((await waiting).every((result) => codeOf(result) === undefined)).toBe(true);
    await gateway.stop();
  });

  it('are not sent together with short ones of others if they count rows', async () => {
    const gateway = await TestGateway.start({ ...jwtSettings, ROLE: 'api', DATABASE_POOL: '4' });
    const [alice, bob] = [await Client.of(gateway), await Client.of(gateway)];
    const pool = await gateway.database.pool(1);
    const usages = '{ viewer { a: usage { running } b: usage { running } c: usage { running } } }';
    const lookup = `{ photo(id: "photo_${'0'.repeat(32)}") { status } }`;
    for (let count = 0; count < 3; count += 1) {
      await alice.execute('HTTP', { query: usages });
      await bob.execute('HTTP', { query: lookup });
    }
    let waiting: Promise<Result[]> = Promise.resolve([]);
    await pool.transaction(async (sql) => {
      await sql.rows('LOCK TABLE models IN ACCESS EXCLUSIVE MODE');
      waiting = Promise.all(Array.from({ length: 40 }, () => alice.execute('HTTP', { query: usages })));
      await until(async () => (await countLockWaits(gateway, 'models')) === 2);
      expect(codeOf(await bob.execute('HTTP', { query: lookup }))).toBeUndefined();
    });
    expect((await waiting).every((result) => codeOf(result) === undefined)).toBe(true);
    await gateway.stop();
  });

  it.each([
    ['prepared statements', {}, () => ''],
    ['new statements', {}, (number: number) => `_${number}`],
    ['statements that are not prepared', { DATABASE_PREPARED_STATEMENTS: 'false' }, () => ''],
  ])('leave half of the connections to long ones if they are short: %s', async (_, settings, suffixOf) => {
    const basic = { ...jwtSettings, ROLE: 'api', DATABASE_POOL: '4' };
    const gateway = await TestGateway.start({ ...basic, ...settings });
    const [alice, bob] = [await Client.of(gateway), await Client.of(gateway)];
    const pool = await gateway.database.pool(1);
    const query = (number: number): string =>
      `{ model(id: "model_${'0'.repeat(32)}") { name${suffixOf(number)}: name } }`;
    for (let count = 0; count < 3; count += 1) await alice.execute('HTTP', { query: query(0) });
    let waiting: Promise<Result[]> = Promise.resolve([]);
    await pool.transaction(async (sql) => {
      await sql.rows('LOCK TABLE models IN ACCESS EXCLUSIVE MODE');
      const asked = Array.from({ length: 40 }, (_, index) =>
        alice.execute('HTTP', { query: query(index + 1) }),
      );
      waiting = Promise.all(asked);
      await until(async () => (await countLockWaits(gateway, 'models')) === 2);
      expect(codeOf(await bob.execute('HTTP', { query: '{ photos { totalCount } }' }))).toBeUndefined();
    });
    expect((await waiting).every((result) => codeOf(result) === undefined)).toBe(true);
    await gateway.stop();
  });

  it('do not wait for tests of webhooks that do not answer', async () => {
    const gateway = await TestGateway.start({ ...jwtSettings, ...receiverSettings, DATABASE_POOL: '2' });
    const receiver = await WebhookReceiver.start();
    receiver.answer = () => undefined;
    const alice = await Client.of(gateway);
    const { webhook } = await createWebhook(alice, { url: receiver.url });
    const test = alice.execute('HTTP', {
      query: `mutation { testWebhook(input: { id: "${webhook.id}" }) { attempt { httpStatus } } }`,
    });
    let isAnswered = false;
    void test.then(() => (isAnswered = true));
    await until(() => receiver.received.length === 1);
    expect(codeOf(await alice.execute('HTTP', { query: operations[0]! }))).toBeUndefined();
    expect(isAnswered).toBe(false);
    await receiver.stop();
    expect(codeOf(await test)).toBeUndefined();
    await gateway.stop();
  });
});
