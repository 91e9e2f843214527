import { createDataSource } from '../../src/database/data-source';
import { Database } from '../../src/database/database';
import { entities } from '../../src/entities';
import { uuidOf } from '../support/client';
import { FaultsEnvironment } from '../support/faults-environment';
import { eventually, within } from '../support/until';
import { receiverSettings, status, WebhookReceiver } from '../support/webhook-receiver';
import { createWebhook, deliveriesOf, emitModel, wake } from '../support/webhooks';

jest.setTimeout(180_000);

let environment: FaultsEnvironment;
let receiver: WebhookReceiver;
let source: ReturnType<typeof createDataSource>;
let database: Database;

beforeAll(async () => {
  environment = await FaultsEnvironment.open({ gateways: 2, maxFollowed: 0, settings: receiverSettings });
  source = createDataSource({ url: environment.databaseUrl, poolSize: 2, entities });
  await source.initialize();
  database = new Database(source);
});

afterAll(async () => {
  await source.destroy();
  await environment.stop();
});

beforeEach(async () => {
  receiver = await WebhookReceiver.start();
});

afterEach(async () => {
  await receiver.stop();
  await environment.rows('DELETE FROM webhooks');
});

/** The owner without authentication. */
const owner = 'local';

describe('a gateway that is killed after an endpoint has answered', () => {
  it('leaves the delivery to another, which sends it once more with the same id', async () => {
    const { client, gateway } = environment;
    const second = environment.gateways[1]!;
    await second.stop();
    const { webhook, secret } = await createWebhook(client, { url: receiver.url });
    const { reached } = await gateway.arm('webhook:answered', 2);
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1)
      ids.push(await emitModel(database, owner, ['UNCERTAIN', 'READY']));
    await wake(client, webhook.id);
    await within('the second answer', reached);
    await gateway.kill();
    expect(receiver.received).toHaveLength(2);
    await environment.restartGateway(0);
    const log = await eventually(
      'all deliveries',
      () => deliveriesOf(client, webhook.id),
      (deliveries) => deliveries.length === 6 && deliveries.every(({ status }) => status === 'DELIVERED'),
    );
    const times = log.map(({ id }) => receiver.received.filter((message) => message.id === id).length);
    expect([...times].sort()).toEqual([1, 1, 1, 1, 1, 2]);
    const [once, again] = receiver.received.filter(({ id }) => id === log[times.indexOf(2)]!.id);
    expect(again!.body).toBe(once!.body);
    expect(receiver.verified(secret)).toHaveLength(7);
    for (const id of ids) {
      const types = receiver.received.filter(({ data }) => data.id === id).map(({ type }) => type);
      expect([...new Set(types)]).toEqual(['model.uncertain', 'model.ready']);
    }
    await environment.restartGateway(1);
  });
});

describe('a gateway that is suspended while it sends, for longer than its lease', () => {
  it('leaves the deliveries to another, and sends none of them after it is resumed', async () => {
    const { client, gateway } = environment;
    const second = environment.gateways[1]!;
    await second.stop();
    const { webhook } = await createWebhook(client, { url: receiver.url });
    let finish = (): void => undefined;
    receiver.answer = (response) => (finish = () => response.end());
    const statuses = ['UNCERTAIN', 'FAILED', 'READY'];
    const first = await emitModel(database, owner, statuses);
    await wake(client, webhook.id);
    await eventually(
      'the first delivery',
      () => Promise.resolve(receiver.received.length),
      (count) => count === 1,
    );
    gateway.signal('SIGSTOP');
    receiver.answer = status(200);
    await environment.restartGateway(1);
    const other = environment.clientOf(() => environment.gateways[1]!);
    const isSent = (count: number): Promise<unknown> =>
      eventually(
        `${count} deliveries`,
        () => deliveriesOf(other, webhook.id),
        (log) => log.length === count && log.every((delivery) => delivery.status === 'DELIVERED'),
      );
    await isSent(3);
    finish();
    gateway.signal('SIGCONT');
    // Its answers show that it runs again.
    await wake(client, webhook.id);
    const last = await emitModel(database, owner, ['READY']);
    await wake(client, webhook.id);
    await isSent(4);
    const types = receiver.received.filter(({ data }) => data.id === first).map(({ type }) => type);
    expect(types).toEqual(['model.uncertain', 'model.uncertain', 'model.failed', 'model.ready']);
    expect(receiver.received.filter(({ data }) => data.id === last)).toHaveLength(1);
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(4);
  });

  it('sends nothing to an endpoint that its owner has deleted meanwhile', async () => {
    const { client, gateway } = environment;
    await environment.gateways[1]!.stop();
    const { webhook } = await createWebhook(client, { url: receiver.url });
    const { reached } = await gateway.arm('webhook:read');
    const unwanted = await emitModel(database, owner, ['READY']);
    await within('the delivery', reached);
    gateway.signal('SIGSTOP');
    const [stopped] = await environment.rows<{ at: string }>('SELECT now()::text AS at');
    // As another gateway does for the owner; here none runs, which could send it before.
    await environment.rows('DELETE FROM webhooks WHERE id = $1', [uuidOf(webhook.id)]);
    await eventually(
      'the end of the lease',
      () =>
        environment.rows<{ isOver: boolean }>(`SELECT now() > $1::timestamptz + interval '3 s' AS "isOver"`, [
          stopped!.at,
        ]),
      ([row]) => row!.isOver,
    );
    gateway.signal('SIGCONT');
    gateway.release();
    await createWebhook(client, { url: receiver.url });
    const wanted = await emitModel(database, owner, ['READY']);
    await eventually(
      'the later delivery',
      () => Promise.resolve(receiver.received.map(({ data }) => data.id)),
      (ids) => ids.includes(wanted),
    );
    expect(receiver.received.map(({ data }) => data.id)).not.toContain(unwanted);
  });
});

