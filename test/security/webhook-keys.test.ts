import { newId } from '../../src/core/ids';
import type { Database } from '../../src/database/database';
import { Client, jwtSecret, uuidOf } from '../support/client';
import { likeness, type CommandResult } from '../support/command-line';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';
import { receiverSettings, WebhookReceiver } from '../support/webhook-receiver';
import { createWebhook, emitModel, updateWebhook, wake, webhooksOf } from '../support/webhooks';

jest.setTimeout(60_000);

let gateway: TestGateway;
let database: Database;
let receiver: WebhookReceiver;
let name: string;

beforeAll(async () => {
  gateway = await TestGateway.start({ AUTH: 'keys,jwt', JWT_SECRET: jwtSecret, ...receiverSettings });
  database = await gateway.database.pool(2);
});

afterAll(() => gateway.stop());

beforeEach(async () => {
  receiver = await WebhookReceiver.start();
  name = `owner-${newId()}`;
});

afterEach(() => receiver.stop());

/** A client with a new API key. */
interface KeyHolder {
  client: Client;
  id: string;
  text: string;
}

const operate = (...words: string[]): Promise<CommandResult> =>
  likeness({ DATABASE_URL: gateway.databaseUrl }, ...words);

async function newKey(...options: string[]): Promise<KeyHolder> {
  const { out } = await operate('keys', 'create', '--owner', name, ...options);
  return { client: Client.with(gateway, name, out), id: out.split('_')[1]!, text: out };
}

const reasonOf = (id: string): string =>
  `The API key ${id} that the webhook belonged to was revoked or has expired.`;
const stateOf = async ({ client }: KeyHolder): Promise<string> => (await webhooksOf(client))[0]!.status;

