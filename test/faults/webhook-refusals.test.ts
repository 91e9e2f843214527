import type { Database } from '../../src/database/database';
import { Client, jwtSettings, uuidOf } from '../support/client';
import { TestGateway } from '../support/gateway';
import type { ApiError } from '../support/graphql-client';
import { until } from '../support/until';
import { receiverSettings, status, WebhookReceiver } from '../support/webhook-receiver';
import { createWebhook, deliveriesOf, emitModel, updateWebhook, wake } from '../support/webhooks';

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
});

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
