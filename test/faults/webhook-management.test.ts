import type { Database } from '../../src/database/database';
import { Client, jwtSettings, uuidOf } from '../support/client';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';
import { unzip } from '../support/unzip';
import { receiverSettings, status, WebhookReceiver } from '../support/webhook-receiver';
import {
  createWebhook,
  deliveriesOf,
  emitModel,
  passTime,
  replay,
  updateWebhook,
  wake,
  webhooksOf,
} from '../support/webhooks';

jest.setTimeout(60_000);

let gateway: TestGateway;
let database: Database;
let receiver: WebhookReceiver;
let owner: Client;

beforeAll(async () => {
  gateway = await TestGateway.start({ ...jwtSettings, ...receiverSettings, MAX_WEBHOOKS_PER_OWNER: '3' });
  database = await gateway.database.pool(2);
  receiver = await WebhookReceiver.start();
});

afterAll(async () => {
  await receiver.stop();
  await gateway.stop();
});

beforeEach(async () => {
  owner = await Client.of(gateway);
  receiver.received.length = 0;
  receiver.answer = status(200);
});

const creation =
  'mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) { webhook { id } secret } }';
const change = 'mutation ($input: UpdateWebhookInput!) { updateWebhook(input: $input) { webhook { id } } }';

/** Delivers an event of each model and waits for the log. */
async function deliver(webhookId: string, count: number): Promise<string[]> {
  for (let index = 0; index < count; index += 1) await emitModel(database, owner.name, ['READY']);
  await wake(owner, webhookId);
  await until(async () => (await deliveriesOf(owner, webhookId, ['DELIVERED'])).length === count);
  return (await deliveriesOf(owner, webhookId)).map(({ id }) => id);
}

describe('createWebhook and updateWebhook', () => {
  it.each([
    ['a private address', 'https://10.0.0.1/hook'],
    ['the address of a metadata service', 'https://169.254.169.254/latest'],
    ['a name that is never public', 'https://printer.internal/hook'],
    ['http', 'http://example.com/hook'],
    ['another port', 'https://example.com:8443/hook'],
    ['the port of http', 'https://example.com:80/hook'],
    ['a user and password', 'https://user:password@example.com/hook'],
  ])('refuse %s', async (_, url) => {
    const refusal = await owner.refusal(creation, { input: { url } });
    expect(refusal.extensions).toMatchObject({ code: 'INVALID_INPUT', field: 'input.url' });
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const again = await owner.refusal(change, { input: { id: webhook.id, url } });
    expect(again.extensions).toMatchObject({ code: 'INVALID_INPUT', field: 'input.url' });
  });

  it('name all problems of an input', async () => {
    const input = { url: 'http://10.0.0.1', eventTypes: [], description: 'x'.repeat(501) };
    const { extensions } = await owner.refusal(creation, { input });
    expect(extensions.problems).toMatchObject([
      { path: ['input', 'url'] },
      { path: ['input', 'description'] },
      { path: ['input', 'eventTypes'] },
    ]);
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const disabling = await owner.refusal(change, { input: { id: webhook.id, status: 'DISABLED' } });
    expect(disabling.extensions).toMatchObject({ code: 'INVALID_INPUT', field: 'input.status' });
  });

  it('accept public https addresses, and as many webhooks as the server allows', async () => {
    for (const url of ['https://example.com/hook?token=1', receiver.url, receiver.url])
      await createWebhook(owner, { url });
    const { extensions, message } = await owner.refusal(creation, { input: { url: receiver.url } });
    expect(extensions).toMatchObject({ code: 'QUOTA_EXCEEDED', maximum: 3 });
    expect(message).toContain('3 webhooks');
  });

  it('accept no more at the same time', async () => {
    const session = await gateway.database.session();
    await session.query('BEGIN');
    // Webhooks can be counted, but not inserted.
    await session.query('LOCK TABLE webhooks IN SHARE MODE');
    const creating = Array.from({ length: 6 }, async () => {
      const { errors } = await owner.post(creation, { input: { url: receiver.url } });
      return errors?.[0]?.extensions.code;
    });
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await until(async () => (await gateway.rows(waiting)).length >= 4);
    await session.query('COMMIT');
    const codes = await Promise.all(creating);
    expect(codes.filter((code) => code === undefined)).toHaveLength(3);
    expect(codes.filter((code) => code === 'QUOTA_EXCEEDED')).toHaveLength(3);
    expect(await webhooksOf(owner)).toHaveLength(3);
  });

  it('change what is given, and nothing else', async () => {
    const { webhook } = await createWebhook(owner, {
      ...{ url: receiver.url, description: 'first', eventTypes: ['MODEL_READY', 'MODEL_READY'] },
    });
    expect(webhook.eventTypes).toEqual(['MODEL_READY']);
    const { id } = webhook;
    expect(await updateWebhook(owner, { id, description: 'second' })).toEqual({
      ...webhook,
      description: 'second',
    });
    expect(await updateWebhook(owner, { id, status: 'PAUSED' })).toMatchObject({ status: 'PAUSED' });
    expect(await updateWebhook(owner, { id, description: null, url: 'https://example.com/' })).toMatchObject({
      ...{ description: null, url: 'https://example.com/', status: 'PAUSED' },
    });
    expect((await webhooksOf(owner)).map(({ url }) => url)).toEqual(['https://example.com/']);
  });
});