describe('a gateway that is suspended while it numbers the events of an owner', () => {
  it('does not keep another from numbering and sending them', async () => {
    const { client, gateway } = environment;
    await environment.gateways[1]!.stop();
    const { webhook } = await createWebhook(client, { url: receiver.url });
    const { reached } = await gateway.arm('events:numbering');
    const id = await emitModel(database, owner, ['READY']);
    // It may be answered only after the events were numbered.
    const waking = wake(client, webhook.id).catch(() => undefined);
    await within('the numbering', reached);
    gateway.signal('SIGSTOP');
    // Of other transactions the limit is 30 s.
    await eventually(
      'the numbers',
      () => environment.rows(`SELECT FROM owner_streams WHERE owner = '${owner}' FOR UPDATE NOWAIT`),
      ({ length }) => length === 1,
      20_000,
    );
    await environment.restartGateway(1);
    await eventually(
      'the delivery',
      () => Promise.resolve(receiver.received.map(({ data }) => data.id)),
      (ids) => ids.includes(id),
    );
    gateway.release();
    gateway.signal('SIGCONT');
    await waking;
    const next = await emitModel(database, owner, ['FAILED']);
    await wake(client, webhook.id);
    await eventually(
      'the next delivery',
      () => Promise.resolve(receiver.received.map(({ data }) => data.id)),
      (ids) => ids.includes(next),
    );
    expect(receiver.received.map(({ data }) => data.id)).toEqual([id, next]);
  });
});

describe('two gateways of which one is killed again and again', () => {
  it('lose no event, and send each model’s in order', async () => {
    const client = environment.clientOf(() => environment.gateways[0]!);
    const { webhook } = await createWebhook(client, { url: receiver.url });
    const ids: string[] = [];
    for (let kill = 0; kill < 4; kill += 1) {
      for (let count = 0; count < 30; count += 1)
        ids.push(await emitModel(database, owner, ['UNCERTAIN', 'FAILED', 'READY']));
      await wake(client, webhook.id);
      const before = receiver.received.length;
      await eventually(
        'some deliveries',
        () => Promise.resolve(receiver.received.length),
        (count) => count > before + 10,
      );
      await environment.gateways[1]!.kill();
      await environment.restartGateway(1);
    }
    await eventually(
      'the end of all deliveries',
      () =>
        environment.rows<{ count: number }>(
          `SELECT count(*)::int AS count FROM webhook_deliveries WHERE status = 'DELIVERED'
              AND webhook_id = (SELECT id FROM webhooks)`,
        ),
      ([row]) => row!.count === 3 * ids.length,
    );
    for (const id of ids) {
      const types = receiver.received.filter(({ data }) => data.id === id).map(({ type }) => type);
      expect(types.filter((type, index) => type !== types[index - 1])).toEqual([
        ...['model.uncertain', 'model.failed', 'model.ready'],
      ]);
    }
    const repeated = receiver.received.length - 3 * ids.length;
    expect(repeated).toBeLessThanOrEqual(4);
  });
});
