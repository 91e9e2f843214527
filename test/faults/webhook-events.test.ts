import type { Database } from '../../src/database/database';
import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import { eventually, until } from '../support/until';
import { receiverSettings, status, WebhookReceiver } from '../support/webhook-receiver';
import { createWebhook, deliveriesOf, emitModel, wake, passTime, attemptsOf } from '../support/webhooks';

jest.setTimeout(60_000);

let gateway: TestGateway;
let database: Database;
let receiver: WebhookReceiver;
let owner: Client;

beforeAll(async () => {
  // Of all gateways: each reads the secrets of webhooks.
  const SIGNING_SECRETS = 'a signing secret of the tests of webhooks';
  gateway = await TestGateway.start({ ...jwtSettings, ...receiverSettings, SIGNING_SECRETS });
  database = await gateway.database.pool(2);
});

afterAll(() => gateway.stop());

beforeEach(async () => {
  receiver = await WebhookReceiver.start();
  owner = await Client.of(gateway);
});

afterEach(async () => {
  await receiver.stop();
  await gateway.rows('DELETE FROM webhooks');
});

const name = (): string => owner.name;

/** The number of attempts of each delivery, the oldest first. */
const attempts = (id: string): Promise<number[]> => attemptsOf(owner, id);

describe('webhooks', () => {
  it('receive signed events of models, generations and avatars in order, with ids and states only', async () => {
    const { webhook, secret } = await createWebhook(owner, { url: receiver.url, description: 'My shop' });
    expect(webhook).toMatchObject({ url: receiver.url, description: 'My shop', status: 'ENABLED' });
    expect(secret).toMatch(/^whsec_/);

    const { modelId, generationId } = await owner.settle('a secret prompt', 2);
    const avatars = await owner.avatars(generationId);
    await until(() => receiver.types.includes('generation.completed'));
    await until(async () => (await deliveriesOf(owner, webhook.id, ['PENDING'])).length === 0);
    await owner.delete('deleteAvatar', avatars[0]!.id);
    await until(() => receiver.types.includes('avatar.deleted'));
    await owner.delete('deleteModel', modelId);
    await until(() => receiver.types.includes('model.deleted'));

    expect(receiver.verified(secret)).toHaveLength(receiver.received.length);
    expect(receiver.types.filter((type) => type !== 'avatar.created')).toEqual([
      ...['model.ready', 'generation.completed', 'avatar.deleted', 'model.deleted'],
    ]);
    expect(receiver.types.indexOf('avatar.created')).toBe(1);
    const state = { attempt: 1, failure: null };
    expect(receiver.received.map(({ data }) => data)).toEqual([
      { id: modelId, status: 'READY', ...state },
      ...avatars.map(() => ({ id: expect.stringMatching(/^avatar_/) as string, generationId, modelId })),
      { id: generationId, modelId, status: 'COMPLETED', ...state },
      { id: avatars[0]!.id, generationId, modelId },
      { id: modelId },
    ]);
    const text = JSON.stringify(receiver.received);
    for (const word of ['secret prompt', 'model of', 'http:', name()]) expect(text).not.toContain(word);

    const deliveries = await eventually(
      'the log',
      () => deliveriesOf(owner, webhook.id),
      (log) => log.every((delivery) => delivery.status === 'DELIVERED'),
    );
    expect(deliveries.map(({ id }) => id)).toEqual(receiver.received.map(({ id }) => id));
    expect(deliveries[0]).toMatchObject({
      eventType: 'MODEL_READY',
      subjectId: modelId,
      nextAttemptAt: null,
      attempts: [{ httpStatus: 200, excerpt: 'thanks' }],
    });
  });

  it('receive only the selected types, and each change of a status once', async () => {
    await createWebhook(owner, { url: receiver.url, eventTypes: ['MODEL_READY', 'MODEL_DELETED'] });
    const { modelId } = await owner.settle('by the sea', 1);
    await owner.rename(modelId, 'Another name');
    await owner.delete('deleteModel', modelId);
    await until(() => receiver.received.length === 2);
    expect(receiver.types).toEqual(['model.ready', 'model.deleted']);
  });

  it('receive no second event of a status when a model is renamed after its events were deleted', async () => {
    await createWebhook(owner, { url: receiver.url, eventTypes: ['MODEL_READY', 'MODEL_DELETED'] });
    const { modelId } = await owner.settle('by the lake', 1);
    await until(() => receiver.received.length === 1);
    await gateway.rows('DELETE FROM events WHERE owner = $1', [name()]);
    await owner.rename(modelId, 'Another name');
    await owner.delete('deleteModel', modelId);
    const last = await emitModel(database, name(), ['READY']);
    await until(() => receiver.received.some(({ data }) => data.id === last));
    expect(receiver.types).toEqual(['model.ready', 'model.deleted', 'model.ready']);
  });

  it('receive no pending event of what was deleted, except the deletion', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    receiver.answer = status(500);
    const { modelId, generationId } = await owner.settle('by the river', 1);
    const pending = async (): Promise<string[]> =>
      (await deliveriesOf(owner, webhook.id, ['PENDING'])).map(({ eventType }) => eventType);
    await until(async () => (await pending()).length === 3);
    await owner.delete('deleteGeneration', generationId);
    await until(async () => (await pending()).join() === 'MODEL_READY,GENERATION_DELETED');
    await owner.delete('deleteModel', modelId);
    await until(async () => (await pending()).join() === 'GENERATION_DELETED,MODEL_DELETED');
    await until(() => receiver.types.includes('model.ready'));
    receiver.received.length = 0;
    receiver.answer = status(200);
    await passTime(gateway, 3_600_000);
    await wake(owner, webhook.id);
    await until(() => receiver.received.length === 2);
    expect(receiver.types).toEqual(['generation.deleted', 'model.deleted']);
  });

  it('receive no event from before they were created, or of other owners', async () => {
    const first = await emitModel(database, name(), ['READY']);
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    await emitModel(database, 'another-owner', ['READY']);
    const second = await emitModel(database, name(), ['READY']);
    await wake(owner, webhook.id);
    await until(() => receiver.received.length > 0);
    await until(async () => (await deliveriesOf(owner, webhook.id, ['PENDING'])).length === 0);
    expect(receiver.received.map(({ data }) => data.id)).toEqual([second]);
    expect(first).not.toBe(second);
  });

  it('receive each event once if two gateways share the work', async () => {
    const other = await gateway.startAnother({});
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const ids: string[] = [];
    for (let count = 0; count < 60; count += 1) ids.push(await emitModel(database, name(), ['READY']));
    await wake(owner, webhook.id);
    await wake(await Client.of(other, name()), webhook.id);
    await until(() => receiver.received.length >= ids.length);
    await until(async () => (await deliveriesOf(owner, webhook.id, ['PENDING'])).length === 0);
    expect(receiver.received.map(({ data }) => data.id)).toEqual(ids);
    await other.end();
  });
});