describe('testWebhook', () => {
  const test =
    'mutation ($id: ID!) { testWebhook(input: { id: $id }) { attempt { durationMs httpStatus excerpt } } }';

  it('sends a signed ping and returns the answer, also of a paused webhook', async () => {
    const { webhook, secret } = await createWebhook(owner, { url: receiver.url });
    await updateWebhook(owner, { id: webhook.id, status: 'PAUSED' });
    receiver.answer = status(418, 'a teapot');
    expect(await owner.request(test, { id: webhook.id })).toEqual({
      testWebhook: {
        attempt: { durationMs: expect.any(Number) as number, httpStatus: 418, excerpt: 'a teapot' },
      },
    });
    expect(receiver.verified(secret)).toHaveLength(1);
    expect(receiver.received[0]).toMatchObject({ type: 'ping', data: { webhookId: webhook.id } });
    expect(await deliveriesOf(owner, webhook.id)).toEqual([]);
  });

  it('returns what went wrong within 5 seconds', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    receiver.answer = () => undefined;
    expect(await owner.request(test, { id: webhook.id })).toMatchObject({
      testWebhook: { attempt: { httpStatus: null, excerpt: 'The endpoint did not answer in time.' } },
    });
  });
});

describe('replayWebhookDeliveries', () => {
  it('sends selected deliveries again with their ids, the oldest first', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const ids = await deliver(webhook.id, 4);
    receiver.received.length = 0;
    const unknown = ids[0]!.replace(/.{8}$/, '00000000');
    expect(await replay(owner, webhook.id, { ids: [ids[2], ids[0], unknown] })).toEqual({
      ...{ matchedCount: 2, changedCount: 2, hasMore: false },
      failures: [{ id: unknown, code: 'NOT_FOUND' }],
    });
    await until(() => receiver.received.length === 2);
    expect(receiver.received.map(({ id }) => id)).toEqual([ids[0], ids[2]]);
    await until(async () => (await deliveriesOf(owner, webhook.id, ['DELIVERED'])).length === 4);
    const [first] = await deliveriesOf(owner, webhook.id);
    expect(first!.attempts).toHaveLength(2);
  });

  it('selects a range of time, and skips in it what was just replayed', async () => {
    await gateway.restart({ MAX_BULK_OBJECTS: '2' });
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const ids = await deliver(webhook.id, 5);
    await gateway.rows(
      `UPDATE webhook_deliveries SET created_at = now() - interval '2 hours' WHERE id = ANY($1)`,
      [ids.slice(0, 3).map(uuidOf)],
    );
    receiver.received.length = 0;
    const created = { before: new Date(Date.now() - 3_600_000).toISOString() };
    expect(await replay(owner, webhook.id, { created })).toMatchObject({
      ...{ matchedCount: 3, changedCount: 2, hasMore: true },
    });
    expect(await replay(owner, webhook.id, { created })).toMatchObject({ changedCount: 1, hasMore: false });
    await until(() => receiver.received.length === 3);
    expect(receiver.received.map(({ id }) => id)).toEqual(ids.slice(0, 3));
    await until(async () => (await deliveriesOf(owner, webhook.id, ['DELIVERED'])).length === 5);
    expect(await replay(owner, webhook.id, { created })).toMatchObject({ matchedCount: 0, hasMore: false });
    await passTime(gateway, 1_800_000);
    expect(await replay(owner, webhook.id, { created })).toMatchObject({ changedCount: 0, hasMore: false });
    await gateway.rows(`UPDATE webhook_deliveries SET status = 'FAILED' WHERE id = $1`, [uuidOf(ids[0]!)]);
    expect(await replay(owner, webhook.id, { created })).toMatchObject({ changedCount: 1, hasMore: false });
    await until(async () => (await deliveriesOf(owner, webhook.id, ['DELIVERED'])).length === 5);
    await passTime(gateway, 1_900_000);
    receiver.received.length = 0;
    // The first one was replayed half an hour ago, the next two an hour ago, and the last two are an hour old now.
    expect(await replay(owner, webhook.id, { created })).toMatchObject({ matchedCount: 4, changedCount: 2 });
    await until(() => receiver.received.length === 2);
    // First those that were never replayed, so that repeated calls come to the end.
    expect(receiver.received.map(({ id }) => id)).toEqual(ids.slice(3));
    await gateway.restart({ MAX_BULK_OBJECTS: undefined });
  });

  it('takes 1 to 1,000 ids of deliveries', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const query = `mutation ($input: ReplayWebhookDeliveriesInput!) {
      replayWebhookDeliveries(input: $input) { result { changedCount } } }`;
    const refusal = async (ids: string[]): Promise<object> =>
      (await owner.refusal(query, { input: { webhookId: webhook.id, select: { ids } } })).extensions;
    expect(await refusal([])).toMatchObject({ code: 'INVALID_INPUT', field: 'input.select.ids' });
    expect(await refusal([webhook.id])).toMatchObject({ code: 'NOT_FOUND', field: 'input.select.ids[0]' });
  });
});

