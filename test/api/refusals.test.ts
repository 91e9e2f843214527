import { Client, creations } from '../support/client';
import { TestGateway } from '../support/gateway';

const unknownModel = `model_${'0'.repeat(32)}`;

let gateway: TestGateway;
let client: Client;
let photoIds: string[];

beforeAll(async () => {
  gateway = await TestGateway.start();
  client = new Client(() => gateway.url);
  photoIds = await client.upload();
});

afterAll(() => gateway.stop());

describe('an invalid training request', () => {
  const manyIds = (count: number): object[] =>
    Array.from({ length: count }, (_, index) => ({ photoId: photoIds[index % 5]! }));
  const urls = (count: number): object[] =>
    Array.from({ length: count }, (_, index) => ({ url: `https://example.com/${index}.jpg` }));

  it.each([
    [
      '4 photos',
      () => ({ photos: manyIds(4) }),
      { code: 'TOO_FEW_PHOTOS', field: 'input.photos', given: 4, minimum: 5, maximum: 30 },
    ],
    [
      '31 photos',
      () => ({ photos: [...manyIds(5), ...urls(26)] }),
      { code: 'TOO_MANY_PHOTOS', field: 'input.photos', given: 31, minimum: 5, maximum: 30 },
    ],
    [
      'a photo that has neither an id nor a URL',
      () => ({ photos: [...manyIds(5), {}] }),
      { code: 'INVALID_INPUT', field: 'input.photos[5]' },
    ],
    [
      'a photo that has both an id and a URL',
      () => ({ photos: [...manyIds(5), { ...manyIds(1)[0], ...urls(1)[0] }] }),
      { code: 'INVALID_INPUT', field: 'input.photos[5]' },
    ],
    ['31 addresses', () => ({ photos: urls(31) }), { code: 'TOO_MANY_PHOTOS', field: 'input.photos' }],
    [
      'a photo twice',
      () => ({ photos: [...manyIds(5), { photoId: photoIds[1]! }] }),
      { code: 'INVALID_INPUT', field: 'input.photos[5].photoId' },
    ],
    [
      'an unknown photo',
      () => ({ photos: [...manyIds(5), { photoId: `photo_${'0'.repeat(32)}` }] }),
      { code: 'NOT_FOUND', field: 'input.photos[5].photoId' },
    ],
    [
      'a model’s id among the photos',
      () => ({ photos: [{ photoId: unknownModel }, ...manyIds(5)] }),
      { code: 'NOT_FOUND', field: 'input.photos[0].photoId' },
    ],
    [
      'an invalid URL',
      () => ({ photos: [...urls(5), { url: 'photo.jpg' }] }),
      { code: 'INVALID_INPUT', field: 'input.photos[5].url' },
    ],
    [
      'an address of a private network',
      () => ({ photos: [...urls(5), { url: 'http://10.0.0.8/me.jpg' }] }),
      { code: 'INVALID_INPUT', field: 'input.photos[5].url' },
    ],
    [
      'an unknown type',
      () => ({ photos: manyIds(5), type: 'HAMSTER' }),
      { code: 'INVALID_INPUT', field: 'input.type' },
    ],
    [
      'an unknown provider',
      () => ({ photos: manyIds(5), provider: 'acme' }),
      { code: 'INVALID_INPUT', field: 'input.provider' },
    ],
    ['no name', () => ({ photos: manyIds(5), name: ' ' }), { code: 'INVALID_INPUT', field: 'input.name' }],
    [
      'a key with spaces',
      () => ({ photos: manyIds(5), idempotencyKey: 'my key' }),
      { code: 'INVALID_INPUT', field: 'input.idempotencyKey' },
    ],
  ])('is rejected with %s', async (_, input, expected) => {
    const refusal = await client.refusal(creations.trainModel, { input: { type: 'MAN', ...input() } });
    expect(refusal.extensions).toMatchObject(expected);
    expect(refusal.message).toMatch(/\w{4,}/);
    expect(await client.request('{ models { nodes { id } } }')).toEqual({ models: { nodes: [] } });
  });

  it('is rejected while a photo is not uploaded', async () => {
    const [slot] = await client.slots([{ byteSize: 1 }]);
    const refusal = await client.refusal(creations.trainModel, {
      input: { type: 'MAN', photos: [...manyIds(5), { photoId: slot!.photo.id }] },
    });
    expect(refusal.extensions).toMatchObject({ code: 'PHOTO_NOT_READY', field: 'input.photos[5].photoId' });
  });
});