describe('rotateWebhookSecret', () => {
  const rotate = async (id: string, overlapSeconds?: number): Promise<string> => {
    const query = `mutation ($input: RotateWebhookSecretInput!) {
      rotateWebhookSecret(input: $input) { secret oldSecretExpiresAt webhook { id } } }`;
    const data = await owner.request<{ rotateWebhookSecret: { secret: string } }>(query, {
      input: { id, overlapSeconds },
    });
    return data.rotateWebhookSecret.secret;
  };

  it('signs with both secrets until the old one expires, also deliveries that are retried', async () => {
    const { webhook, secret } = await createWebhook(owner, { url: receiver.url });
    receiver.answer = status(500);
    await emitModel(database, name(), ['READY']);
    await wake(owner, webhook.id);
    await until(async () => (await attempts(webhook.id))[0] === 1);
    receiver.received.length = 0;
    receiver.answer = status(200);
    const next = await rotate(webhook.id);
    expect(next).not.toBe(secret);
    await passTime(gateway, 10_000);
    await wake(owner, webhook.id);
    await until(() => receiver.received.length === 1);
    expect(receiver.verified(secret)).toHaveLength(1);
    expect(receiver.verified(next)).toHaveLength(1);

    await gateway.rows(`UPDATE webhooks SET old_secret_expires_at = now()`);
    await emitModel(database, name(), ['FAILED']);
    await wake(owner, webhook.id);
    await until(() => receiver.received.length === 2);
    expect(() => receiver.verified(secret)).toThrow('No matching signature');
    expect(receiver.verified(next)).toHaveLength(2);
    const last = await rotate(webhook.id, 0);
    await emitModel(database, name(), ['FAILED']);
    receiver.received.length = 0;
    await wake(owner, webhook.id);
    await until(() => receiver.received.length === 1);
    expect(receiver.verified(last)).toHaveLength(1);
    expect(() => receiver.verified(next)).toThrow('No matching signature');
  });

  it('keeps secrets encrypted, and readable after a rotation of the signing secrets', async () => {
    const old = 'an old signing secret of 32 bytes or more';
    const fresh = 'a new signing secret of 32 bytes or more';
    await gateway.restart({ SIGNING_SECRETS: old });
    const { webhook, secret } = await createWebhook(owner, { url: receiver.url });
    expect(await gateway.database.tablesWith(secret)).toEqual([]);
    const [created] = await gateway.rows<{ secret: string }>('SELECT secret FROM webhooks');
    await gateway.restart({ SIGNING_SECRETS: `${fresh},${old}` });
    await emitModel(database, name(), ['READY']);
    await wake(owner, webhook.id);
    await until(() => receiver.received.length === 1);
    expect(receiver.verified(secret)).toHaveLength(1);
    await eventually(
      'the encryption with the new signing secret',
      () => gateway.rows<{ secret: string }>('SELECT secret FROM webhooks'),
      ([row]) => row!.secret !== created!.secret,
    );
    await gateway.restart({ SIGNING_SECRETS: fresh });
    await emitModel(database, name(), ['READY']);
    await wake(owner, webhook.id);
    await until(() => receiver.received.length === 2);
    expect(receiver.verified(secret)).toHaveLength(2);
  });

  it('sends deliveries whose secret cannot be read after a rotation of it, and does not disable the webhook', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    await gateway.restart({ SIGNING_SECRETS: 'another signing secret of 32 bytes or more' });
    await emitModel(database, name(), ['READY']);
    await wake(owner, webhook.id);
    const deliveries = await eventually(
      'an attempt',
      () => deliveriesOf(owner, webhook.id),
      ([first]) => first?.attempts.length === 1,
    );
    expect(deliveries[0]!.attempts[0]!.excerpt).toBe(
      'The server cannot read the secret. Rotate it with rotateWebhookSecret.',
    );
    await passTime(gateway, 25 * 3_600_000);
    await wake(owner, webhook.id);
    await until(async () => {
      const [row] = await gateway.rows<{ waits: boolean }>(
        'SELECT rest_until > now() AS waits FROM webhooks',
      );
      return row!.waits;
    });
    expect(await gateway.rows('SELECT status, tries, failing_since FROM webhooks')).toEqual([
      { status: 'ENABLED', tries: 0, failing_since: null },
    ]);
    expect(await deliveriesOf(owner, webhook.id)).toMatchObject([{ status: 'PENDING', attempts: [{}] }]);
    const message = 'the secret of a webhook cannot be read; its deliveries wait';
    expect(gateway.log.filter(({ msg }) => msg === message)).toHaveLength(1);
    const next = await rotate(webhook.id);
    await until(() => receiver.received.length === 1);
    expect(receiver.verified(next)).toHaveLength(1);
    await gateway.restart({ SIGNING_SECRETS: undefined });
  });
});

