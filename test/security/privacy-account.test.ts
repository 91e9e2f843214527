import { toGlobalId } from '../../src/core/ids';
import type { Database } from '../../src/database/database';
import { insertNotice } from '../../src/notices/notice.repository';
import { activityCursor, caughtUp, followActivity, type ActivityNews } from '../support/activity';
import { Client, jwtSettings, uuidOf } from '../support/client';
import { Backend } from '../support/client-tokens';
import { finalCheck } from '../support/erasures';
import { TestGateway } from '../support/gateway';
import { countLockWaits } from '../support/lock-waits';
import { until } from '../support/until';
import { unzip } from '../support/unzip';
import { receiverSettings, status, WebhookReceiver } from '../support/webhook-receiver';
import { createWebhook, deliveriesOf, passTime, wake, webhooksOf } from '../support/webhooks';

const price = 'sandbox.training=1,sandbox.generation=1/avatar,sandbox.instant=0.1/avatar';

jest.setTimeout(120_000);

let gateway: TestGateway;
let database: Database;
let receiver: WebhookReceiver;

beforeAll(async () => {
  gateway = await TestGateway.start({
    ...{ ...jwtSettings, AUTH: 'jwt,keys', ...receiverSettings },
    ...{ PRICES: price, CURRENCY: 'EUR', QUOTA_SPEND_PER_DAY: '2' },
  });
  database = await gateway.database.pool(2);
  receiver = await WebhookReceiver.start();
});

afterAll(async () => {
  await gateway.stop();
  await receiver.stop();
});

interface Nodes {
  nodes: { id: string }[];
}

/** The ids of an owner's notices and entries of the ledger. */
async function recordsOf(client: Client): Promise<{ notices: string[]; ledger: string[] }> {
  const { viewer, ledger } = await client.request<{ viewer: { notices: Nodes }; ledger: Nodes }>(
    '{ viewer { notices { nodes { id } } } ledger { nodes { id } } }',
  );
  return { notices: viewer.notices.nodes.map(({ id }) => id), ledger: ledger.nodes.map(({ id }) => id) };
}

const startBy = '2099-01-01T00:00:00.000Z';

/** A webhook that was disabled, with its owner's notice of it, by events of a model and a generation. */
async function disabledWebhook(client: Client): Promise<string> {
  receiver.answer = status(500, 'petra is not known here');
  const { webhook } = await createWebhook(client, { url: receiver.url, description: 'of petra' });
  const modelId = await client.trained(await client.upload());
  const input = { modelId, prompts: [{ prompt: 'petra at noon' }], startBy, priority: 'HIGH' };
  const { made } = await client.request<{ made: { generation: { id: string } } }>(
    'mutation ($input: GenerateAvatarsInput!) { made: generateAvatars(input: $input) { generation { id } } }',
    { input },
  );
  await client.generationEnd(made.generation.id);
  await until(async () =>
    (await deliveriesOf(client, webhook.id)).some(({ attempts }) => attempts.length > 0),
  );
  // As after a day of attempts.
  for (const table of ['webhooks', 'webhook_deliveries'])
    await gateway.rows(
      `UPDATE ${table} SET tries = 12, failing_since = now() - interval '24 h' WHERE failing_since IS NOT NULL`,
    );
  await passTime(gateway, 2 * 3_600_000);
  await wake(client, webhook.id);
  await until(async () => (await webhooksOf(client))[0]!.status === 'DISABLED');
  return webhook.id;
}

type Lists = Record<string, Record<string, unknown>[]>;

/** The archive of an owner: `data.json` as text and as lists, and README.txt. */
async function exportOf(client: Client): Promise<{ text: string; data: Lists; readme: string }> {
  const { exportMyData } = await client.request<{ exportMyData: { url: string } }>(
    'mutation { exportMyData { url } }',
  );
  const archive = unzip(Buffer.from(await (await fetch(exportMyData.url)).arrayBuffer()));
  const text = archive.get('data.json')!.toString();
  return { text, data: JSON.parse(text) as Lists, readme: archive.get('README.txt')!.toString() };
}