describe('an invalid request for avatars', () => {
  let modelId: string;

  beforeAll(async () => {
    await gateway.sandbox.fault({ on: 'train', kind: 'never-done' });
    modelId = (await client.train({ photoIds })).id;
  });

  it.each([
    ['a model that is not ready', () => ({ modelId }), { code: 'MODEL_NOT_READY', field: 'input.modelId' }],
    ['an unknown model', () => ({ modelId: unknownModel }), { code: 'NOT_FOUND', field: 'input.modelId' }],
    ['an invalid id', () => ({ modelId: '7' }), { code: 'NOT_FOUND', field: 'input.modelId' }],
    ['no prompts', () => ({ prompts: [] }), { code: 'INVALID_INPUT', field: 'input.prompts' }],
    [
      'a count of 0',
      () => ({ prompts: [{}, { count: 0 }] }),
      { code: 'INVALID_INPUT', field: 'input.prompts[1].count' },
    ],
    [
      'a count of 1000',
      () => ({ prompts: [{ count: 1000 }] }),
      { code: 'INVALID_INPUT', field: 'input.prompts[0].count' },
    ],
    [
      'a count of 1.5',
      () => ({ prompts: [{ count: 1.5 }] }),
      { code: 'INVALID_INPUT', field: 'input.prompts[0].count' },
    ],
    [
      'too many in all',
      () => ({ prompts: [{ count: 60 }, { count: 60 }] }),
      { code: 'INVALID_INPUT', field: 'input.prompts' },
    ],
    [
      'an unknown style',
      () => ({ prompts: [{ style: 'cubism' }] }),
      { code: 'INVALID_INPUT', field: 'input.prompts[0].style' },
    ],
    [
      'a prompt without end',
      () => ({ prompts: [{ prompt: 'x'.repeat(1_001) }] }),
      { code: 'INVALID_INPUT', field: 'input.prompts[0].prompt' },
    ],
  ])('is rejected for %s', async (_, input, expected) => {
    const refusal = await client.refusal(creations.generateAvatars, {
      input: { modelId, prompts: [{}], ...input() },
    });
    expect(refusal.extensions).toMatchObject(expected);
    expect(refusal.message).toMatch(/\w{4,}/);
  });

  it('is rejected with no photo, with two, and without a prompt', async () => {
    const instant =
      'mutation ($input: GenerateInstantAvatarsInput!) { generateInstantAvatars(input: $input) { generation { id } } }';
    const photo = { photoId: photoIds[0] };
    const wrong = [
      [{ prompt: 'a hat' }, 'input.photo'],
      [{ prompt: 'a hat', photo: { ...photo, url: 'https://example.com/me.jpg' } }, 'input.photo'],
      [{ prompt: ' ', photo }, 'input.prompt'],
      [{ prompt: 'a hat', photo, count: 1000 }, 'input.count'],
    ] as const;
    for (const [input, field] of wrong) {
      const { extensions } = await client.refusal(instant, { input });
      expect(extensions).toMatchObject({ code: 'INVALID_INPUT', field, problems: [{}] });
    }
  });
});

describe('ids of other owners and unknown ids', () => {
  it('return null in queries and NOT_FOUND in mutations', async () => {
    const photo = `photo_${'0'.repeat(32)}`;
    expect(
      await client.request(
        'query ($id: ID!, $photo: ID!) { model(id: $id) { id } generation(id: $id) { id } photo(id: $photo) { id } node(id: "x") { id } }',
        { id: unknownModel, photo },
      ),
    ).toEqual({ model: null, generation: null, photo: null, node: null });
    for (const mutation of ['cancelModel', 'retryModel']) {
      const refusal = await client.refusal(
        `mutation ($id: ID!) { ${mutation}(input: { id: $id }) { model { id } } }`,
        {
          id: unknownModel,
        },
      );
      expect(refusal.extensions).toMatchObject({
        code: 'NOT_FOUND',
        field: 'input.id',
        problems: [{ path: ['input', 'id'] }],
      });
    }
    expect(await client.delete('deleteModel', unknownModel)).toBe(unknownModel);
  });
});
