/** Part of every value that must not be repeated in an error. */
export const secret = 'SECRET';

/** The objects of the client, set before the tests. */
export const owned = { photoIds: [] as string[], modelId: '', readyId: '' };

/** A title, an input, and the paths of its mistakes. */
export type Case = [mistakes: string, input: () => object, ...paths: [string, string, string]];

const consent = { version: '2026-01' };
const noPhoto = `photo_${'0'.repeat(32)}`;
const noModel = `model_${'0'.repeat(32)}`;
export const long = secret.repeat(200);
export const url = (index: number): string => `https://example.com/${index}.jpg?sig=${secret}`;
export const urls = [0, 1, 2, 3, 4].map(url);
/** The input of `trainModel` with five READY photos, unless the input has others. */
export const training = (input: object) => (): object => ({
  type: 'CAT',
  consent,
  photos: photosOf(owned.photoIds),
  ...input,
});
const photosOf = (ids: readonly unknown[], addresses: readonly string[] = []): object[] => [
  ...ids.map((photoId) => ({ photoId })),
  ...addresses.map((address) => ({ url: address })),
];
/** The same with further photos. */
const withPhotos =
  (ids: readonly unknown[], addresses: readonly string[] = [], input: object = {}) =>
  (): object =>
    training({ photos: photosOf([...owned.photoIds, ...ids], addresses), ...input })();
const future = new Date(Date.now() + 86_400_000).toISOString();

/** Inputs of `trainModel` in which each value has its type, but breaks a rule. */
export const trainings: Case[] = [
  [
    'name, provider, key',
    training({ name: ' ', provider: secret, idempotencyKey: 'a b' }),
    'input.name',
    'input.provider',
    'input.idempotencyKey',
  ],
  [
    'name, consent, key',
    training({ name: '', consent: null, idempotencyKey: '' }),
    'input.name',
    'input.consent',
    'input.idempotencyKey',
  ],
  [
    'name, too few photos, consent',
    training({ name: '', photos: [], consent: null }),
    'input.name',
    'input.photos',
    'input.consent',
  ],
  [
    'name, too many photos, key',
    training({
      name: long,
      photos: photosOf(
        [],
        Array.from({ length: 31 }, (_, n) => url(n)),
      ),
      idempotencyKey: long,
    }),
    'input.name',
    'input.photos',
    'input.idempotencyKey',
  ],
  [
    'three ids of another form',
    withPhotos(['a', 'b', secret]),
    'input.photos.5.photoId',
    'input.photos.6.photoId',
    'input.photos.7.photoId',
  ],
  [
    'an unknown photo, one given twice, no photo',
    (): object => withPhotos([noPhoto, owned.photoIds[0], 'x'])(),
    'input.photos.5.photoId',
    'input.photos.6.photoId',
    'input.photos.7.photoId',
  ],
  [
    'three unknown photos',
    withPhotos([1, 2, 3].map((n) => `${noPhoto.slice(0, -1)}${n}`)),
    'input.photos.5.photoId',
    'input.photos.6.photoId',
    'input.photos.7.photoId',
  ],
  [
    'three private addresses',
    withPhotos(
      [],
      ['http://10.0.0.1/', 'http://127.0.0.1/', 'http://localhost/'].map((at) => at + secret),
    ),
    'input.photos.5.url',
    'input.photos.6.url',
    'input.photos.7.url',
  ],
  [
    'a private address, one given twice, no consent',
    withPhotos([], [...urls, 'http://10.0.0.1/', url(0)], { consent: null }),
    'input.photos.10.url',
    'input.photos.11.url',
    'input.consent',
  ],
  [
    'an unknown photo, a private address, name',
    withPhotos([noPhoto], ['http://[::1]/a.jpg'], { name: '\n' }),
    'input.photos.5.photoId',
    'input.photos.6.url',
    'input.name',
  ],
  [
    'an unknown photo, a private address, another consent',
    withPhotos([noPhoto], ['http://192.168.0.1/a.jpg'], { consent: { version: secret } }),
    'input.photos.5.photoId',
    'input.photos.6.url',
    'input.consent',
  ],
  [
    'time of consent, provider, a private address',
    withPhotos([], ['http://10.1.1.1'], { consent: { ...consent, givenAt: future }, provider: secret }),
    'input.consent.givenAt',
    'input.provider',
    'input.photos.5.url',
  ],
  [
    'a model among the photos, name, key',
    withPhotos([noModel], [], { name: '', idempotencyKey: `${secret} ` }),
    'input.photos.5.photoId',
    'input.name',
    'input.idempotencyKey',
  ],
  [
    'deprecated photoIds and photoUrls: no photo, a private address, name',
    (): object => ({
      type: 'CAT',
      consent,
      photoIds: [...owned.photoIds, noPhoto],
      photoUrls: ['http://10.0.0.1'],
      name: '',
    }),
    'input.photoIds.5',
    'input.photoUrls.0',
    'input.name',
  ],
];

