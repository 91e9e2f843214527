import type { Database } from '../../src/database/database';
import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';
import { receiverSettings, status, WebhookReceiver } from '../support/webhook-receiver';
import {
  createWebhook,
  deliveriesOf,
  emitModel,
  updateWebhook,
  wake,
  passTime,
  attemptsOf,
} from '../support/webhooks';

jest.setTimeout(60_000);

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
  owner = await Client.of(gateway);
});

afterEach(async () => {
  await receiver.stop();
  await gateway.rows('DELETE FROM webhooks');
});

const name = (): string => owner.name;

/** The number of attempts of each delivery, the oldest first. */
const attempts = (id: string): Promise<number[]> => attemptsOf(owner, id);

describe('an endpoint that fails', () => {
  it('gets the event again, after which come the later events of the same model; others do not wait', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const failing = await emitModel(database, name(), ['UNCERTAIN', 'READY']);
    const fine = await emitModel(database, name(), ['READY']);
    receiver.answer = (response, { data }) =>
      response.writeHead(data.id === failing ? 503 : 204).end(data.id === failing ? 'not now' : undefined);
    await wake(owner, webhook.id);
    await until(() => receiver.received.some(({ data }) => data.id === fine));
    await until(async () => (await attempts(webhook.id))[0] === 1);
    const [first, second, third] = await deliveriesOf(owner, webhook.id);
    expect(first).toMatchObject({
      status: 'PENDING',
      attempts: [{ httpStatus: 503, excerpt: 'not now' }],
    });
    expect(second).toMatchObject({ status: 'PENDING', attempts: [] });
    expect(third).toMatchObject({ status: 'DELIVERED', attempts: [{ httpStatus: 204, excerpt: '' }] });

    receiver.answer = status(200);
    await passTime(gateway, 10_000);
    await wake(owner, webhook.id);
    await until(() => receiver.types.at(-1) === 'model.ready' && receiver.received.length === 4);
    expect(receiver.received[2]).toMatchObject({ id: first!.id, type: 'model.uncertain' });
    expect(receiver.received[2]!.body).toBe(receiver.received[0]!.body);
    expect(receiver.received[3]).toMatchObject({ id: second!.id, type: 'model.ready' });
  });

  it('gets no request at the target of its redirect', async () => {
    const target = await WebhookReceiver.start();
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    receiver.answer = (response) => response.writeHead(307, { location: target.url }).end();
    await emitModel(database, name(), ['READY']);
    await wake(owner, webhook.id);
    await until(async () => (await attempts(webhook.id))[0] === 1);
    const [delivery] = await deliveriesOf(owner, webhook.id);
    expect(delivery).toMatchObject({
      status: 'PENDING',
      attempts: [{ httpStatus: 307, excerpt: 'Redirects are not followed. Use the URL of the target.' }],
    });
    expect(target.received).toEqual([]);
    await target.stop();
  });

  it.each<[string, WebhookReceiver['answer'], object]>([
    ['closes the connection', (response) => response.destroy(), { httpStatus: null }],
    ['never answers', () => undefined, { httpStatus: null, excerpt: 'The endpoint did not answer in time.' }],
    [
      'sends the head of its answer slowly',
      (response) => {
        response.socket!.write('HTTP/1.1 200 OK\r\nX-Slow: ');
        const timer = setInterval(() => response.socket?.write('a'), 50);
        response.socket!.on('close', () => clearInterval(timer));
      },
      { httpStatus: null, excerpt: 'The endpoint did not answer in time.' },
    ],
    [
      'answers without end',
      (response) => {
        response.writeHead(500);
        const more = (): void => {
          if (response.socket?.writable) response.write(Buffer.alloc(100_000, 'a'), more);
        };
        more();
      },
      { httpStatus: 500, excerpt: 'a'.repeat(1_000) },
    ],
    [
      'sends headers without end',
      (response) => {
        const more = (): void => {
          if (response.socket?.writable) response.socket.write(`X-More: ${'a'.repeat(10_000)}\r\n`, more);
        };
        response.socket!.write('HTTP/1.1 200 OK\r\n', more);
      },
      { httpStatus: null, excerpt: 'The endpoint closed the connection without an answer.' },
    ],
    [
      'sends interim answers without end',
      (response) => {
        const timer = setInterval(() => response.socket?.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 20);
        response.socket!.on('close', () => clearInterval(timer));
      },
      { httpStatus: null, excerpt: 'The endpoint did not answer in time.' },
    ],
    [
      'succeeds, and sends a body without end slowly',
      (response) => {
        response.writeHead(200);
        const timer = setInterval(() => response.write('a'), 100);
        response.socket!.on('close', () => clearInterval(timer));
      },
      { httpStatus: 200 },
    ],
    [
      'answers with characters that confuse',
      status(400, 'no\u0000way\u202e\u001b[2Jok'),
      { httpStatus: 400, excerpt: 'no\uFFFDway\uFFFD\uFFFD[2Jok' },
    ],
  ])('has an attempt in the log when it %s', async (_, answer, expected) => {
    await gateway.restart({ WEBHOOK_TIMEOUT: '1s' });
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    receiver.answer = answer;
    await emitModel(database, name(), ['READY']);
    await wake(owner, webhook.id);
    await until(async () => (await attempts(webhook.id))[0] === 1);
    const [delivery] = await deliveriesOf(owner, webhook.id);
    expect(delivery!.attempts[0]).toMatchObject(expected);
    expect(delivery!.attempts[0]!.durationMs).toBeLessThan(10_000);
  });

  it('gets all events in order when it returns after an hour', async () => {
    const { webhook, secret } = await createWebhook(owner, { url: receiver.url });
    await receiver.stop();
    const first = await emitModel(database, name(), ['UNCERTAIN', 'READY']);
    const second = await emitModel(database, name(), ['FAILED']);
    const third = await emitModel(database, name(), ['CANCELLED']);
    await wake(owner, webhook.id);
    await until(async () => (await attempts(webhook.id)).join() === '1,0,1,1');
    for (let hours = 1; hours <= 3; hours += 1) {
      const before = (await attempts(webhook.id)).reduce((sum, count) => sum + count);
      await passTime(gateway, 1_200_000);
      await wake(owner, webhook.id);
      // It rests after each failed attempt.
      await until(async () => (await attempts(webhook.id)).reduce((sum, count) => sum + count) > before);
    }
    // After the first success, the others do not wait for their next attempts.
    await gateway.rows(
      `UPDATE webhook_deliveries SET next_attempt_at = now() + interval '2 hours'
        WHERE number > 1 AND status = 'PENDING'`,
    );
    await receiver.listen();
    await passTime(gateway, 1_200_000);
    await wake(owner, webhook.id);
    await until(() => receiver.received.length === 4);
    const ofFirst = receiver.received.filter(({ data }) => data.id === first);
    expect(ofFirst.map(({ type }) => type)).toEqual(['model.uncertain', 'model.ready']);
    expect(new Set(receiver.received.map(({ data }) => data.id))).toEqual(new Set([first, second, third]));
    expect(receiver.verified(secret)).toHaveLength(4);
    await until(async () => (await deliveriesOf(owner, webhook.id, ['DELIVERED'])).length === 4);
  });

  it('gets its pending deliveries at once when its URL was changed', async () => {
    const { webhook } = await createWebhook(owner, { url: `${receiver.url}/wrong` });
    receiver.answer = (response, { path }) => response.writeHead(path.endsWith('/wrong') ? 404 : 200).end();
    for (let count = 0; count < 3; count += 1) await emitModel(database, name(), ['READY']);
    await wake(owner, webhook.id);
    await until(async () => (await attempts(webhook.id)).join() === '1,1,1');
    await passTime(gateway, -3_600_000);
    await updateWebhook(owner, { id: webhook.id, url: receiver.url });
    await until(async () => (await deliveriesOf(owner, webhook.id, ['DELIVERED'])).length === 3);
  });

  it('is read later if its events cannot be read, and delays no other webhook', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    await updateWebhook(owner, { id: webhook.id, status: 'PAUSED' });
    const model = await emitModel(database, name(), ['READY']);
    await gateway.rows(`UPDATE events SET payload = payload - 'attempt' || '{"id": null}' WHERE owner = $1`, [
      name(),
    ]);
    await updateWebhook(owner, { id: webhook.id, status: 'ENABLED' });
    const other = await Client.of(gateway);
    const healthy = await WebhookReceiver.start();
    const its = await createWebhook(other, { url: healthy.url });
    await emitModel(database, other.name, ['READY']);
    await wake(other, its.webhook.id);
    await until(() => healthy.received.length === 1);
    await until(() =>
      gateway.log.some(({ msg }) => msg === 'the events of a webhook could not be read; retrying'),
    );
    await gateway.rows(
      `UPDATE events SET payload = payload || jsonb_build_object('id', subject_id) WHERE owner = $1`,
      [name()],
    );
    await gateway.rows('UPDATE webhooks SET follow_at = now()');
    await wake(owner, webhook.id);
    await until(() => receiver.received.length === 1);
    expect(receiver.received[0]!.data.id).toBe(model);
    await healthy.stop();
  });

  it.each([
    ['fails', 'tries = 1'],
    ['is slow', 'is_slow = true'],
  ])('delays no endpoint that answers, even if many owners have one that %s', async (_, state) => {
    await gateway.restart({ WEBHOOK_TIMEOUT: '50s', MAX_WEBHOOK_DELIVERIES: '2' });
    receiver.answer = () => undefined;
    const begin = async (client: Client, url: string, set: string): Promise<void> => {
      const { webhook } = await createWebhook(client, { url });
      await gateway.rows(`UPDATE webhooks SET ${set} WHERE owner = $1`, [client.name]);
      await emitModel(database, client.name, ['READY']);
      await wake(client, webhook.id);
    };
    for (let count = 0; count < 4; count += 1) await begin(await Client.of(gateway), receiver.url, state);
    await until(() => receiver.received.length > 0);
    const healthy = await WebhookReceiver.start();
    await begin(await Client.of(gateway), healthy.url, 'tries = 0');
    await until(() => healthy.received.length === 1);
    expect(receiver.received).toHaveLength(1);
    await healthy.stop();
  });

  it('delays no webhook of another owner, with very many events for as many webhooks as are read at a time', async () => {
    await createWebhook(owner, { url: receiver.url, eventTypes: ['AVATAR_DELETED'] });
    const healthy = await WebhookReceiver.start();
    const other = await Client.of(gateway);
    const its = await createWebhook(other, { url: healthy.url });
    await gateway.rows(`UPDATE webhooks SET status = 'PAUSED'`);
    const events = Array.from({ length: 1_000 }, () => 'TRAINING');
    for (let count = 0; count < 3; count += 1) await emitModel(database, name(), events);
    await emitModel(database, other.name, ['READY']);
    await gateway.rows(
      `INSERT INTO webhooks (id, owner, url, event_types, secret, owner_stream_id, position, status)
       SELECT gen_random_uuid(), owner, url, event_types, secret, owner_stream_id, position, status
         FROM webhooks, generate_series(1, 49) WHERE owner = '${name()}'`,
    );
    await gateway.rows(
      `UPDATE webhooks SET status = 'ENABLED', follow_at = now() - interval '1 minute' * (owner = '${name()}')::int`,
    );
    // Their positions cannot advance until the event has arrived: reading them takes longer than that.
    const slow = await gateway.database.session();
    await slow.query('BEGIN');
    await slow.query(
      `SELECT FROM webhooks WHERE id IN
         (SELECT id FROM webhooks WHERE owner = '${name()}' ORDER BY follow_at, id OFFSET 1) FOR UPDATE`,
    );
    await wake(other, its.webhook.id);
    await until(() => healthy.received.length === 1);
    await slow.query('ROLLBACK');
    await healthy.stop();
  });

  it('delays no webhook of another owner while another session locks it for long', async () => {
    await gateway.rows(`UPDATE webhooks SET status = 'PAUSED'`);
    const lockedOwners = await Promise.all([1, 2, 3].map(() => Client.of(gateway)));
    for (const client of lockedOwners) await createWebhook(client, { url: receiver.url });
    const healthy = await WebhookReceiver.start();
    const its = await createWebhook(owner, { url: healthy.url });
    const names = lockedOwners.map((client) => client.name);
    await gateway.rows(`UPDATE webhooks SET follow_at = now() - interval '1 minute' WHERE owner = ANY($1)`, [
      names,
    ]);
    const session = await gateway.database.session();
    await session.query('BEGIN');
    await session.query('SELECT FROM webhooks WHERE owner = ANY($1) FOR UPDATE', [names]);
    for (const locked of names) await emitModel(database, locked, ['READY']);
    await emitModel(database, name(), ['READY']);
    await wake(owner, its.webhook.id);
    // The time limit of a statement is 15 s.
    await until(() => healthy.received.length === 1);
    expect(receiver.received).toEqual([]);
    await session.query('ROLLBACK');
    await until(() => receiver.received.length === 3, 60_000);
    await healthy.stop();
  });

  it('delays no endpoint of another owner, with 1,000 pending deliveries', async () => {
    await gateway.restart({ WEBHOOK_TIMEOUT: '10s', MAX_WEBHOOK_DELIVERIES: '4' });
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    receiver.answer = () => undefined;
    for (let count = 0; count < 20; count += 1)
      await Promise.all(Array.from({ length: 50 }, () => emitModel(database, name(), ['READY'])));
    await wake(owner, webhook.id);
    await until(() => receiver.received.length > 0);
    const healthy = await WebhookReceiver.start();
    const other = await Client.of(gateway);
    const its = await createWebhook(other, { url: healthy.url });
    const id = await emitModel(database, other.name, ['READY']);
    const startMs = Date.now();
    await wake(other, its.webhook.id);
    await until(() => healthy.received.length === 1);
    expect(healthy.received[0]!.data.id).toBe(id);
    // One request at a time waits for the endpoint that does not answer.
    expect(receiver.received).toHaveLength(1);
    expect(Date.now() - startMs).toBeLessThan(9_000);
    await healthy.stop();
  });
});
