import { newId } from '../../src/core/ids';
import { createLogger } from '../../src/core/logger';
import type { Database } from '../../src/database/database';
import { Wakeups } from '../../src/events/wakeups';
import { caughtUp, followActivity, type ActivityNews } from '../support/activity';
import { Client, jwtSettings, uuidOf } from '../support/client';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';
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

jest.setTimeout(120_000);

let gateway: TestGateway;
let database: Database;
let receiver: WebhookReceiver;
let owner: Client;

beforeAll(async () => {
  gateway = await TestGateway.start({ ...jwtSettings, ...receiverSettings });
  database = await gateway.database.pool(2);
});

afterAll(() => gateway.stop());

beforeEach(async () => {
  receiver = await WebhookReceiver.start();
  receiver.answer = status(500);
  owner = await Client.of(gateway);
});

afterEach(async () => {
  await receiver.stop();
  await gateway.rows('DELETE FROM webhooks');
});

const name = (): string => owner.name;
const attempts = (id: string): Promise<number[]> => attemptsOf(owner, id);
const statusOf = async (): Promise<string> => (await webhooksOf(owner))[0]!.status;

/** Waits for so many failed attempts of the first delivery, the last of them after `hours`. */
async function failAgain(id: string, count: number, hours = 2): Promise<void> {
  await passTime(gateway, hours * 3_600_000);
  await wake(owner, id);
  await until(async () => (await attempts(id))[0] === count);
}

const enable = (id: string): Promise<unknown> => updateWebhook(owner, { id, status: 'ENABLED' });
const replayAll = (id: string): Promise<unknown> => replay(owner, id, { created: {} });

/** A webhook whose delivery has failed once. */
async function failing(modelId?: string): Promise<string> {
  const { webhook } = await createWebhook(owner, { url: receiver.url });
  await emitModel(database, name(), ['UNCERTAIN'], modelId);
  await wake(owner, webhook.id);
  await until(async () => (await attempts(webhook.id))[0] === 1);
  return webhook.id;
}