/** Expects everything about an account in the archive, and each of its lists in README.txt. */
async function expectExported(client: Client, clientToken: string): Promise<void> {
  const { text, data, readme } = await exportOf(client);
  const [model, generation] = [data.models![0], data.generations![0]];
  expect(model).toMatchObject({ startBy: null, priority: 'NORMAL' });
  expect(generation).toMatchObject({ startBy, priority: 'HIGH' });
  expect(data.webhooks).toMatchObject([
    {
      url: receiver.url,
      description: 'of petra',
      status: 'DISABLED',
      eventTypes: expect.any(Array) as string[],
    },
  ]);
  expect(data.webhookDeliveries![0]).toMatchObject({
    ...{
      webhookId: data.webhooks![0]!.id,
      status: 'FAILED',
      body: expect.stringContaining('"type"') as string,
    },
    attempts: [{ httpStatus: 500, excerpt: 'petra is not known here' }, { httpStatus: 500 }],
  });
  expect(data.notices!.map(({ kind, message }) => [kind, typeof message])).toEqual([
    ['SPENDING_LIMIT_NEAR', 'string'],
    ['WEBHOOK_DISABLED', 'string'],
  ]);
  expect(data.events!.filter(({ kind }) => kind === 'NOTICE')).toHaveLength(2);
  expect(
    data.ledger!.map(({ kind, amount, currency, attempt }) => [kind, amount, currency, attempt]),
  ).toEqual(['RESERVED', 'SPENT', 'RESERVED', 'SPENT'].map((kind) => [kind, '1', 'EUR', 1]));
  expect(data.clientTokens).toMatchObject([{ id: clientToken, scopes: ['read', 'write'], revokedAt: null }]);
  expect(text).not.toMatch(/secret/i);
  const lists = Object.keys(data).filter((name) => Array.isArray(data[name]));
  expect(lists.filter((name) => !new RegExp(`^([a-zA-Z]+, )?${name}\\b`, 'm').test(readme))).toEqual([]);
}

