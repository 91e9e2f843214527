import { fromGlobalId } from '../../src/core/ids';
import type { Database } from '../../src/database/database';
import { generationKind } from '../../src/generations/generation.kind';
import { settleLedger } from '../../src/jobs/ledger-settlement.repository';
import { caughtUp, followActivity } from '../support/activity';
import { Client, creations, jwtSettings } from '../support/client';
import { likeness } from '../support/command-line';
import { TestGateway } from '../support/gateway';
import type { HttpResult } from '../support/graphql-client';

const photoUrl = 'https://photos.example.com/1.jpg';
const prices = 'sandbox.training=1,sandbox.generation=1/avatar,sandbox.instant=0.1/avatar';

describe('spending limits', () => {
  let gateway: TestGateway;
  let another: TestGateway;
  let sql: Database;

  beforeAll(async () => {
    gateway = await TestGateway.start({
      ...{ ROLE: 'api', ...jwtSettings, PRICES: prices, CURRENCY: 'EUR' },
      ...{ QUOTA_SPEND_PER_DAY: '1', QUOTA_SPEND_PER_MONTH: '2.50' },
    });
    another = await gateway.startAnother({});
    sql = await gateway.database.pool(2);
  });
  afterAll(() => gateway.stop());

  const request = (client: Client, count: number): Promise<HttpResult> =>
    client.post(creations.generateInstantAvatars, { input: { photoUrl, prompt: 'p', count } });

  const accepted = async (client: Client, count: number): Promise<string> =>
    (await client.instant({ photoUrl, prompt: 'p', count })).id;

  /** Ends a request as SPENT, some days ago. */
  const spend = async (id: string, daysAgo = 0): Promise<void> => {
    const uuid = fromGlobalId('Generation', id);
    await sql.rows(
      `INSERT INTO submissions (id, generation_id, attempt, provider, account, outcome, provider_ref)
       VALUES ($1, $1, 1, 'sandbox', 'test', 'ACCEPTED', $2)`,
      [uuid, id],
    );
    await settleLedger(sql, generationKind, [uuid]);
    await sql.rows(
      `UPDATE ledger_entries SET created_at = created_at - $2 * interval '1 day' WHERE job_id = $1`,
      [uuid, daysAgo],
    );
  };

  const refusals = (answers: readonly HttpResult[]): unknown[] =>
    answers.flatMap(({ errors = [] }) => errors.map(({ extensions }) => extensions));

  it('admit what fits among concurrent requests to two processes', async () => {
    const client = await Client.of(gateway);
    const second = await Client.of(another, client.name);
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, index) => request(index % 2 ? client : second, 3)),
    );
    expect(refusals(answers)).toHaveLength(21);
    expect(await sql.rows('SELECT FROM ledger_entries WHERE owner = $1', [client.name])).toHaveLength(3);
  });

  it('say which one is exceeded, what is left and when it ends', async () => {
    const client = await Client.of(gateway);
    await accepted(client, 7);
    const { errors } = await request(client, 4);
    const midnight = new Date(Math.ceil(Date.now() / 86_400_000) * 86_400_000).toISOString();
    expect(errors).toMatchObject([
      {
        message: expect.stringMatching(
          /^Daily spending limit of 1 EUR exceeded: 0\.3 EUR left, 0\.4 EUR requested\. Request less, or retry after \d{4}-\d\d-\d\d 00:00 UTC\./,
        ),
        extensions: {
          ...{
            code: 'QUOTA_EXCEEDED',
            quota: 'SPEND_PER_DAY',
            limit: '1',
            used: '0.7',
            asked: '0.4',
            left: '0.3',
          },
          ...{ currency: 'EUR', resetsAt: midnight },
        },
      },
    ]);
    expect(errors![0]!.extensions.retryAfterSeconds).toBeGreaterThan(0);
    const { data } = await client.post(
      `query ($input: EstimateCostInput!) { estimateCost(input: $input) { total { amount } refusal }
         viewer { limits { spendPerDay { amount currency } spendPerMonth { amount } } } }`,
      { input: { generateInstantAvatars: { photo: { url: photoUrl }, prompt: 'p', count: 4 } } },
    );
    expect(data).toEqual({
      estimateCost: { total: { amount: '0.4' }, refusal: 'QUOTA_EXCEEDED' },
      viewer: { limits: { spendPerDay: { amount: '1', currency: 'EUR' }, spendPerMonth: { amount: '2.5' } } },
    });
    await accepted(client, 3);
  });

  it('count what was spent in the period and all that is reserved', async () => {
    const client = await Client.of(gateway);
    await spend(await accepted(client, 6));
    await accepted(client, 4);
    expect(refusals([await request(client, 1)])).toMatchObject([{ used: '1' }]);
    // Yesterday's reservations may be spent today.
    await sql.rows(`UPDATE ledger_entries SET created_at = created_at - interval '1 day' WHERE owner = $1`, [
      client.name,
    ]);
    expect(refusals([await request(client, 7)])).toMatchObject([{ used: '0.4', asked: '0.7' }]);
    await accepted(client, 6);
  });

  it('release what was not charged', async () => {
    const client = await Client.of(gateway);
    const id = await accepted(client, 10);
    expect(refusals([await request(client, 1)])).toHaveLength(1);
    await client.change('cancelGeneration', id);
    await accepted(client, 10);
  });

  it('that are almost reached are the subject of one notice each', async () => {
    const client = await Client.of(gateway);
    const live = await caughtUp(followActivity(client, { filter: { kinds: ['NOTICE'] } }));
    const notices = async (): Promise<string[]> => {
      const { viewer } = await client.request<{
        viewer: { notices: { nodes: { kind: string; message: string }[] } };
      }>('{ viewer { notices { nodes { kind message } } } }');
      return viewer.notices.nodes.map(({ kind, message }) => `${kind} ${message}`);
    };
    await accepted(client, 7);
    expect(await notices()).toEqual([]);
    await client.post('query ($input: EstimateCostInput!) { estimateCost(input: $input) { refusal } }', {
      input: { generateInstantAvatars: { photo: { url: photoUrl }, prompt: 'p', count: 2 } },
    });
    expect(await notices()).toEqual([]);
    await Promise.all([accepted(client, 1), accepted(client, 1)]);
    await request(client, 9);
    await accepted(client, 1);
    expect(await notices()).toEqual([
      expect.stringMatching(
        /^SPENDING_LIMIT_NEAR Daily spending limit of 1 EUR: 80 % or more are spent or reserved\. .* It resets at \d{4}-\d\d-\d\d 00:00 UTC\.$/,
      ),
    ]);
    const received = await live.until(({ length }) => length > 1);
    live.drop();
    expect(received.map(({ change: { type, notice } }) => [type, notice?.kind])).toEqual([
      ['CaughtUp', undefined],
      ['NoticeCreated', 'SPENDING_LIMIT_NEAR'],
    ]);
    const replay = await caughtUp(
      followActivity(client, { after: received[0]!.cursor, filter: { kinds: ['NOTICE'] } }),
    );
    replay.drop();
    expect(replay.messages[0]).toEqual(received[1]);
    expect(replay.messages).toHaveLength(2);
  });

  it('and what all owners spend are metrics', async () => {
    await sql.rows('TRUNCATE ledger_entries');
    const [client, other] = [await Client.of(gateway), await Client.of(gateway)];
    await spend(await accepted(client, 3));
    await spend(await accepted(client, 2), 1);
    await accepted(other, 4);
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(metrics).toContain('likeness_money{kind="reserved",currency="EUR"} 0.4');
    expect(metrics).toContain('likeness_money{kind="spent_today",currency="EUR"} 0.3');
  });

  it('of the month are named first', async () => {
    const client = await Client.of(gateway);
    const dayOfMonth = new Date().getUTCDate();
    // On the first days of a month, earlier days belong to another month.
    for (let day = 1; day <= 2; day += 1)
      await spend(await accepted(client, 10), dayOfMonth > 2 ? day : 0).then(() =>
        dayOfMonth > 2
          ? undefined
          : sql.rows(`UPDATE ledger_entries SET amount = amount / 100 WHERE owner = $1`, [client.name]),
      );
    if (dayOfMonth <= 2)
      await sql.rows(`UPDATE ledger_entries SET amount = 1000000 WHERE owner = $1`, [client.name]);
    const { errors } = await request(client, 6);
    const now = new Date();
    const next = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)).toISOString();
    expect(errors).toMatchObject([
      {
        message: expect.stringMatching(/^Monthly spending limit of 2\.5 EUR exceeded: 0\.5 EUR left/),
        extensions: { quota: 'SPEND_PER_MONTH', limit: '2.5', used: '2', resetsAt: next },
      },
    ]);
  });

  it('are not reset by an erasure', async () => {
    const client = await Client.of(gateway);
    await spend(await accepted(client, 9));
    await client.erase();
    expect(await sql.rows('SELECT FROM ledger_entries WHERE owner = $1', [client.name])).toEqual([]);
    const later = await Client.of(gateway, client.name);
    expect(refusals([await request(later, 2)])).toMatchObject([{ used: '0.9', left: '0.1' }]);
    await accepted(later, 1);
  });

  it('do not apply to other owners, and not to retries by the operator, which are recorded', async () => {
    const [client, other] = [await Client.of(gateway), await Client.of(gateway)];
    const id = await accepted(client, 10);
    await accepted(other, 10);
    const uuid = fromGlobalId('Generation', id);
    await sql.rows(
      `UPDATE generations SET status = 'FAILED', due_at = NULL, failure_code = 'UPSTREAM_FAILED', failure_message = 'No.', failure_retryable = true
        WHERE id = $1`,
      [uuid],
    );
    const environment = {
      ...{ DATABASE_URL: gateway.database.url, DATA_DIR: gateway.dataDir, PRICES: prices, CURRENCY: 'EUR' },
      QUOTA_SPEND_PER_DAY: '1',
    };
    expect(await likeness(environment, 'retry', id)).toMatchObject({ code: 0, out: `${id} is QUEUED.` });
    const entries = await sql.rows('SELECT kind, amount FROM ledger_entries WHERE job_id = $1 ORDER BY id', [
      uuid,
    ]);
    expect(entries).toEqual([
      { kind: 'RESERVED', amount: '1000000' },
      { kind: 'RESERVED', amount: '1000000' },
      { kind: 'RELEASED', amount: '1000000' },
    ]);
  });
});
