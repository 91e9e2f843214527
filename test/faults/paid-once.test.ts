import { randomUUID } from 'node:crypto';
import { Client, type Job, creations } from '../support/client';
import { TestGateway } from '../support/gateway';

let gateway: TestGateway;
let client: Client;
let photoIds: string[];
let modelId: string;

beforeAll(async () => {
  gateway = await TestGateway.start();
  client = new Client(() => gateway.url);
  photoIds = await client.upload();
  modelId = await client.trained(photoIds);
});

afterAll(() => gateway.stop());

const trainings = async (): Promise<number> => (await gateway.sandbox.counts()).trainings;
const generations = async (): Promise<number> => (await gateway.sandbox.counts()).generations;

describe('an idempotency key', () => {
  it('creates one training for ten concurrent requests and a later one', async () => {
    const before = await trainings();
    const input = { photoIds, idempotencyKey: randomUUID(), name: 'Once' };
    const calls = await Promise.all(Array.from({ length: 10 }, () => client.train(input)));
    const [id, ...others] = new Set(calls.map((model) => model.id));
    expect(others).toEqual([]);
    await client.modelEnd(id!);
    expect(await client.train(input)).toMatchObject({ id, status: 'READY' });
    expect(await trainings()).toBe(before + 1);
  });

  it('creates one generation for equivalent requests', async () => {
    const before = await generations();
    const key = randomUUID();
    const { id } = await client.generate(modelId, [{}], key);
    const spelledOut = [{ style: 'realistic', prompt: null, count: 1 }];
    const { generateAvatars } = await client.request<{ generateAvatars: { generation: Job } }>(
      creations.generateAvatars,
      {
        input: { idempotencyKey: key, prompts: spelledOut, modelId },
      },
    );
    expect(generateAvatars.generation.id).toBe(id);
    await client.generationEnd(id);
    expect(await generations()).toBe(before + 1);
  });

  it('is rejected for a different request, and reusable if no job was created with it', async () => {
    const idempotencyKey = randomUUID();
    const tooFew = { type: 'CAT', photoIds: photoIds.slice(1), idempotencyKey };
    expect((await client.refusal(creations.trainModel, { input: tooFew })).extensions.code).toBe(
      'TOO_FEW_PHOTOS',
    );
    const { id } = await client.train({ photoIds, type: 'CAT', idempotencyKey });

    const reused = { code: 'IDEMPOTENCY_KEY_REUSED', field: 'input.idempotencyKey' };
    const otherName = { input: { type: 'CAT', photoIds, idempotencyKey, name: 'Another' } };
    expect((await client.refusal(creations.trainModel, otherName)).extensions).toMatchObject(reused);
    const otherCall = { input: { modelId, prompts: [{}], idempotencyKey } };
    expect((await client.refusal(creations.generateAvatars, otherCall)).extensions).toMatchObject(reused);

    await client.modelEnd(id);
    await client.delete('deleteModel', id);
    const same = { input: { type: 'CAT', photoIds, idempotencyKey } };
    expect((await client.refusal(creations.trainModel, same)).extensions).toMatchObject({
      code: 'NOT_FOUND',
      field: 'input.idempotencyKey',
    });
  });
});

describe('a gateway that is stopped and started again', () => {
  it('continues a training that it had started, and pays once', async () => {
    const before = await trainings();
    const input = { photoIds, idempotencyKey: randomUUID() };
    // Polls answered with 503 keep the training in progress until the stop.
    await gateway.sandbox.fault({ on: 'model', kind: 'status', status: 503, times: 3 });
    const { id } = await client.train(input);
    const feed = client.followTraining(id);
    const received = await feed.until((messages) => messages.some(({ status }) => status === 'TRAINING'));
    await gateway.restart();
    expect(await feed.ended()).toEqual({
      how: 'cut',
      code: 1001,
      reason:
        'The server is stopping; reconnect after a random delay of up to 3 s and resume with your last cursor.',
    });
    const resumed = client.followTraining(id, received.at(-1)!.cursor);
    expect(await resumed.ended()).toEqual({ how: 'complete' });
    expect(resumed.messages.at(-1)).toMatchObject({ status: 'READY', isSnapshot: false });
    expect(await client.train(input)).toMatchObject({ id, status: 'READY', attempt: 1 });
    expect(await trainings()).toBe(before + 1);
  });

  it('completes its paid call in flight, including the photos that the upstream fetches', async () => {
    const before = await trainings();
    const { id } = await client.train({ photoIds });
    await client
      .followTraining(id)
      .until((received) => received.some(({ status }) => status === 'SUBMITTING'));
    await gateway.restart();
    expect(await client.modelEnd(id)).toMatchObject({ status: 'READY', attempt: 1, failure: null });
    expect(await trainings()).toBe(before + 1);
  });

  it('continues a generation from any state', async () => {
    const before = await generations();
    const { id } = await client.generate(modelId, [{ count: 3 }]);
    await gateway.restart();
    expect(await client.generationEnd(id)).toMatchObject({ status: 'COMPLETED', attempt: 1 });
    const { generation } = await client.request<{ generation: { avatars: { url: string }[] } }>(
      'query ($id: ID!) { generation(id: $id) { avatars { url } } }',
      { id },
    );
    const opened = await Promise.all(generation.avatars.map(async ({ url }) => (await fetch(url)).status));
    expect(opened).toEqual([200, 200, 200]);
    expect(await generations()).toBe(before + 1);
  });

  it('closes event streams without a complete message', async () => {
    await gateway.sandbox.fault({ on: 'train', kind: 'never-done' });
    const { id } = await client.train({ photoIds });
    const feed = client.followTraining(id, undefined, 'SSE');
    const received = await feed.until((messages) => messages.some(({ status }) => status === 'TRAINING'));
    await gateway.restart();
    expect((await feed.ended()).how).not.toBe('complete');
    await client.change('cancelModel', id);
    const resumed = client.followTraining(id, received.at(-1)!.cursor, 'SSE');
    expect(await resumed.ended()).toEqual({ how: 'complete' });
    expect(resumed.messages.at(-1)).toMatchObject({ status: 'CANCELLED' });
  });
});
