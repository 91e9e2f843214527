import type { Database } from '../../src/database/database';
import { Client, jwtSettings, uuidOf } from '../support/client';
import { TestGateway } from '../support/gateway';
import type { ApiError } from '../support/graphql-client';
import { eventually, until } from '../support/until';
import { receiverSettings, status, WebhookReceiver } from '../support/webhook-receiver';
import {
  attemptsOf,
  createWebhook,
  deliveriesOf,
  emitModel,
  passTime,
  updateWebhook,
  wake,
} from '../support/webhooks';

jest.setTimeout(60_000);

let gateway: TestGateway;
let database: Database;
let receiver: WebhookReceiver;
let owner: Client;

beforeAll(async () => {
  gateway = await TestGateway.start({ ...jwtSettings, ...receiverSettings });
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
});

afterEach(() => gateway.rows('DELETE FROM webhooks'));

describe('webhooks refuse', () => {
  it('event types given too often', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const eventTypes = Array.from({ length: 101 }, () => 'MODEL_READY');
    const long = await owner.refusal(
      'mutation ($input: UpdateWebhookInput!) { updateWebhook(input: $input) { webhook { id } } }',
      { input: { id: webhook.id, eventTypes } },
    );
    expect(long.extensions).toMatchObject({ field: 'input.eventTypes', given: 101, maximum: 100 });
    expect(long.message).toContain('give each type once');
  });

  it('tests of more than half of the process, with the time of a retry', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const answers: (() => void)[] = [];
    receiver.answer = (response) => answers.push(() => response.end());
    const refused: ApiError[] = [];
    const ask = (): Promise<unknown> =>
      owner
        .request(`mutation { testWebhook(input: { id: "${webhook.id}" }) { attempt { httpStatus } } }`)
        .catch((error: unknown) => refused.push(error as ApiError));
    const asked = Array.from({ length: 16 }, ask);
    await until(() => refused.length > 0);
    receiver.answer = status(200);
    answers.forEach((answer) => answer());
    await Promise.all(asked);
    expect(refused[0]!.code).toBe('RATE_LIMITED');
    expect(refused[0]!.message).toContain('Too many tests are in progress. Retry in a few seconds.');
    expect(refused[0]!.message).toContain('"retryAfterSeconds":5');
  });

  it('replays of a reversed range, and beyond 5,000 pending deliveries', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    await emitModel(database, owner.name, ['READY']);
    await wake(owner, webhook.id);
    await until(async () => (await deliveriesOf(owner, webhook.id, ['DELIVERED'])).length === 1);
    const [delivery] = await deliveriesOf(owner, webhook.id);
    const refusal = (select: object): ReturnType<Client['refusal']> =>
      owner.refusal(
        `mutation ($input: ReplayWebhookDeliveriesInput!) {
          replayWebhookDeliveries(input: $input) { result { changedCount } } }`,
        { input: { webhookId: webhook.id, select } },
      );
    const reversed = await refusal({
      created: { from: '2026-02-01T00:00:00.000Z', before: '2026-01-01T00:00:00.000Z' },
    });
    expect(reversed.extensions).toMatchObject({
      code: 'INVALID_INPUT',
      field: 'input.select.created.before',
    });
    expect(reversed.message).toContain('exchange the two times');
    await updateWebhook(owner, { id: webhook.id, status: 'PAUSED' });
    await gateway.rows(
      `INSERT INTO webhook_deliveries (id, owner, webhook_id, number, stream_id, event_type, subject_id, body, next_attempt_at)
       SELECT gen_random_uuid(), owner, webhook_id, number + n, stream_id, event_type, subject_id, body, now()
         FROM webhook_deliveries, generate_series(1, 5000) n WHERE webhook_id = $1`,
      [uuidOf(webhook.id)],
    );
    const full = await refusal({ ids: [delivery!.id] });
    expect(full.extensions).toMatchObject({
      ...{ code: 'QUOTA_EXCEEDED', field: 'input.webhookId', maximum: 5_000 },
    });
    expect(full.message).toContain('Replay others when these have arrived');
  });
});

