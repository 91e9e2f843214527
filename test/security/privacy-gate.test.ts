import { jwtSettings, Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';

const armed = Symbol.for('likeness.failpoint');
type Hook = (name: string) => Promise<void>;

let gateway: TestGateway;
let release: () => void = () => undefined;
let isReached = false;

/** Blocks the next deleting mutation right after its first commit, as if its process had been killed there. */
function blockNextErasure(): void {
  const released = new Promise<void>((resolve) => (release = resolve));
  isReached = false;
  (globalThis as { [armed]?: Hook })[armed] = async (name) => {
    if (name !== 'delete:marked' || isReached) return;
    isReached = true;
    await released;
  };
}

beforeAll(async () => {
  gateway = await TestGateway.start(jwtSettings);
});

afterEach(() => {
  release();
  (globalThis as { [armed]?: Hook })[armed] = undefined;
});

afterAll(() => gateway.stop());

const refused = { extensions: { code: 'SERVICE_UNAVAILABLE', retryAfterSeconds: expect.any(Number) } };

describe('a person whose erasure has begun', () => {
  it('cannot read data through any transport after the first commit, and a worker finishes an interrupted erasure', async () => {
    const mary = await Client.of(gateway, 'mary');
    const { modelId, generationId, photoIds } = await mary.settle();
    const shown = await mary.request<{
      generation: { avatars: { url: string }[] };
      photo: { url: string };
      exportMyData?: { url: string };
    }>('query ($g: ID!, $p: ID!) { generation(id: $g) { avatars { url } } photo(id: $p) { url } }', {
      g: generationId,
      p: photoIds[0],
    });
    const { exportMyData } = await mary.request<{ exportMyData: { url: string } }>(
      'mutation { exportMyData { url } }',
    );
    const urls = [...shown.generation.avatars.map(({ url }) => url), shown.photo.url, exportMyData.url];
    const [slot] = await mary.slots(1);
    for (const url of urls) expect((await fetch(url)).status).toBe(200);

    // The rows are locked so that they cannot be deleted yet: only the erasure mark hides them.
    blockNextErasure();
    const held = await holdRows('mary');
    // It may exceed the time limit of an operation while the rows are locked.
    const dying = mary.erase().catch(() => null);
    await until(async () => isReached);

    expect(await gateway.database.tablesWith('mary')).toContain('avatars');
    for (const url of urls) expect((await fetch(url)).status).toBe(404);
    const upload = await fetch(slot!.uploadUrl, { method: 'PUT', body: 'x' });
    expect(upload.status).toBe(404);
    const operations = [
      { query: '{ viewer { owner } }' },
      { query: '{ models { edges { cursor } } }' },
      { query: 'query ($id: ID!) { model(id: $id) { id } }', variables: { id: modelId } },
      {
        query: 'mutation ($id: ID!) { deleteModel(input: { id: $id }) { deletedId } }',
        variables: { id: modelId },
      },
      {
        query: 'mutation { createPhotoUploads(input: { files: [] }) { uploads { expiresAt } } }',
      },
      { query: 'mutation { exportMyData { url } }' },
    ];
    for (const operation of operations) {
      expect((await mary.execute('HTTP', operation)).errors).toMatchObject([refused]);
      expect((await mary.execute('WebSocket', operation)).errors).toMatchObject([refused]);
    }
    const subscription = {
      query: 'subscription ($id: ID!) { trainingProgress(modelId: $id) { status } }',
      variables: { id: modelId },
    };
    for (const transport of ['WebSocket', 'SSE'] as const) {
      expect((await mary.execute(transport, subscription)).errors).toMatchObject([refused]);
    }

    await held.letGo();
    await until(async () => (await mary.execute('HTTP', { query: '{ viewer { owner } }' })).data != null);
    expect(await gateway.database.tablesWith('mary')).toEqual(['erasures']);
    await until(async () => (await gateway.mediaFiles()).length === 0);
    release();
    await dying;
    expect(await gateway.rows('SELECT photos, models, generations, avatars FROM erasures')).toEqual([
      { photos: 6, models: 1, generations: 1, avatars: 2 },
    ]);
  });

  it('gets the same erasure when requesting it again', async () => {
    const paul = await Client.of(gateway, 'paul');
    await paul.upload(2);
    blockNextErasure();
    const dying = paul.erase();
    await until(async () => isReached);
    const again = await paul.erase();
    release();
    expect((await dying).receipt).toBe(again.receipt);
    expect(again.counts.photos).toBe(2);
    expect(await gateway.rows(`SELECT 1 FROM erasures WHERE owner = 'paul'`)).toHaveLength(1);
  });
});

/** Keeps an owner's generations locked. */
async function holdRows(owner: string): Promise<{ letGo: () => Promise<void> }> {
  const client = await gateway.database.session();
  await client.query('BEGIN');
  await client.query('SELECT id FROM generations WHERE owner = $1 FOR UPDATE', [owner]);
  return {
    letGo: async () => {
      await client.query('COMMIT');
      await client.end();
    },
  };
}