describe('events that are no longer stored', () => {
  it('are counted and logged, and the webhook continues', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    receiver.answer = status(200);
    await gateway.end();
    await emitModel(database, name(), ['READY']);
    await emitModel(database, name(), ['READY']);
    await gateway.rows(
      `UPDATE owner_streams SET sequence = sequence + 1, complete_from = sequence + 2,
              numbered_until = pg_current_snapshot()::text WHERE owner = $1`,
      [name()],
    );
    const last = await emitModel(database, name(), ['READY']);
    await gateway.begin();
    await until(() => receiver.received.length === 1);
    expect(receiver.received[0]!.data.id).toBe(last);
    expect(gateway.log).toContainEqual(
      expect.objectContaining({
        msg: 'a webhook has missed events, which are no longer stored; it continues with the next ones',
        missing: 1,
      }),
    );
    const metrics = await eventually(
      'the count of the attempt',
      async () => (await fetch(`${gateway.url}/metrics`)).text(),
      (text) => text.includes('likeness_webhook_attempts_total{outcome="delivered"} 1\n'),
    );
    expect(metrics).toMatch(/likeness_webhook_gaps_total 1\n/);
    expect(metrics).toMatch(/likeness_webhooks\{status="ENABLED"\} 1\n/);
    expect(webhook.status).toBe('ENABLED');
  });
});
