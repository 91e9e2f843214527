import { createHash } from 'node:crypto';
import { isBlurhashValid } from 'blurhash';
import sharp from 'sharp';
import { type AvatarNews, Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { PhotoHost } from '../support/photo-host';

interface StoredAvatar {
  id: string;
  style: string;
  prompt: string | null;
  url: string;
  preview: string;
  placeholder: string;
  width: number;
  height: number;
  byteSize: number;
  contentType: string;
  sha256: string;
}

const avatarFields =
  'id style prompt url preview: url(size: PREVIEW) placeholder width height byteSize contentType sha256';

let gateway: TestGateway;
let client: Client;
let host: PhotoHost;

beforeAll(async () => {
  host = await PhotoHost.start();
  gateway = await TestGateway.start({ PHOTO_URL_ALLOW: '127.0.0.1' });
  client = new Client(() => gateway.url);
});

afterAll(async () => {
  await gateway.stop();
  await host.stop();
});

const avatarsOf = async (generationId: string): Promise<StoredAvatar[]> => {
  const { generation } = await client.request<{ generation: { avatars: StoredAvatar[] } }>(
    `query ($id: ID!) { generation(id: $id) { avatars { ${avatarFields} } } }`,
    { id: generationId },
  );
  return generation.avatars;
};

describe('the flow from photos to avatars', () => {
  it('trains a model from uploaded photos and reports progress to the end', async () => {
    const photoIds = await client.upload(5);
    const { id, status } = await client.train({ photoIds, name: 'Me' });
    expect(status).toBe('QUEUED');

    const feed = client.followTraining(id);
    expect(await feed.ended()).toEqual({ how: 'complete' });
    const received = feed.messages;
    expect(received[0]).toMatchObject({ isSnapshot: true, model: { name: 'Me' } });
    expect(received.slice(1).every(({ isSnapshot }) => !isSnapshot)).toBe(true);
    const order = ['QUEUED', 'SUBMITTING', 'TRAINING', 'READY'];
    const places = received.map((message) => order.indexOf(message.status));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    const percents = received.map(({ progress }) => progress);
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    expect(received.at(-1)).toMatchObject({ status: 'READY', progress: 100 });

    const { model } = await client.request<{ model: Record<string, unknown> & { photos: unknown[] } }>(
      `query ($id: ID!) { model(id: $id) {
        name type status progress estimatedReadyAt failure { code } provider providerModelId attempt
        createdAt submittedAt readyAt photos { id status originalWidth originalHeight } } }`,
      { id },
    );
    expect(model).toMatchObject({ name: 'Me', type: 'WOMAN', status: 'READY', progress: 100, attempt: 1 });
    expect(model).toMatchObject({ provider: 'sandbox', failure: null, estimatedReadyAt: null });
    expect(model.providerModelId).toEqual(expect.any(String));
    expect(Date.parse(model.readyAt as string)).toBeGreaterThanOrEqual(
      Date.parse(model.submittedAt as string),
    );
    expect(model.photos).toEqual(
      photoIds.map((photoId) => ({ id: photoId, status: 'READY', originalWidth: 640, originalHeight: 600 })),
    );
  });

  it('generates avatars, announces each when available, and serves the original, the preview and ranges', async () => {
    const modelId = await client.trained(await client.upload());
    const { id } = await client.generate(modelId, [
      { style: 'noir', prompt: 'by the sea', count: 2 },
      { style: 'pixel' },
    ]);
    const feed = client.followAvatars({ generationId: id });
    const opened: number[] = [];
    await feed.until((news) => news.length > 0);
    opened.push((await fetch(feed.messages[0]!.avatar.url)).status);
    expect(await feed.ended()).toEqual({ how: 'complete' });
    expect(opened).toEqual([200]);
    expect((await client.generation(id))!).toMatchObject({ status: 'COMPLETED', progress: 100, attempt: 1 });

    const avatars = await avatarsOf(id);
    expect(avatars.map(({ style, prompt }) => [style, prompt])).toEqual([
      ['noir', 'by the sea'],
      ['noir', 'by the sea'],
      ['pixel', null],
    ]);
    expect(new Set(feed.messages.map(({ avatar }) => avatar.id))).toEqual(
      new Set(avatars.map((avatar) => avatar.id)),
    );
    expect(new Set(avatars.map(({ sha256 }) => sha256)).size).toBe(3);
    for (const avatar of avatars) await expectToBeShown(avatar);
  });

  it('lists avatars by model, and returns each by id', async () => {
    const modelId = await client.trained(await client.upload());
    const first = await client.generate(modelId);
    const second = await client.generate(modelId, [{ style: 'neon', count: 2 }]);
    await Promise.all([client.generationEnd(first.id), client.generationEnd(second.id)]);
    const { models, node } = await client.request<{ models: { nodes: unknown[] }; node: unknown }>(
      `query ($id: ID!) {
        models(first: 1, filter: { statuses: [READY], types: [WOMAN] }) { nodes {
          id generations { nodes { id avatars { style } } } avatars(first: 2) { nodes { style } pageInfo { hasNextPage } } } }
        node(id: $id) { __typename id ... on Generation { prompts { style prompt count } model { id } } } }`,
      { id: first.id },
    );
    expect(models.nodes).toEqual([
      {
        id: modelId,
        generations: {
          nodes: [
            { id: second.id, avatars: [{ style: 'neon' }, { style: 'neon' }] },
            { id: first.id, avatars: [{ style: 'realistic' }] },
          ],
        },
        avatars: { nodes: [expect.any(Object), expect.any(Object)], pageInfo: { hasNextPage: true } },
      },
    ]);
    expect(node).toEqual({
      __typename: 'Generation',
      id: first.id,
      prompts: [{ style: 'realistic', prompt: null, count: 1 }],
      model: { id: modelId },
    });
  });

  it('trains from public URLs as from uploads', async () => {
    const photoUrls = await host.heads(5, 40);
    const { id } = await client.train({ photoUrls, type: 'MAN' });
    expect(await client.modelEnd(id)).toMatchObject({ status: 'READY', failure: null });
    expect(new Set(host.fetched)).toEqual(new Set(photoUrls.map((url) => new URL(url).pathname)));
  });

  it('fails a training before any paid call if a URL returns no photo', async () => {
    const { trainings } = await gateway.sandbox.counts();
    const photoUrls = [
      ...(await host.heads(4, 80)),
      host.put('/page.jpg', '<html>Sign in</html>', 'text/html'),
    ];
    const { id } = await client.train({ photoUrls });
    const model = await client.modelEnd(id);
    expect(model).toMatchObject({ status: 'FAILED', attempt: 0, failure: { code: 'PHOTO_INVALID' } });
    expect(model.failure!.message).toContain('Photo 5');
    expect((await gateway.sandbox.counts()).trainings).toBe(trainings);
  });

  it('generates avatars without training, from an uploaded photo and from a URL', async () => {
    const instant = async (photo: object): Promise<{ id: string; model: unknown }> => {
      const { made } = await client.request<{ made: { generation: { id: string; model: unknown } } }>(
        'mutation ($input: GenerateInstantAvatarsInput!) { made: generateInstantAvatars(input: $input) { generation { id model { id } } } }',
        { input: { ...photo, prompt: 'as a noir detective' } },
      );
      return made.generation;
    };
    const [photoId] = await client.upload(1);
    const [photoUrl] = await host.heads(1, 120);
    for (const { id, model } of await Promise.all([instant({ photoId }), instant({ photoUrl })])) {
      expect(model).toBeNull();
      expect(await client.followAvatars({ generationId: id }).ended()).toEqual({ how: 'complete' });
      expect(await client.generation(id)).toMatchObject({ status: 'COMPLETED' });
      const shown = { width: 2048, height: 2048, prompt: 'as a noir detective' };
      expect(await avatarsOf(id)).toEqual([expect.objectContaining(shown)]);
    }
  });

  it('sends the avatars of all generations of a model to its subscribers', async () => {
    const modelId = await client.trained(await client.upload());
    const before = await client.generate(modelId);
    await client.generationEnd(before.id);
    const feed = client.followAvatars({ modelId });
    const [present] = await feed.until((news) => news.length === 1);
    expect(present!.isSnapshot).toBe(true);

    const later = [await client.generate(modelId, [{ count: 2 }]), await client.generate(modelId)];
    await Promise.all(later.map(({ id }) => client.generationEnd(id)));
    const received = await feed.until((news) => news.length === 4);
    expect(received.slice(1).every((news: AvatarNews) => !news.isSnapshot)).toBe(true);
    expect(new Set(received.map(({ avatar }) => avatar.id)).size).toBe(4);
    expect(feed.end).toBeNull();
    feed.drop();

    for (const [argument, id, count] of [
      ['modelId', modelId, 4],
      ['generationId', later[0]!.id, 2],
    ] as const) {
      const query = `subscription ($id: ID) { avatarCompleted(${argument}: $id) { avatar { id } } }`;
      const deprecated = client.subscribe<{ avatar: { id: string } }>(query, { id });
      const ids = (await deprecated.until((news) => news.length === count)).map(({ avatar }) => avatar.id);
      deprecated.drop();
      expect(received.map(({ avatar }) => avatar.id)).toEqual(expect.arrayContaining(ids));
    }
  });
});

async function expectToBeShown(avatar: StoredAvatar): Promise<void> {
  const response = await fetch(avatar.url);
  const bytes = Buffer.from(await response.arrayBuffer());
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe(avatar.contentType);
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(response.headers.get('cache-control')).toMatch(/^private, max-age=\d+, immutable$/);
  expect(bytes.length).toBe(avatar.byteSize);
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(avatar.sha256);
  expect(await sharp(bytes).metadata()).toMatchObject({ width: avatar.width, height: avatar.height });
  expect(isBlurhashValid(avatar.placeholder)).toEqual({ result: true });

  const small = await fetch(avatar.preview);
  expect(small.headers.get('content-type')).toBe('image/jpeg');
  const preview = await sharp(Buffer.from(await small.arrayBuffer())).metadata();
  expect(Math.max(preview.width, preview.height)).toBe(256);

  const piece = await fetch(avatar.url, { headers: { range: 'bytes=100-299' } });
  expect([piece.status, piece.headers.get('content-range')]).toEqual([
    206,
    `bytes 100-299/${avatar.byteSize}`,
  ]);
  expect(Buffer.from(await piece.arrayBuffer())).toEqual(bytes.subarray(100, 300));

  const again = await fetch(avatar.url, { headers: { 'if-none-match': response.headers.get('etag')! } });
  expect(again.status).toBe(304);
  const forged = await fetch(avatar.url.replace(/signature=../, 'signature=AA'));
  expect([forged.status, await forged.json()]).toEqual([
    403,
    expect.objectContaining({ code: 'INVALID_SIGNATURE' }),
  ]);
}