describe('a webhook', () => {
  it('keeps its last 20 attempts, and is tried again after 2 hours at most', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    receiver.answer = status(500);
    await emitModel(database, owner.name, ['READY']);
    await wake(owner, webhook.id);
    await until(async () => (await attemptsOf(owner, webhook.id))[0] === 1);
    const old = (await deliveriesOf(owner, webhook.id))[0]!.attempts[0]!;
    await gateway.rows(
      `UPDATE webhook_deliveries SET tries = 25, next_attempt_at = now(),
              attempts = to_jsonb(array_fill(attempts -> 0, ARRAY[20])) WHERE webhook_id = $1`,
      [uuidOf(webhook.id)],
    );
    receiver.answer = status(501);
    await passTime(gateway, 10_000);
    await wake(owner, webhook.id);
    const [delivery] = await eventually(
      'the next attempt',
      () => deliveriesOf(owner, webhook.id),
      ([found]) => found!.attempts[0]!.httpStatus === 501,
    );
    expect(delivery!.attempts).toHaveLength(20);
    expect(delivery!.attempts[19]).toEqual(old);
    const { startedAt, durationMs } = delivery!.attempts[0]!;
    const delayMs = Date.parse(delivery!.nextAttemptAt!) - Date.parse(startedAt) - durationMs;
    expect(delayMs).toBeGreaterThan(0.7 * 7_200_000);
    // The database's clock may be some time ahead, and the attempt is recorded after its answer.
    expect(delayMs).toBeLessThan(7_200_000 + 60_000);
  });

  it('rests after its third failed attempt in a row although other deliveries are due, and gets them after the rest', async () => {
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    receiver.answer = status(500);
    for (let count = 0; count < 5; count += 1) await emitModel(database, owner.name, ['READY']);
    await wake(owner, webhook.id);
    const found = await eventually(
      'the rest',
      () =>
        gateway.rows(
          `SELECT due_at >= rest_until AS "isAfter" FROM webhooks WHERE id = $1 AND tries >= 3 AND lease IS NULL`,
          [uuidOf(webhook.id)],
        ),
      ({ length }) => length === 1,
    );
    expect(found).toEqual([{ isAfter: true }]);
    receiver.answer = status(200);
    // The end of the rest is not announced.
    await passTime(gateway, 60_000);
    await until(async () => (await deliveriesOf(owner, webhook.id, ['DELIVERED'])).length === 5);
  });

  it('has 1,000 pending deliveries at most; the further events are taken in order when some have arrived', async () => {
    receiver.answer = () => undefined;
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const statuses = Array.from({ length: 1_250 }, (_, index) => (index % 2 === 0 ? 'READY' : 'FAILED'));
    await emitModel(database, owner.name, statuses);
    await wake(owner, webhook.id);
    const of = `FROM webhook_deliveries WHERE webhook_id = '${uuidOf(webhook.id)}'`;
    const count = async (where: string): Promise<number> =>
      (await gateway.rows<{ count: number }>(`SELECT count(*)::int AS count ${of} AND ${where}`))[0]!.count;
    const deliver = async (first: number, last: number): Promise<void> => {
      await gateway.rows(
        `UPDATE webhook_deliveries SET status = 'DELIVERED', next_attempt_at = NULL
          WHERE id IN (SELECT id ${of} AND number BETWEEN ${first} AND ${last})`,
      );
      await gateway.rows('UPDATE webhooks SET follow_at = now()');
      await wake(owner, webhook.id);
    };
    const isFull = `SELECT FROM webhooks WHERE id = '${uuidOf(webhook.id)}' AND follow_at > now()`;
    await until(async () => (await gateway.rows(isFull)).length === 1);
    expect(await count('true')).toBe(1_000);
    await deliver(2, 101);
    await until(async () => (await count('true')) === 1_100);
    await until(async () => (await gateway.rows(isFull)).length === 1);
    expect(await count(`status = 'PENDING'`)).toBe(1_000);
    await deliver(102, 501);
    await until(async () => (await count('true')) === 1_250);
    const rows = await gateway.rows<{ number: string; type: string }>(
      `SELECT number, event_type AS type ${of} ORDER BY number`,
    );
    expect(rows).toEqual(
      statuses.map((state, index) => ({ number: String(index + 1), type: `MODEL_${state}` })),
    );
  });

  it('delays no other endpoint by attempts that become slow, and is not slow after a quick one', async () => {
    await gateway.restart({ WEBHOOK_TIMEOUT: '50s', MAX_WEBHOOK_DELIVERIES: '1' });
    const isSlow = async (id: string): Promise<boolean> =>
      (
        await gateway.rows<{ slow: boolean }>('SELECT is_slow AS slow FROM webhooks WHERE id = $1', [
          uuidOf(id),
        ])
      )[0]!.slow;
    const { webhook } = await createWebhook(owner, { url: receiver.url });
    const finish: (() => void)[] = [];
    receiver.answer = (response) => finish.push(() => response.end());
    await emitModel(database, owner.name, ['READY']);
    await wake(owner, webhook.id);
    await until(() => receiver.received.length === 1);
    for (const count of [2, 3]) {
      const hanging = await Client.of(gateway);
      const theirs = await createWebhook(hanging, { url: receiver.url });
      await emitModel(database, hanging.name, ['READY']);
      await wake(hanging, theirs.webhook.id);
      await until(() => receiver.received.length === count);
    }
    const [healthy, other] = [await WebhookReceiver.start(), await Client.of(gateway)];
    const its = await createWebhook(other, { url: healthy.url });
    await emitModel(database, other.name, ['READY']);
    await wake(other, its.webhook.id);
    await until(() => healthy.received.length === 1);
    expect((await deliveriesOf(owner, webhook.id))[0]).toMatchObject({ status: 'PENDING', attempts: [] });
    for (const end of finish) end();
    await until(() => isSlow(webhook.id));
    receiver.answer = status(200);
    await emitModel(database, owner.name, ['READY']);
    await wake(owner, webhook.id);
    await until(async () => !(await isSlow(webhook.id)));
    expect(await isSlow(its.webhook.id)).toBe(false);
    await healthy.stop();
  });
});
