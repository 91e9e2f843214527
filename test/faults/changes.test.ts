import { Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';

let gateway: TestGateway;
let client: Client;
let photoIds: string[];
let readyModelId: string;

beforeAll(async () => {
  gateway = await TestGateway.start();
  client = new Client(() => gateway.url);
  photoIds = await client.upload();
  readyModelId = await client.trained(photoIds);
});

afterAll(() => gateway.stop());

const running = async (): Promise<string> => {
  await gateway.sandbox.fault({ on: 'train', kind: 'never-done' });
  const { id } = await client.train({ photoIds });
  const feed = client.followTraining(id);
  await feed.until((received) => received.some(({ status }) => status === 'TRAINING'));
  feed.drop();
  return id;
};

/** The number of rows in all tables with personal data, except keys and the ledger. */
const rowsLeft = async (): Promise<Record<string, number>> => {
  const tables = ['models', 'model_photos', 'generations', 'avatars', 'photos', 'media_deletions'];
  const counts = tables.map((table) => `(SELECT count(*)::int FROM ${table}) AS ${table}`).join(', ');
  return (await gateway.rows<Record<string, number>>(`SELECT ${counts}`))[0]!;
};

const statusOf = async (url: string): Promise<number> => {
  const response = await fetch(url);
  await response.arrayBuffer();
  return response.status;
};

const notFound = {
  how: 'errors',
  errors: [expect.objectContaining({ extensions: expect.objectContaining({ code: 'NOT_FOUND' }) })],
};

describe('a model', () => {
  it('can be cancelled repeatedly while it trains, but not once it is READY', async () => {
    const id = await running();
    const feed = client.followTraining(id);
    expect(await client.change('cancelModel', id)).toMatchObject({ status: 'CANCELLED', failure: null });
    expect(await client.change('cancelModel', id)).toMatchObject({ status: 'CANCELLED' });
    expect(await feed.ended()).toEqual({ how: 'complete' });
    expect(feed.messages.at(-1)!.status).toBe('CANCELLED');

    const refusal = await client.refusal(
      'mutation ($id: ID!) { cancelModel(input: { id: $id }) { model { id } } }',
      {
        id: readyModelId,
      },
    );
    expect(refusal.extensions).toMatchObject({ code: 'NOT_CANCELLABLE', field: 'input.id' });
  });

  it('can be retried as a new attempt after it failed, but not once it is READY', async () => {
    await gateway.sandbox.fault({ on: 'train', kind: 'failed' });
    const { id } = await client.train({ photoIds });
    expect(await client.modelEnd(id)).toMatchObject({
      status: 'FAILED',
      attempt: 1,
      failure: { code: 'UPSTREAM_FAILED', retryable: true },
    });
    expect(await client.change('retryModel', id)).toMatchObject({
      status: 'QUEUED',
      progress: 0,
      failure: null,
    });
    expect(await client.modelEnd(id)).toMatchObject({ status: 'READY', attempt: 2 });
    const refusal = await client.refusal(
      'mutation ($id: ID!) { retryModel(input: { id: $id }) { model { id } } }',
      {
        id,
      },
    );
    expect(refusal.extensions).toMatchObject({ code: 'NOT_RETRYABLE', field: 'input.id' });
  });

  it('can be renamed to a valid name only', async () => {
    const { id } = await client.train({ photoIds, name: 'Before' });
    const query =
      'mutation ($id: ID!, $name: String!) { renameModel(input: { id: $id, name: $name }) { model { name } } }';
    expect(await client.request(query, { id, name: '  After ' })).toEqual({
      renameModel: { model: { name: 'After' } },
    });
    for (const name of [' ', 'x'.repeat(101)]) {
      const refusal = await client.refusal(query, { id, name });
      expect(refusal.extensions).toMatchObject({ code: 'INVALID_INPUT', field: 'input.name' });
    }
    await client.modelEnd(id);
  });
});

describe('a generation', () => {
  it('can be cancelled while it runs, and retried after it failed', async () => {
    await gateway.sandbox.fault({ on: 'generate', kind: 'never-done' });
    const endless = await client.generate(readyModelId);
    const feed = client.followGeneration(endless.id);
    await feed.until((received) => received.some(({ status }) => status === 'GENERATING'));
    expect(await client.change('cancelGeneration', endless.id)).toMatchObject({
      status: 'CANCELLED',
    });
    expect(await feed.ended()).toEqual({ how: 'complete' });

    await gateway.sandbox.fault({ on: 'generate', kind: 'failed' });
    const { id } = await client.generate(readyModelId);
    expect(await client.generationEnd(id)).toMatchObject({
      status: 'FAILED',
      failure: { code: 'UPSTREAM_FAILED' },
    });
    expect(await client.change('retryGeneration', id)).toMatchObject({ status: 'QUEUED' });
    expect(await client.generationEnd(id)).toMatchObject({ status: 'COMPLETED', attempt: 2 });
  });

  it('is PARTIAL when some of its pictures cannot be fetched', async () => {
    await gateway.sandbox.fault({ on: 'generate', kind: 'fewer-results' });
    const { id } = await client.generate(readyModelId, [{ count: 2 }]);
    expect(await client.generationEnd(id)).toMatchObject({ status: 'PARTIAL', progress: 100, failure: null });
    const { generation } = await client.request<{ generation: { avatars: unknown[] } }>(
      'query ($id: ID!) { generation(id: $id) { avatars { id } } }',
      { id },
    );
    expect(generation.avatars).toHaveLength(1);
  });
});

describe('deleted data', () => {
  const removeTwice = async (
    mutation: 'deleteAvatar' | 'deleteGeneration' | 'deleteModel',
    id: string,
  ): Promise<void> => {
    expect(await client.delete(mutation, id)).toBe(id);
    expect(await client.delete(mutation, id)).toBe(id);
  };

  it('is removed from all responses and from the disk, and deleting it twice succeeds', async () => {
    const ownPhotos = await client.upload();
    const modelId = await client.trained(ownPhotos);
    const first = await client.generate(modelId, [{ count: 2 }]);
    const second = await client.generate(modelId);
    await Promise.all([client.generationEnd(first.id), client.generationEnd(second.id)]);
    const before = await gateway.mediaFiles();
    const { model } = await client.request<{ model: { avatars: { nodes: { id: string; url: string }[] } } }>(
      'query ($id: ID!) { model(id: $id) { avatars { nodes { id url } } } }',
      { id: modelId },
    );
    const avatars = model.avatars.nodes;
    expect(avatars).toHaveLength(3);

    const [avatar] = avatars;
    await removeTwice('deleteAvatar', avatar!.id);
    expect(await statusOf(avatar!.url)).toBe(404);

    await removeTwice('deleteGeneration', first.id);
    expect(await client.generation(first.id)).toBeNull();

    const feeds = [client.followAvatars({ modelId })];
    await gateway.sandbox.fault({ on: 'generate', kind: 'never-done' });
    const third = await client.generate(modelId);
    const progress = client.followGeneration(third.id);
    await progress.until((received) => received.some(({ status }) => status === 'GENERATING'));
    await removeTwice('deleteModel', modelId);
    for (const feed of [...feeds, progress]) expect(await feed.ended()).toEqual(notFound);

    const ids = [modelId, second.id, ...avatars.map(({ id }) => id), ...ownPhotos];
    for (const id of ids) {
      expect(await client.request('query ($id: ID!) { node(id: $id) { id } }', { id })).toEqual({
        node: null,
      });
    }
    expect(await Promise.all(avatars.map(({ url }) => statusOf(url)))).toEqual([404, 404, 404]);
    // Five photos, three avatars, three previews.
    await until(async () => (await gateway.mediaFiles()).length === before.length - 11);
  });

  it('leaves no rows and no files when everything is deleted', async () => {
    const { models } = await client.request<{ models: { nodes: { id: string }[] } }>(
      '{ models(first: 100) { nodes { id } } }',
    );
    for (const { id } of models.nodes) await client.delete('deleteModel', id);
    for (const id of photoIds) await client.delete('deletePhoto', id);
    await until(async () => Object.values(await rowsLeft()).every((count) => count === 0));
    expect(await gateway.mediaFiles()).toEqual([]);
  });
});
