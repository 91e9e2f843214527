import { Client, creations } from '../support/client';
import { TestGateway } from '../support/gateway';

let gateway: TestGateway;
let client: Client;
let photoIds: string[];
const photoUrls = [1, 2, 3].map((number) => `https://photos.example.com/${number}.jpg`);

beforeAll(async () => {
  gateway = await TestGateway.start();
  client = new Client(() => gateway.url);
  photoIds = await client.upload(5);
});

afterAll(() => gateway.stop());

/** The id of the model that the input trains. */
async function train(input: object): Promise<string> {
  const { trainModel } = await client.request<{ trainModel: { model: { id: string } } }>(
    creations.trainModel,
    { input: { type: 'CAT', ...input } },
  );
  return trainModel.model.id;
}

/** The id of the generation that the input makes. */
async function instant(input: object): Promise<string> {
  const { generateInstantAvatars } = await client.request<{
    generateInstantAvatars: { generation: { id: string } };
  }>(creations.generateInstantAvatars, { input: { prompt: 'a king', ...input } });
  return generateInstantAvatars.generation.id;
}

const uploaded = (): { photoId: string }[] => photoIds.map((photoId) => ({ photoId }));
const linked = photoUrls.map((url) => ({ url }));

describe('the photos of a training', () => {
  it('keep their order, also if uploaded ones and URLs are mixed', async () => {
    const [first, second, ...others] = uploaded();
    const [one, two] = linked;
    const id = await train({ photos: [one, first, two, second, ...others] });
    const { model } = await client.request<{ model: { photos: { id: string; filename: string }[] } }>(
      'query ($id: ID!) { model(id: $id) { photos { id filename } } }',
      { id },
    );
    expect(model.photos.map(({ filename }) => filename)).toEqual(
      ['1.jpg', 'me.jpg', '2.jpg', 'me.jpg'].concat(['me.jpg', 'me.jpg', 'me.jpg']),
    );
    expect([1, 3, 4, 5, 6].map((index) => model.photos[index]!.id)).toEqual(photoIds);
  });

  it('are part of the input of an idempotency key, with their order', async () => {
    const photos = [linked[0], ...uploaded()];
    const id = await train({ photos, idempotencyKey: 'order' });
    expect(await train({ photos, idempotencyKey: 'order' })).toBe(id);
    for (const other of [[...uploaded(), linked[0]], uploaded(), [linked[1], ...uploaded()]]) {
      const input = { type: 'CAT', photos: other, idempotencyKey: 'order' };
      const { extensions } = await client.refusal(creations.trainModel, { input });
      expect(extensions).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED', field: 'input.idempotencyKey' });
    }
  });

  it('are the same input of an idempotency key in the deprecated form photoIds and photoUrls', async () => {
    const photos = [...uploaded(), ...linked];
    const deprecated = { photoIds, photoUrls };
    expect(await train({ photos, idempotencyKey: 'a' })).toBe(
      await train({ ...deprecated, idempotencyKey: 'a' }),
    );
    expect(await train({ ...deprecated, idempotencyKey: 'b' })).toBe(
      await train({ photos, idempotencyKey: 'b' }),
    );
  });

  it.each([
    ['input.photoIds', () => ({ photoIds: photoIds.slice(1) }), 'TOO_FEW_PHOTOS'],
    ['input.photoUrls', () => ({ photoUrls }), 'TOO_FEW_PHOTOS'],
    ['input.photos', () => ({}), 'TOO_FEW_PHOTOS'],
    ['input.photos', () => ({ photos: uploaded(), photoUrls }), 'INVALID_INPUT'],
    ['input.photos', () => ({ photos: uploaded(), photoIds }), 'INVALID_INPUT'],
    ['input.photoIds[5]', () => ({ photoIds: [...photoIds, photoIds[0]!] }), 'INVALID_INPUT'],
    ['input.photoUrls[0]', () => ({ photoIds, photoUrls: ['http://10.0.0.8/me.jpg'] }), 'INVALID_INPUT'],
    ['input.photoIds[0]', () => ({ photoIds: ['photo_', ...photoIds] }), 'NOT_FOUND'],
  ])('are refused with the field %s of the deprecated form', async (field, input, code) => {
    const refusal = await client.refusal(creations.trainModel, { input: { type: 'CAT', ...input() } });
    expect(refusal.extensions).toMatchObject({ code, field });
  });
});

describe('the photo of avatars without training', () => {
  it('is the same input of an idempotency key in the deprecated forms photoId and photoUrl', async () => {
    const [photoId, photoUrl] = [photoIds[0]!, photoUrls[0]!];
    const first = await instant({ photo: { photoId }, idempotencyKey: 'id' });
    expect(await instant({ photoId, idempotencyKey: 'id' })).toBe(first);
    const second = await instant({ photo: { url: photoUrl }, idempotencyKey: 'url' });
    expect(await instant({ photoUrl, idempotencyKey: 'url' })).toBe(second);
  });

  it.each([
    ['input.photo', () => ({ photo: uploaded()[0], photoId: photoIds[1] }), 'INVALID_INPUT'],
    ['input.photo', () => ({ photoId: photoIds[1], photoUrl: photoUrls[0] }), 'INVALID_INPUT'],
    ['input.photoUrl', () => ({ photoUrl: 'http://10.0.0.8/me.jpg' }), 'INVALID_INPUT'],
    ['input.photo.url', () => ({ photo: { url: 'http://10.0.0.8/me.jpg' } }), 'INVALID_INPUT'],
    ['input.photo.photoId', () => ({ photo: { photoId: 'photo_' } }), 'NOT_FOUND'],
    ['input.photoId', () => ({ photoId: 'photo_' }), 'NOT_FOUND'],
  ])('is refused with the field %s', async (field, input, code) => {
    const refusal = await client.refusal(creations.generateInstantAvatars, {
      input: { prompt: 'a king', ...input() },
    });
    expect(refusal.extensions).toMatchObject({ code, field });
  });
});

it('shows PhotoSourceInput as @oneOf by introspection', async () => {
  const query = '{ __type(name: "PhotoSourceInput") { isOneOf inputFields { name type { kind } } } }';
  expect(await client.request(query)).toMatchObject({ __type: { isOneOf: true } });
});