describe('a webhook that was created with an API key', () => {
  it('ends when the key is revoked, with a notice, and continues with another key without a loss', async () => {
    const [key, other] = [await newKey(), await newKey()];
    const { webhook } = await createWebhook(key.client, { url: receiver.url });
    await emitModel(database, name, ['READY']);
    await wake(other.client, webhook.id);
    await until(() => receiver.received.length === 1);
    await operate('keys', 'revoke', key.id);
    const missed = await emitModel(database, name, ['READY']);
    await wake(other.client, webhook.id);
    await until(async () => (await stateOf(other)) === 'DISABLED');
    expect(await webhooksOf(other.client)).toMatchObject([{ disabledReason: reasonOf(key.id) }]);
    const { viewer } = await other.client.request<{ viewer: { notices: { nodes: object[] } } }>(
      '{ viewer { notices { nodes { kind message subject { id } } } } }',
    );
    expect(viewer.notices.nodes).toEqual([
      {
        ...{ kind: 'WEBHOOK_DISABLED', subject: { id: webhook.id } },
        message: expect.stringContaining(
          `${reasonOf(key.id)} Enable the webhook with updateWebhook and another API key`,
        ) as string,
      },
    ]);
    const later = await emitModel(database, name, ['READY']);
    expect(receiver.received).toHaveLength(1);
    await updateWebhook(other.client, { id: webhook.id, status: 'ENABLED' });
    await until(() => receiver.received.length === 3);
    expect(receiver.received.slice(1).map(({ data }) => data.id)).toEqual([missed, later]);
  });

  it('ends when the key expires, although no event comes', async () => {
    const [key, other] = [await newKey('--expires', '1h'), await newKey()];
    await createWebhook(key.client, { url: receiver.url });
    await createWebhook(other.client, { url: receiver.url });
    await gateway.rows('UPDATE api_keys SET expires_at = now() WHERE id = $1', [key.id]);
    await gateway.restart();
    await until(async () => (await webhooksOf(other.client))[1]!.status === 'DISABLED');
    expect(await webhooksOf(other.client)).toMatchObject([
      { status: 'ENABLED' },
      { disabledReason: reasonOf(key.id) },
    ]);
  });

  it('ends for each user that the key acts for', async () => {
    const key = await newKey('--on-behalf');
    const webhooks: string[] = [];
    for (const user of ['anna', 'bert']) {
      const headers = { 'x-likeness-owner': user };
      const client = new Client(() => gateway.url, { token: key.text, headers });
      webhooks.push(uuidOf((await createWebhook(client, { url: receiver.url })).webhook.id));
    }
    await operate('keys', 'revoke', key.id);
    await gateway.restart();
    const states = (): Promise<object[]> =>
      gateway.rows('SELECT DISTINCT status FROM webhooks WHERE id = ANY($1)', [webhooks]);
    await until(async () => JSON.stringify(await states()) === '[{"status":"DISABLED"}]');
  });

  it('belongs to the key, or to the user, that enables it or changes its URL', async () => {
    const [first, second, third] = [await newKey(), await newKey(), await newKey()];
    const { webhook } = await createWebhook(first.client, { url: receiver.url });
    const { id } = webhook;
    const arrives = async (): Promise<void> => {
      const model = await emitModel(database, name, ['READY']);
      await wake(third.client, id);
      await until(() => receiver.received.some(({ data }) => data.id === model));
    };
    await updateWebhook(second.client, { id, status: 'ENABLED' });
    await operate('keys', 'revoke', first.id);
    await arrives();
    await updateWebhook(third.client, { id, url: `${receiver.url}/new` });
    await operate('keys', 'revoke', second.id);
    await arrives();
    await updateWebhook(await Client.of(gateway, name), { id, status: 'ENABLED' });
    await operate('keys', 'revoke', third.id);
    const last = await newKey();
    const model = await emitModel(database, name, ['READY']);
    await wake(last.client, id);
    await until(() => receiver.received.some(({ data }) => data.id === model));
    // The last key has only changed what decides nothing: the webhook does not belong to it.
    expect(await gateway.rows('SELECT key_id FROM webhooks WHERE id = $1', [uuidOf(id)])).toEqual([
      { key_id: null },
    ]);
  });

  it('continues with the key that replaces the revoked one', async () => {
    const [key, next] = [await newKey(), await newKey()];
    const { webhook } = await createWebhook(key.client, { url: receiver.url });
    const ofAnother = (await operate('keys', 'create', '--owner', `${name}-2`)).out;
    for (const [id, reason] of [
      [ofAnother, /cannot replace key/],
      [(await newKey('--scopes', 'write')).id, /with the scope read/],
      [(await newKey('--on-behalf')).id, /act for others if and only if/],
      ['unknown', /There is no key/],
    ] as const)
      expect((await operate('keys', 'revoke', key.id, '--webhooks-to', id)).remarks).toMatch(reason);
    const { out } = await operate('keys', 'revoke', key.id, '--webhooks-to', next.id);
    expect(out).toBe(`1 webhooks continue with key ${next.id}.\nKey ${key.id} is revoked.`);
    await emitModel(database, name, ['READY']);
    await wake(next.client, webhook.id);
    await until(() => receiver.received.length === 1);
    expect((await operate('webhooks', 'list', '--owner', name, '--json')).out).toContain(next.id);
  });

  it('continues for its owner when the operator enables it', async () => {
    const [key, other] = [await newKey(), await newKey()];
    const { webhook } = await createWebhook(key.client, { url: receiver.url });
    await operate('keys', 'revoke', key.id);
    await emitModel(database, name, ['READY']);
    await wake(other.client, webhook.id);
    await until(async () => (await stateOf(other)) === 'DISABLED');
    await operate('webhooks', 'enable', webhook.id);
    await until(() => receiver.received.length === 1);
    expect(await stateOf(other)).toBe('ENABLED');
  });
});

describe('an API key without the scope read', () => {
  it('neither creates a webhook, nor changes its URL, nor enables it', async () => {
    const [writer, reader] = [await newKey('--scopes', 'write'), await newKey()];
    const { webhook } = await createWebhook(reader.client, { url: receiver.url });
    const { id } = webhook;
    const refused = { code: 'FORBIDDEN', needed: 'read', given: ['write'] };
    for (const mutation of [
      `createWebhook(input: { url: "${receiver.url}" }) { secret }`,
      `updateWebhook(input: { id: "${id}", url: "${receiver.url}" }) { webhook { id } }`,
      `updateWebhook(input: { id: "${id}", status: ENABLED }) { webhook { id } }`,
    ])
      expect((await writer.client.refusal(`mutation { ${mutation} }`)).extensions).toMatchObject(refused);
    expect(await updateWebhook(writer.client, { id, status: 'PAUSED' })).toMatchObject({ status: 'PAUSED' });
  });
});
