import type { Database } from '../../src/database/database';
import { Client, jwtSettings, uuidOf } from '../support/client';
import { TestGateway } from '../support/gateway';
import { until, within } from '../support/until';
import { receiverSettings, status, WebhookReceiver } from '../support/webhook-receiver';
import {
  attemptsOf,
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

/** The hook of failpoints in this process. */
const failpoints = globalThis as Record<symbol, unknown>;
const hook = Symbol.for('likeness.failpoint');

describe('a webhook that changes while its deliveries are created or sent', () => {
  it('is sent the events of a type that was selected while the events before it were read', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url, eventTypes: ['MODEL_DELETED'] });
    let found = (): void => undefined;
    let release = (): void => undefined;
    const isFound = new Promise<void>((resolve) => (found = resolve));
    const released = new Promise<void>((resolve) => (release = resolve));
    failpoints[hook] = (point: string) => {
      if (point !== 'webhook:found') return undefined;
      found();
      return released;
    };
    await emitModel(database, name(), ['UNCERTAIN']);
    await wake(owner, webhook.id);
    await within('the search for new events', isFound);
    await owner.request(
      `mutation { updateWebhook(input: { id: "${webhook.id}", eventTypes: [MODEL_READY] }) { webhook { id } } }`,
    );
    const model = await emitModel(database, name(), ['READY']);
    failpoints[hook] = undefined;
    release();
    await wake(owner, webhook.id);
    await until(() => receiver.received.length === 1);
    expect(receiver.received[0]).toMatchObject({ type: 'model.ready', data: { id: model } });
  });

  it('is sent no event of what is deleted while an earlier delivery is being sent', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    await updateWebhook(owner, { id: webhook.id, status: 'PAUSED' });
    const first = await emitModel(database, name(), ['READY']);
    const { modelId } = await owner.settle('by the pond', 1);
    let finish = (): void => undefined;
    receiver.answer = (response) => (finish = () => response.end());
    await updateWebhook(owner, { id: webhook.id, status: 'ENABLED' });
    await until(() => receiver.received.length === 1);
    const others = (): Promise<string[]> =>
      deliveriesOf(owner, webhook.id).then((log) => log.slice(1).map(({ eventType }) => eventType));
    await until(async () => (await others()).includes('GENERATION_COMPLETED'));
    await owner.delete('deleteModel', modelId);
    await until(async () => (await others()).join() === 'MODEL_DELETED');
    receiver.answer = status(200);
    finish();
    await until(() => receiver.types.includes('model.deleted'));
    expect(receiver.received.map(({ type, data }) => [type, data.id])).toEqual([
      ['model.ready', first],
      ['model.deleted', modelId],
    ]);
  });

  it('stays paused although it has failed for 24 hours', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    receiver.answer = status(500);
    await emitModel(database, name(), ['READY']);
    await wake(owner, webhook.id);
    await until(async () => (await attemptsOf(owner, webhook.id))[0] === 1);
    await gateway.rows(`UPDATE webhooks SET tries = 20, failing_since = now() - interval '30 hours'`);
    let finish = (): void => undefined;
    receiver.answer = (response) => (finish = () => response.writeHead(500).end());
    await passTime(gateway, 7_200_000);
    await wake(owner, webhook.id);
    await until(() => receiver.received.length === 2);
    await updateWebhook(owner, { id: webhook.id, status: 'PAUSED' });
    finish();
    await until(async () => (await attemptsOf(owner, webhook.id))[0] === 2);
    expect(await webhooksOf(owner)).toMatchObject([{ status: 'PAUSED', disabledReason: null }]);
  });

  it('is sent each model’s events in order, and once, while two gateways send a replay of earlier ones', async () => {
    const other = await gateway.startAnother({});
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const models: string[] = [];
    for (let count = 0; count < 10; count += 1)
      models.push(await emitModel(database, name(), ['UNCERTAIN', 'FAILED']));
    await wake(owner, webhook.id);
    const areDelivered = (total: number): Promise<void> =>
      until(async () => (await deliveriesOf(owner, webhook.id, ['DELIVERED'])).length === total);
    await areDelivered(20);
    const before = new Date().toISOString();
    const replayed = replay(owner, webhook.id, { created: { before } });
    for (const model of models) await emitModel(database, name(), ['READY'], uuidOf(model));
    await wake(await Client.of(other, name()), webhook.id);
    expect(await replayed).toMatchObject({ changedCount: 20, hasMore: false });
    await areDelivered(30);
    for (const model of models) {
      const types = receiver.received.filter(({ data }) => data.id === model).map(({ type }) => type);
      const again = types.slice(2).filter((type) => type !== 'model.ready');
      expect(types.slice(0, 2)).toEqual(['model.uncertain', 'model.failed']);
      expect(again).toEqual(['model.uncertain', 'model.failed']);
      expect(types).toHaveLength(5);
    }
    await other.end();
  });

  it('is sent no second event of a failure whose code changes after its events were deleted', async () => {
    await createWebhook(owner, { url: receiver.url, eventTypes: ['GENERATION_FAILED', 'MODEL_READY'] });
    const modelId = await owner.trained(await owner.upload());
    const { sandbox } = gateway;
    await sandbox.fault({ on: 'result', kind: 'status', status: 503, times: 100_000 });
    const { id } = await owner.generate(modelId);
    const passes = (change: string): Promise<void> =>
      until(async () => {
        const changed = await gateway.rows(
          `UPDATE avatars SET due_at = now(), ${change} WHERE owner = $1 AND lease IS NULL AND failing_since IS NOT NULL RETURNING 1`,
          [name()],
        );
        return changed.length > 0;
      });
    const failsWith = (code: string): Promise<void> =>
      until(async () => (await owner.generation(id))?.failure?.code === code);
    await passes(`failing_since = now() - interval '1 day'`);
    await failsWith('RESULT_UNREACHABLE');
    await until(() => receiver.types.includes('generation.failed'));
    await gateway.rows('DELETE FROM events WHERE owner = $1', [name()]);
    await passes(`expires_at = now() - interval '100 days'`);
    await failsWith('RESULT_EXPIRED');
    const headers = { 'x-picsart-api-key': sandbox.apiKey };
    await fetch(new URL('/sandbox/faults', sandbox.url), { method: 'DELETE', headers });
    const last = await emitModel(database, name(), ['READY']);
    await until(() => receiver.received.some(({ data }) => data.id === last));
    expect(receiver.types).toEqual(['model.ready', 'generation.failed', 'model.ready']);
  });
});