describe('deleteMyData of an owner with webhooks, client tokens, notices and money', () => {
  it('leaves amounts of money and ended credentials without the owner, and nothing else', async () => {
    const petra = await Client.of(gateway, 'shop');
    const webhook = await disabledWebhook(petra);
    const backend = await Backend.of(gateway, null);
    const { token, clientToken } = await backend.mint();
    const browser = backend.browserWith(token);
    const deliveries = (await deliveriesOf(petra, webhook)).map(({ id }) => id);
    const { notices, ledger } = await recordsOf(petra);
    // Of the limit that is almost reached, and of the webhook.
    expect([notices.length, ledger.length, deliveries.length > 0]).toEqual([2, 4, true]);
    const ids = [webhook, clientToken.id, ...deliveries, ...notices, ...ledger];
    const nodes = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }';
    const read = async (): Promise<unknown[]> =>
      (await petra.request<{ nodes: unknown[] }>(nodes, { ids })).nodes;
    expect(await read()).toEqual(ids.map((id) => ({ id })));
    const cursor = await activityCursor(petra);
    await expectExported(petra, uuidOf(clientToken.id));

    const { receipt, completedAt } = await petra.erase(true);

    expect(completedAt).not.toBeNull();
    expect(await read()).toEqual(ids.map(() => null));
    expect(await recordsOf(petra)).toEqual({ notices: [], ledger: [] });
    expect(await webhooksOf(petra)).toEqual([]);
    expect(await browser.post('{ viewer { owner } }')).toMatchObject({ status: 401 });
    expect(await followActivity(petra, { after: cursor }).ended()).toMatchObject({
      errors: [{ extensions: { code: 'INVALID_CURSOR' } }],
    });
    await finalCheck(gateway, receipt);
    const { data } = await exportOf(petra);
    expect(data.erasedSpending).toMatchObject([{ amount: '2', currency: 'EUR' }]);
    // New data of the owner: the stream that `activity` began.
    const again = await petra.erase();
    await finalCheck(gateway, again.receipt);

    const tables = async (word: string): Promise<string[]> => gateway.database.tablesWith(word);
    // Without it, the erasure would reset the limit of the month.
    expect(await tables('shop')).toEqual(['erased_spending']);
    for (const word of ['petra', receiver.url]) expect([word, await tables(word)]).toEqual([word, []]);
    for (const id of [webhook, ...deliveries, ...notices])
      for (const word of [id, uuidOf(id)]) expect([id, await tables(word)]).toEqual([id, []]);
    expect(await tables(uuidOf(clientToken.id))).toEqual(['client_tokens']);
    for (const id of ledger) expect(await tables(uuidOf(id))).toEqual(['ledger_entries']);
    expect(
      await gateway.rows('SELECT owner, job_id AS job, kind, amount::int FROM ledger_entries ORDER BY id'),
    ).toEqual(
      ['RESERVED', 'SPENT', 'RESERVED', 'SPENT'].map((kind) => ({
        ...{ owner: '@/erased', job: null, kind, amount: 1_000_000 },
      })),
    );
    expect(
      await gateway.rows(
        'SELECT owner, model_id AS model, generation_id AS generation, revoked_at IS NULL AS live FROM client_tokens',
      ),
    ).toEqual([{ owner: '@/erased', model: null, generation: null, live: false }]);
    for (const table of ['webhooks', 'webhook_deliveries', 'notices'])
      expect([table, await gateway.rows(`SELECT * FROM ${table}`)]).toEqual([table, []]);
    expect(await gateway.rows(`SELECT * FROM events WHERE kind = 'NOTICE'`)).toEqual([]);
  });

  it('erases the notice of a webhook that a worker disables meanwhile', async () => {
    const paul = await Client.of(gateway, 'paul-the-client');
    const { webhook } = await createWebhook(paul, { url: receiver.url });
    const { erasing } = await database.transaction(async (sql) => {
      await sql.rows('SELECT FROM webhooks WHERE id = $1 FOR NO KEY UPDATE', [uuidOf(webhook.id)]);
      const started = paul.erase();
      await until(async () => (await countLockWaits(gateway)) > 0);
      // Its time is after that of the erasure, as that of a worker's transaction may be.
      await insertNotice(database, {
        ...{ owner: paul.name, kind: 'WEBHOOK_DISABLED', message: 'Paul’s webhook was disabled.' },
        subject: webhook.id,
      });
      return { erasing: started };
    });
    const { receipt } = await erasing;
    await finalCheck(gateway, receipt);
    expect(await gateway.database.tablesWith('paul-the-client')).toEqual([]);
    expect(await gateway.database.tablesWith('Paul’s')).toEqual([]);
  });

  it('takes no notice and no deletion from an owner who comes back before the final check', async () => {
    const rosa = await Client.of(gateway, 'rosa-comes-back');
    await rosa.upload(1);
    const { receipt } = await rosa.erase();
    const after = await activityCursor(rosa);
    const { id } = await rosa.train({ photoIds: await rosa.upload() });
    await rosa.delete('deleteModel', id);
    const notice = await insertNotice(database, {
      ...{ owner: rosa.name, kind: 'SPENDING_LIMIT_NEAR', message: 'Rosa’s new notice.', subject: null },
    });
    await finalCheck(gateway, receipt);
    const feed = await caughtUp(followActivity(rosa, { after }));
    feed.drop();
    const words = ({ change: { type, modelId, notice: sent } }: ActivityNews): unknown => [
      type,
      modelId ?? sent?.id,
    ];
    expect(feed.messages.map(words).slice(-3)).toEqual([
      ['ModelDeleted', id],
      ['NoticeCreated', toGlobalId('Notice', notice.id)],
      ['CaughtUp', undefined],
    ]);
  });
});