const sunny = { style: 'realistic', prompt: 'in the sun' };
export const generating =
  (prompts: object[], input = {}) =>
  (): object => ({ modelId: owned.readyId, prompts, ...input });

/** Inputs of `generateAvatars` of that kind. */
export const generations: Case[] = [
  [
    'style, text, count',
    generating([{ style: secret, prompt: long, count: 0 }]),
    'input.prompts.0.style',
    'input.prompts.0.prompt',
    'input.prompts.0.count',
  ],
  [
    'three styles',
    generating([{ style: 'a' }, sunny, { style: 'b' }, { style: 'c' }]),
    'input.prompts.0.style',
    'input.prompts.2.style',
    'input.prompts.3.style',
  ],
  [
    'three counts',
    generating([{ count: 0 }, { count: -1 }, { count: 1_000 }]),
    'input.prompts.0.count',
    'input.prompts.1.count',
    'input.prompts.2.count',
  ],
  [
    'three texts',
    generating([{ prompt: long }, { prompt: `${secret}\0` }, { prompt: `${secret}\ud800` }]),
    'input.prompts.0.prompt',
    'input.prompts.1.prompt',
    'input.prompts.2.prompt',
  ],
  [
    'model, no prompts, key',
    generating([], { modelId: noModel, idempotencyKey: 'ä' }),
    'input.modelId',
    'input.prompts',
    'input.idempotencyKey',
  ],
  [
    'id of another form, too many prompts, key',
    generating(
      Array.from({ length: 21 }, () => sunny),
      { modelId: secret, idempotencyKey: '' },
    ),
    'input.modelId',
    'input.prompts',
    'input.idempotencyKey',
  ],
  [
    'a model in training, total, key',
    (): object =>
      generating([{ count: 60 }, { count: 60 }], { modelId: owned.modelId, idempotencyKey: 'a b' })(),
    'input.modelId',
    'input.prompts',
    'input.idempotencyKey',
  ],
  [
    'a model in training, style, count',
    (): object => generating([sunny, { style: secret }, { count: 101 }], { modelId: owned.modelId })(),
    'input.modelId',
    'input.prompts.1.style',
    'input.prompts.2.count',
  ],
];

const instant = (input: object) => (): object => ({
  consent,
  prompt: 'p',
  photo: { photoId: owned.photoIds[0] },
  ...input,
});

/** Inputs of `generateInstantAvatars` of that kind. */
export const instants: Case[] = [
  [
    'no photo, no text, count',
    instant({ photo: null, prompt: ' ', count: 0 }),
    'input.photo',
    'input.prompt',
    'input.count',
  ],
  [
    'an unknown photo, long texts',
    instant({ photo: { photoId: noPhoto }, prompt: long, negativePrompt: long }),
    'input.photo.photoId',
    'input.prompt',
    'input.negativePrompt',
  ],
  [
    'a private address, consent, key',
    instant({ photo: { url: 'http://10.0.0.1/?SECRET' }, consent: null, idempotencyKey: '\t' }),
    'input.photo.url',
    'input.consent',
    'input.idempotencyKey',
  ],
  [
    'version and time of consent, count',
    instant({ consent: { version: secret }, count: 101, photo: { photoId: secret } }),
    'input.consent',
    'input.count',
    'input.photo.photoId',
  ],
];