describe('a person who is erased while a delivery is being sent', () => {
  it.each([
    ['succeeds', 200],
    ['fails', 500],
  ])('gets no other one, and nothing of the webhook is left, if it %s', async (_, code) => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const answers: (() => void)[] = [];
    receiver.answer = (response) => answers.push(() => response.writeHead(code).end());
    await owner.settle('by the sea', 2);
    await until(() => answers.length === 1);
    const before = gateway.log.length;
    expect(await owner.erase()).toMatchObject({ completedAt: expect.any(String) as string });
    answers[0]!();
    // A webhook of another owner is sent its event after the worker has recorded nothing.
    const other = await Client.of(gateway);
    const { webhook: its } = await createWebhook(other, { url: receiver.url });
    const model = await emitModel(database, other.name, ['READY']);
    await wake(other, its.id);
    await until(() => answers.length === 2);
    answers[1]!();
    expect(receiver.received[1]!.data.id).toBe(model);
    expect(await gateway.database.tablesWith(uuidOf(webhook.id))).toEqual([]);
    expect(await gateway.database.tablesWith(owner.name)).toEqual(['erasures']);
    expect(gateway.log.slice(before)).toEqual([]);
  });
});

describe('a paused webhook', () => {
  it('keeps events, and deliveries that were not attempted yet, until it is enabled', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    receiver.answer = status(500);
    const first = await emitModel(database, name(), ['UNCERTAIN', 'READY']);
    await wake(owner, webhook.id);
    await until(async () => (await attemptsOf(owner, webhook.id)).includes(1));
    await until(async () => (await deliveriesOf(owner, webhook.id)).length === 2);
    await updateWebhook(owner, { id: webhook.id, status: 'PAUSED' });
    const later = await emitModel(database, name(), ['READY']);
    await passTime(gateway, 25 * 3_600_000);
    await gateway.rows(`UPDATE events SET created_at = created_at - interval '25 hours' WHERE owner = $1`, [
      name(),
    ]);
    receiver.received.length = 0;
    receiver.answer = status(200);
    await updateWebhook(owner, { id: webhook.id, status: 'ENABLED' });
    await until(() => receiver.received.length === 3);
    expect(receiver.received.map(({ type, data }) => [type, data.id])).toEqual([
      ['model.uncertain', first],
      ['model.ready', first],
      ['model.ready', later],
    ]);
    await until(async () => (await deliveriesOf(owner, webhook.id, ['DELIVERED'])).length === 3);
  });

  it('is sent nothing, not even what was pending', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    receiver.answer = status(500);
    await emitModel(database, name(), ['READY']);
    await wake(owner, webhook.id);
    await until(async () => (await attemptsOf(owner, webhook.id))[0] === 1);
    await updateWebhook(owner, { id: webhook.id, status: 'PAUSED' });
    await wake(owner, webhook.id);
    const other = await Client.of(gateway);
    const second = await WebhookReceiver.start();
    const its = await createWebhook(other, { url: second.url });
    await emitModel(database, other.name, ['READY']);
    await wake(other, its.webhook.id);
    await until(() => second.received.length === 1);
    expect(receiver.received).toHaveLength(1);
    receiver.answer = status(200);
    await updateWebhook(owner, { id: webhook.id, status: 'ENABLED' });
    await until(() => receiver.received.length === 2);
    await second.stop();
  });
});