describe('an endpoint that fails', () => {
  it('is disabled after 24 hours, with a notice; enabling it sends everything in order', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const wakeups = new Wakeups({ url: gateway.databaseUrl, logger: createLogger('silent') });
    const woken = new Set<string>();
    wakeups.onStreams((ids) => [...ids].forEach((id) => woken.add(id)));
    await wakeups.start();
    const live = await caughtUp(followActivity(owner, { filter: { kinds: ['NOTICE'] } }));
    receiver.answer = status(500);
    await emitModel(database, name(), ['READY']);
    await wake(owner, webhook.id);
    await until(async () => (await attempts(webhook.id))[0] === 1);
    for (let count = 2; count <= 12; count += 1) await failAgain(webhook.id, count);
    expect((await webhooksOf(owner))[0]).toMatchObject({ status: 'ENABLED', disabledReason: null });
    await passTime(gateway, 3 * 3_600_000);
    await wake(owner, webhook.id);
    await until(async () => (await webhooksOf(owner))[0]!.status === 'DISABLED');

    const reason = 'No delivery has succeeded for 24 hours. The last attempt: HTTP 500.';
    expect((await webhooksOf(owner))[0]).toMatchObject({ disabledReason: reason });
    const { viewer } = await owner.request<{ viewer: { notices: { nodes: object[] } } }>(
      '{ viewer { notices { nodes { kind message subject { __typename id } } } } }',
    );
    const [, { change }] = (await live.until(({ length }) => length > 1)) as [unknown, ActivityNews];
    live.drop();
    expect(change).toMatchObject({ type: 'NoticeCreated', notice: { kind: 'WEBHOOK_DISABLED' } });
    await until(() => woken.has(uuidOf(change.notice!.id)));
    await wakeups.stop();
    expect(viewer.notices.nodes).toEqual([
      {
        kind: 'WEBHOOK_DISABLED',
        message: expect.stringContaining(reason) as string,
        subject: { __typename: 'Webhook', id: webhook.id },
      },
    ]);
    const [failed] = await deliveriesOf(owner, webhook.id, ['FAILED']);
    expect(failed).toMatchObject({ nextAttemptAt: null });
    const later = await emitModel(database, name(), ['READY']);

    receiver.received.length = 0;
    receiver.answer = status(200);
    expect(await updateWebhook(owner, { id: webhook.id, status: 'ENABLED' })).toMatchObject({
      status: 'ENABLED',
      disabledReason: null,
    });
    await until(async () => (await deliveriesOf(owner, webhook.id, ['DELIVERED'])).length === 2);
    expect(receiver.received.map(({ data }) => data.id)).toEqual([failed!.subjectId, later]);
    // They were not replayed yet.
    expect(await replayAll(webhook.id)).toMatchObject({ matchedCount: 2, changedCount: 2 });
    await until(() => receiver.received.length === 4);
  });

  it('is sent what its owner replayed while it was disabled, however old it is', async () => {
    const id = await failing();
    await gateway.rows(
      `UPDATE webhook_deliveries SET status = 'FAILED', next_attempt_at = NULL, failed_at = now()`,
    );
    await gateway.rows(`UPDATE webhooks SET status = 'DISABLED'`);
    expect(await replayAll(id)).toMatchObject({ changedCount: 1 });
    await passTime(gateway, 25 * 3_600_000);
    receiver.answer = status(200);
    await enable(id);
    await until(async () => (await deliveriesOf(owner, id, ['DELIVERED'])).length === 1);
  });

  it('is not disabled while its deliveries were not attempted, nor is a delivery given up', async () => {
    const id = await failing();
    // It has failed often enough, but the time without attempts is not a failure of it.
    await gateway.rows('UPDATE webhooks SET tries = 20');
    await failAgain(id, 2, 30);
    await failAgain(id, 3, 30);
    expect(await statusOf()).toBe('ENABLED');
    for (let count = 4; count <= 5; count += 1) await failAgain(id, count, 1);
    expect(await statusOf()).toBe('ENABLED');
    receiver.answer = status(200);
    await emitModel(database, name(), ['READY']);
    await passTime(gateway, 3_600_000);
    await wake(owner, id);
    await until(async () => (await deliveriesOf(owner, id, ['DELIVERED'])).length === 2);
  });

  it.each([
    ['its URL is changed', (id: string) => updateWebhook(owner, { id, url: `${receiver.url}/new` })],
    [
      'its secret is rotated',
      (id: string) => owner.request(`mutation { rotateWebhookSecret(input: { id: "${id}" }) { secret } }`),
    ],
    [
      'it is paused and enabled',
      async (id: string) => {
        await updateWebhook(owner, { id, status: 'PAUSED' });
        return enable(id);
      },
    ],
  ])('has another 24 hours after %s', async (_, change) => {
    const id = await failing();
    await gateway.rows(
      `UPDATE webhooks SET tries = 20, failing_since = now() - interval '30 hours', rest_until = now() + interval '1 hour'`,
    );
    await change(id);
    await passTime(gateway, 7_200_000);
    await wake(owner, id);
    await until(async () => (await attempts(id))[0]! > 1);
    expect(await statusOf()).toBe('ENABLED');
  });

  it('has another 24 hours after what failed was deleted', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const { modelId } = await owner.settle('by the river', 1);
    await until(async () => ((await attempts(webhook.id))[0] ?? 0) > 0);
    await gateway.rows(`UPDATE webhooks SET tries = 20, failing_since = now() - interval '30 hours'`);
    // More than are dropped in one transaction.
    await gateway.rows(
      `INSERT INTO webhook_deliveries (id, owner, webhook_id, number, stream_id, event_type, subject_id, body, next_attempt_at)
       SELECT gen_random_uuid(), owner, webhook_id, 10000 + n, stream_id, event_type, subject_id, body, now()
         FROM webhook_deliveries, generate_series(1, 1100) n WHERE number = 1`,
    );
    await owner.delete('deleteModel', modelId);
    const types = (): Promise<object[]> =>
      gateway.rows('SELECT event_type AS type FROM webhook_deliveries WHERE owner = $1', [name()]);
    await until(async () => (await types()).length === 1);
    expect(await types()).toEqual([{ type: 'MODEL_DELETED' }]);
    await passTime(gateway, 7_200_000);
    await wake(owner, webhook.id);
    await until(async () => (await attempts(webhook.id)).at(-1)! > 0);
    expect(await statusOf()).toBe('ENABLED');
  });
});