describe('webhooks of another owner', () => {
  it('are treated as unknown, as are their deliveries', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const [delivery] = await deliver(webhook.id, 1);
    const other = await Client.of(gateway);
    const { webhook: its } = await createWebhook(other, { url: receiver.url });
    const id = webhook.id;
    for (const mutation of [
      `updateWebhook(input: { id: "${id}", description: "x" }) { webhook { id } }`,
      `rotateWebhookSecret(input: { id: "${id}" }) { secret }`,
      `testWebhook(input: { id: "${id}" }) { attempt { excerpt } }`,
      `replayWebhookDeliveries(input: { webhookId: "${id}", select: { created: {} } }) { result { matchedCount } }`,
    ])
      expect((await other.refusal(`mutation { ${mutation} }`)).extensions).toMatchObject({
        code: 'NOT_FOUND',
      });
    await other.request(`mutation { deleteWebhook(input: { id: "${id}" }) { deletedId } }`);
    expect(await replay(other, its.id, { ids: [delivery] })).toMatchObject({
      ...{ matchedCount: 0, failures: [{ id: delivery, code: 'NOT_FOUND' }] },
    });
    const nodes = `{ nodes(ids: ["${id}", "${delivery}"]) { __typename id } }`;
    expect(await other.request(nodes)).toEqual({ nodes: [null, null] });
    expect(await owner.request(nodes)).toEqual({
      nodes: [
        { __typename: 'Webhook', id },
        { __typename: 'WebhookDelivery', id: delivery },
      ],
    });
    expect((await webhooksOf(other)).map((webhook_) => webhook_.id)).toEqual([its.id]);
  });
});

describe('deleteWebhook', () => {
  it('deletes the deliveries too, also while one is being sent', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const [delivery] = await deliver(webhook.id, 1);
    let finish: () => void = () => undefined;
    receiver.answer = (response) => (finish = () => response.end());
    await emitModel(database, owner.name, ['READY', 'FAILED']);
    await wake(owner, webhook.id);
    await until(() => receiver.received.length === 2);
    const deletion = `mutation { deleteWebhook(input: { id: "${webhook.id}" }) { deletedId } }`;
    expect(await owner.request(deletion)).toEqual({ deleteWebhook: { deletedId: webhook.id } });
    finish();
    expect(await owner.request(`{ node(id: "${delivery}") { id } }`)).toEqual({ node: null });
    await until(async () => (await gateway.database.tablesWith(uuidOf(webhook.id))).length === 0);
    await owner.request(deletion);
    expect(receiver.received).toHaveLength(2);
    expect(gateway.log.filter(({ level }) => Number(level) >= 40)).toEqual([]);
  });
});

describe('webhooks of a person', () => {
  it('are exported without secrets, and erased', async () => {
    const { webhook, secret } = await createWebhook(owner, { url: `${receiver.url}?for=${owner.name}` });
    await deliver(webhook.id, 2);
    const { exportMyData } = await owner.request<{ exportMyData: { url: string } }>(
      'mutation { exportMyData { url } }',
    );
    const archive = unzip(Buffer.from(await (await fetch(exportMyData.url)).arrayBuffer()));
    const text = archive.get('data.json')!.toString();
    expect(JSON.parse(text)).toMatchObject({
      webhooks: [{ url: webhook.url, status: 'ENABLED' }],
      webhookDeliveries: [{ eventType: 'MODEL_READY', status: 'DELIVERED' }, { eventType: 'MODEL_READY' }],
    });
    const [{ encrypted }] = (await gateway.rows<{ encrypted: string }>(
      'SELECT secret AS encrypted FROM webhooks WHERE id = $1',
      [uuidOf(webhook.id)],
    )) as [{ encrypted: string }];
    expect(text).not.toContain(secret);
    expect(text).not.toContain(encrypted);
    await owner.erase();
    expect(await webhooksOf(owner)).toEqual([]);
    expect(await gateway.database.tablesWith(uuidOf(webhook.id))).toEqual([]);
  });
});

describe('old deliveries', () => {
  it('are deleted after WEBHOOK_RETENTION, unless they are pending', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const ids = await deliver(webhook.id, 2);
    receiver.answer = status(500);
    await emitModel(database, owner.name, ['FAILED']);
    await wake(owner, webhook.id);
    await until(async () => (await deliveriesOf(owner, webhook.id)).at(-1)!.attempts.length > 0);
    await gateway.rows(
      `UPDATE webhook_deliveries SET created_at = now() - interval '8 days' WHERE id <> $1 AND owner = $2`,
      [uuidOf(ids[1]!), owner.name],
    );
    await gateway.restart();
    await until(async () => (await deliveriesOf(owner, webhook.id)).length === 2);
    expect((await deliveriesOf(owner, webhook.id)).map((delivery) => delivery.status)).toEqual([
      ...['DELIVERED', 'PENDING'],
    ]);
  });
});
