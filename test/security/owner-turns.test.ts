import { createServer } from 'node:http';
import type { Database } from '../../src/database/database';
import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import { HoldingUpstream, type HeldCall } from '../support/holding-upstream';
import { connectionsOf, listening, stopped } from '../support/servers';
import { until } from '../support/until';
import { receiverSettings, WebhookReceiver } from '../support/webhook-receiver';
import { createWebhook, emitModel, wake } from '../support/webhooks';

jest.setTimeout(60_000);

const slots = 4;
let upstream: HoldingUpstream;
let gateway: TestGateway;
let database: Database;

beforeAll(async () => {
  upstream = await HoldingUpstream.start();
  gateway = await TestGateway.start({
    ...jwtSettings,
    ...upstream.settings,
    ...receiverSettings,
    PHOTO_URL_ALLOW: '127.0.0.1',
    OWNER_WEIGHTS: 'heavy=3',
    ...{ MAX_SUBMISSIONS: `${slots}`, MAX_PHOTO_FETCHES: '8', MAX_WEBHOOK_DELIVERIES: '4' },
    ...{ SUBMIT_TIMEOUT: '60s', WEBHOOK_TIMEOUT: '60s' },
  });
  database = await gateway.database.pool(2);
});

afterAll(async () => {
  // First, so that the gateway does not wait for the calls.
  await upstream.stop();
  await gateway.stop();
});

describe('an owner with many waiting jobs', () => {
  /** Starts jobs of a client, and returns whether a call is for one of them. */
  type Start = (client: Client, count: number) => Promise<(call: HeldCall) => boolean>;

  const trainings: Start = async (client, count) => {
    const photoIds = await client.upload(5);
    for (let made = 0; made < count; made += 1) await client.train({ photoIds });
    const names = photoIds.map((id) => id.split('_')[1]!);
    return ({ images }) => names.some((name) => images[0]!.replaceAll('-', '').includes(name));
  };

  const instants: Start = async (client, count) => {
    const [photoId] = await client.upload(1);
    for (let made = 0; made < count; made += 1) await client.instant({ photoId, prompt: client.name });
    return ({ prompt }) => prompt === client.name;
  };

  it.each([
    ['trainings', trainings],
    ['instant avatars', instants],
  ])('delays the first of the %s of another owner by at most two calls', async (_, start) => {
    const [alice, carol, dave, bob] = await Promise.all(
      ['alice', 'carol', 'dave', 'bob'].map((name) => Client.of(gateway, `${name} ${start.name}`)),
    );
    const before = upstream.calls.length;
    const isAlices = await start(alice!, 25);
    await until(() => upstream.held.filter(isAlices).length === slots / 2);
    // The slots that are left for others are taken too, so that bob's job must wait for one.
    const isOthers = await Promise.all([start(carol!, 2), start(dave!, 2)]);
    await until(() => upstream.held.length === slots);
    const isBobs = await start(bob!, 1);
    const held = upstream.calls.length;
    for (let freed = 1; freed <= 2; freed += 1) {
      upstream.answerFirst();
      await until(() => upstream.calls.length === held + freed);
    }
    expect(upstream.calls.slice(held).some(isBobs)).toBe(true);
    // All jobs are submitted in the end.
    const count = 25 + 2 + 2 + 1;
    for (let answered = 2; answered < count; answered += 1) {
      await until(() => upstream.held.length > 0);
      upstream.answerFirst();
    }
    expect(upstream.calls.length - before).toBe(count);
    expect(isOthers.every((isTheirs) => upstream.calls.filter(isTheirs).length === 2)).toBe(true);
  });
});

describe('20 webhooks that do not answer', () => {
  it('of one owner delay no webhook of another owner', async () => {
    const [silent, healthy] = [await WebhookReceiver.start(), await WebhookReceiver.start()];
    silent.answer = () => undefined;
    const [alice, bob] = await Promise.all([Client.of(gateway), Client.of(gateway)]);
    for (let count = 0; count < 20; count += 1) await createWebhook(alice, { url: silent.url });
    const { webhook } = await createWebhook(bob, { url: healthy.url });
    await emitModel(database, alice.name, ['READY']);
    await until(() => silent.received.length >= 2);
    await emitModel(database, bob.name, ['READY']);
    await wake(bob, webhook.id);
    await until(() => healthy.received.length === 1);
    const ended = `SELECT FROM webhooks WHERE owner = $1 AND (tries > 0 OR succeeded_at IS NOT NULL)`;
    expect(await gateway.rows(ended, [alice.name])).toEqual([]);
    await Promise.all([silent.stop(), healthy.stop()]);
  });
});

describe('an owner of weight 3', () => {
  it('has three quarters of the slots for submissions, photos and webhooks, where others have half', async () => {
    const silent = createServer(() => undefined);
    const base = `http://127.0.0.1:${await listening(silent)}`;
    const receiver = await WebhookReceiver.start();
    receiver.answer = () => undefined;
    const client = await Client.of(gateway, 'heavy');
    for (let count = 0; count < 4; count += 1) await createWebhook(client, { url: receiver.url });
    await emitModel(database, client.name, ['READY']);
    // Later they leave their slots, since they are slow.
    await until(() => receiver.received.length >= 3);
    expect(receiver.received).toHaveLength(3);
    const [photoId] = await client.upload(1);
    for (let made = 0; made < 6; made += 1) await client.instant({ photoId, prompt: client.name });
    await client.train({ photoUrls: Array.from({ length: 12 }, (_, index) => `${base}/${index}.jpg`) });
    const counts = (): number[] => [
      upstream.held.filter(({ prompt }) => prompt === client.name).length,
      connectionsOf(silent).size,
    ];
    await until(() => counts().every((count, index) => count >= [3, 6][index]!));
    expect(counts()).toEqual([3, 6]);
    await receiver.stop();
    await stopped(silent);
  });
});