describe('a delivery that was given up', () => {
  /** A webhook whose endpoint refuses the events of one model, for 30 hours. */
  async function refusing(): Promise<{ id: string; refused: string }> {
    const id = await failing();
    const refused = receiver.received[0]!.data.id;
    receiver.answer = (response, { data }) => response.writeHead(data.id === refused ? 500 : 200).end();
    await gateway.rows('UPDATE webhook_deliveries SET tries = 10');
    await arrival(id);
    await passTime(gateway, 30 * 3_600_000);
    return { id, refused };
  }

  /** Waits until an event of another model has arrived. */
  async function arrival(id: string): Promise<void> {
    const model = await emitModel(database, name(), ['READY']);
    await wake(owner, id);
    await until(async () =>
      (await deliveriesOf(owner, id, ['DELIVERED'])).some(({ subjectId }) => subjectId === model),
    );
  }

  const givenUp = async (id: string): Promise<void> => {
    await wake(owner, id);
    await until(async () => (await deliveriesOf(owner, id, ['FAILED'])).length === 1);
  };

  it.each([
    ['is disabled', `status = 'DISABLED', due_at = NULL, lease = NULL`],
    ['is paused', `status = 'PAUSED'`],
  ])('after the last success is sent when the webhook %s and then enabled', async (_, change) => {
    const { id, refused } = await refusing();
    await givenUp(id);
    await gateway.rows(`UPDATE webhooks SET ${change}`);
    receiver.received.length = 0;
    receiver.answer = status(200);
    await enable(id);
    await until(() => receiver.received.some(({ data }) => data.id === refused));
  });

  it('before the last success stays FAILED, until it is replayed', async () => {
    const { id, refused } = await refusing();
    await givenUp(id);
    await arrival(id);
    receiver.answer = status(200);
    await updateWebhook(owner, { id, status: 'PAUSED' });
    const later = await emitModel(database, name(), ['READY']);
    receiver.received.length = 0;
    await enable(id);
    await until(() => receiver.received.some(({ data }) => data.id === later));
    expect(receiver.received).toHaveLength(1);
    expect(await deliveriesOf(owner, id, ['FAILED'])).toMatchObject([{ subjectId: refused }]);
    await replayAll(id);
    await until(() => receiver.received.some(({ data }) => data.id === refused));
  });
});

describe('a webhook that was disabled', () => {
  it.each([
    ['enables it, and replays', [enable, replayAll]],
    ['replays, and enables it', [replayAll, enable]],
  ])('is sent each stream in order when its owner %s', async (_, steps) => {
    const modelId = newId();
    const id = await failing(modelId);
    await gateway.rows(`UPDATE webhooks SET tries = 20, failing_since = now() - interval '30 hours'`);
    await passTime(gateway, 7_200_000);
    await wake(owner, id);
    await until(async () => (await statusOf()) === 'DISABLED');
    expect(await deliveriesOf(owner, id)).toMatchObject([{ status: 'FAILED' }]);
    await emitModel(database, name(), ['FAILED', 'READY'], modelId);
    receiver.received.length = 0;
    receiver.answer = status(200);
    for (const step of steps) await step(id);
    await until(async () => (await deliveriesOf(owner, id, ['DELIVERED'])).length === 3);
    const types = receiver.received.map(({ type }) => type);
    expect(types.filter((type, index) => types.indexOf(type) === index)).toEqual([
      ...['model.uncertain', 'model.failed', 'model.ready'],
    ]);
  });
});

describe('a webhook that is enabled', () => {
  it('keeps old deliveries that were replayed since, and sends no event again', async () => {
    receiver.answer = status(200);
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    for (let count = 0; count < 3; count += 1) await emitModel(database, name(), ['READY']);
    await wake(owner, webhook.id);
    await until(async () => (await deliveriesOf(owner, webhook.id, ['DELIVERED'])).length === 3);
    await updateWebhook(owner, { id: webhook.id, status: 'PAUSED' });
    // Two days later, after a replay of the first two; the last event is new.
    const of = `webhook_id = '${uuidOf(webhook.id)}'`;
    await gateway.rows(`UPDATE webhook_deliveries SET created_at = now() - interval '2 days' WHERE ${of}`);
    await gateway.rows(
      `UPDATE webhook_deliveries SET status = 'PENDING', next_attempt_at = now(), replayed_at = now() WHERE ${of} AND number <= 2`,
    );
    await gateway.rows(
      `UPDATE owner_events SET created_at = now() - interval '2 days' WHERE sequence = 1 AND owner_stream_id = (SELECT id FROM owner_streams WHERE owner = $1)`,
      [name()],
    );
    receiver.received.length = 0;
    await enable(webhook.id);
    const next = await emitModel(database, name(), ['FAILED']);
    await wake(owner, webhook.id);
    await until(() => receiver.received.some(({ data }) => data.id === next));
    await until(async () => (await deliveriesOf(owner, webhook.id, ['DELIVERED'])).length === 4);
    expect(receiver.types).toEqual(['model.ready', 'model.ready', 'model.failed']);
  });
});
