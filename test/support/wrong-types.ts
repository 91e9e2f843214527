import { generating, secret, training, url, urls, type Case } from './broken-rules';

/** Inputs of `trainModel` with values of the wrong type. */
export const wrongTypes: Case[] = [
  [
    'numbers for texts',
    training({ name: 1, provider: 2, idempotencyKey: 3 }),
    'input.name',
    'input.provider',
    'input.idempotencyKey',
  ],
  [
    'objects',
    training({ name: { secret }, type: { secret }, photos: secret }),
    'input.name',
    'input.type',
    'input.photos',
  ],
  [
    'an enum, an address, a time',
    training({
      type: secret,
      photos: [...urls, secret].map((address) => ({ url: address })),
      consent: { version: 'a', givenAt: secret },
    }),
    'input.type',
    'input.photos.5.url',
    'input.consent.givenAt',
  ],
  [
    'three addresses',
    training({ photos: [secret, ...urls, `ftp://${secret}`, 5].map((address) => ({ url: address })) }),
    'input.photos.0.url',
    'input.photos.6.url',
    'input.photos.7.url',
  ],
  [
    'three ids',
    training({ photos: [{ photoId: { secret } }, { photoId: 'a' }, { photoId: 'a', url: url(1) }, null] }),
    'input.photos.0.photoId',
    'input.photos.2',
    'input.photos.3',
  ],
  ['unknown fields', training({ a: secret, b: secret, c: secret }), 'input.a', 'input.b', 'input.c'],
  [
    'missing, unknown and null',
    (): object => ({ name: null, consent: {} }),
    'input.type',
    'input.name',
    'input.consent.version',
  ],
  [
    'a Boolean, a fraction, a list',
    training({ name: true, provider: 1.5, type: [secret] }),
    'input.name',
    'input.provider',
    'input.type',
  ],
];

/** Inputs of `generateAvatars` with values of the wrong type. */
export const wrongPrompts: Case[] = [
  [
    'three counts',
    generating([{ count: 1.5 }, { count: secret }, { count: 1e12 }]),
    'input.prompts.0.count',
    'input.prompts.1.count',
    'input.prompts.2.count',
  ],
  [
    'three fields',
    generating([{ style: 5, prompt: [secret], count: true }]),
    'input.prompts.0.style',
    'input.prompts.0.prompt',
    'input.prompts.0.count',
  ],
  [
    'a missing id, null, a text',
    (): object => ({ prompts: [null, secret] }),
    'input.modelId',
    'input.prompts.0',
    'input.prompts.1',
  ],
  [
    'three unknown fields',
    generating([{ a: 1 }, { b: secret }, { c: { secret } }]),
    'input.prompts.0.a',
    'input.prompts.1.b',
    'input.prompts.2.c',
  ],
];

const literal = (input: string): string => `mutation { trainModel(input: { ${input} }) { model { id } } }`;

/** The same in the query instead of variables. */
export const literals: [query: string, ...paths: [string, string, string]][] = [
  [literal(`type: ${secret}, name: 1, photos: "${secret}"`), 'input.type', 'input.name', 'input.photos'],
  [
    literal(`type: "${secret}", photos: [{ url: "${url(1)}" }, { url: "${secret}" }, { url: 1 }]`),
    'input.type',
    'input.photos.1.url',
    'input.photos.2.url',
  ],
  [
    literal(`photos: [{ photoId: 1.5 }, { photoId: "a" }, { a: "${secret}" }]`),
    'input.type',
    'input.photos.0.photoId',
    'input.photos.2.a',
  ],
  [literal(`type: CAT, a: "${secret}", b: 2, consent: {}`), 'input.a', 'input.b', 'input.consent.version'],
  [
    literal(`type: null, name: null, consent: { version: 1 }`),
    'input.type',
    'input.name',
    'input.consent.version',
  ],
  ['{ models(first: "SECRET", status: SECRET, type: 1) { nodes { id } } }', 'first', 'status', 'type'],
  [
    '{ a: models(first: 1.5) { nodes { id } } model(id: 1.5) { id } photo(id: [true]) { id } }',
    'first',
    'id',
    'id',
  ],
];

/** Both in one operation, and several variables. */
export const mixed: [query: string, variables: object, ...paths: [string, string, string]][] = [
  [
    'query ($id: ID!, $first: Int, $status: ModelStatus) { model(id: $id) { id } models(first: $first, status: $status) { nodes { id } } }',
    { id: { secret }, first: secret, status: secret },
    'id',
    'first',
    'status',
  ],
  [
    'query ($id: ID!, $first: Int!, $after: String!) { model(id: $id) { id } models(first: $first, after: $after) { nodes { id } } }',
    { after: null },
    'id',
    'first',
    'after',
  ],
  [
    'query ($first: Int) { models(first: $first, status: SECRET) { nodes { id } } model(id: 1.5) { id } }',
    { first: secret },
    'status',
    'id',
    'first',
  ],
  [
    'mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { id } } renameModel(id: 1.5, name: 2) { model { id } } }',
    { input: {} },
    'id',
    'name',
    'input.type',
  ],
  [
    'subscription ($generationId: ID, $modelId: ID, $after: String) { avatarCompleted(generationId: $generationId, modelId: $modelId, after: $after) { cursor } }',
    { generationId: { secret }, modelId: [1.5], after: 5 },
    'generationId',
    'modelId',
    'after',
  ],
  [
    'query ($a: Int, $b: Int, $c: Int) { a: models(first: $a) { nodes { id } } b: models(first: $b) { nodes { id } } c: models(first: $c) { nodes { id } } }',
    { a: 0.5, b: secret, c: [secret] },
    'a',
    'b',
    'c',
  ],
];
