import { find, generate, instant, noModel, noPhoto, rename, slots, train } from './abuse-words';

/** Texts that are expensive for a careless regular expression, or that a message may repeat. */
export const hostileTexts = {
  suggestions: ' Did you mean ',
  'open suggestions': '?Did you mean ',
  places: ' at "',
  quotes: '"',
  backslashes: '\\',
  spaces: ' ',
  'line breaks': '\n',
  addresses: 'https://a?b=',
  letters: 'a',
} as const;

/** An operation as JSON. */
export type HostileOperation = Readonly<Record<string, unknown>>;

const name = (text: string): string => text.replace(/\W/g, '_');
const repeated = (count: number, text: string): string => text.repeat(count);

/**
 * Every part of an operation that contains text.
 * @param text - about 230 kB in JSON of one of {@link hostileTexts}
 */
export function hostileOperations(text: string): [where: string, operation: HostileOperation][] {
  const literal = JSON.stringify(text);
  const word = name(text);
  return [
    ['an enum in the query', { query: `{ models(status: ${literal}) { nodes { id } } }` }],
    ['a number in the query', { query: `{ models(first: ${literal}) { nodes { id } } }` }],
    ['an id in the query', { query: `{ model(id: ${literal}) { id } }` }],
    ['a block string', { query: `{ models(first: """ ${literal.slice(1, -1)} """) { nodes { id } } }` }],
    ['a comment', { query: `{ viewr } #${name(text)}` }],
    ['what is not GraphQL', { query: text }],
    ['a field', { query: `{ ${word} }` }],
    ['an alias', { query: `{ ${word}: viewr }` }],
    ['a variable', { query: `query ($${word}: Int) { viewer { owner } }` }],
    ['an enum value', { query: `{ models(status: ${word}) { nodes { id } } }` }],
    ['a fragment', { query: `{ ...${word} }` }],
    ['a type', { query: `{ node(id: "x") { ... on ${word} { id } } }` }],
    ['operationName', { query: 'query A { viewer { owner } }', operationName: text }],
    ['documentId', { documentId: text }],
    ['a hash', { extensions: { persistedQuery: { sha256Hash: text } } }],
    ['a wrong hash', { query: '{ viewer { owner } }', documentId: text }],
    ['an enum in a variable', of('query ($v: ModelStatus) { models(status: $v) { nodes { id } } }', text)],
    ['a number in a variable', of('query ($v: Int!) { models(first: $v) { nodes { id } } }', text)],
    ['a list for a text', of('query ($v: ID!) { model(id: $v) { id } }', [[text]])],
    ['a key of an input', { query: train, variables: { input: { type: 'CAT', [text]: 1 } } }],
    ['ids', { query: find, variables: { id: text } }],
    ['a cursor', of('query ($v: String) { models(after: $v) { nodes { id } } }', text)],
    ['a name', { query: rename, variables: { id: noModel, name: text } }],
    ['a provider', inputOf(train, { type: 'CAT', photoIds: [], provider: text })],
    ['an idempotencyKey', inputOf(train, { type: 'CAT', photoIds: [noPhoto], idempotencyKey: text })],
    ['a consent', inputOf(train, { type: 'CAT', photoIds: [], consent: { version: text } })],
    ['an address', inputOf(train, { type: 'CAT', photoUrls: [text] })],
    ['a filename', inputOf(slots, { files: [{ filename: text, contentType: 'image/jpeg', byteSize: 1 }] })],
    ['a content type', inputOf(slots, { files: [{ filename: 'a.jpg', contentType: text, byteSize: 1 }] })],
    ['a prompt', inputOf(instant, { photoId: noPhoto, prompt: text })],
    ['a style', inputOf(generate, { modelId: noModel, prompts: [{ style: text }] })],
    [
      'a confirmation',
      of('mutation ($v: String!) { deleteMyData(input: { confirm: $v }) { __typename } }', text),
    ],
    ['a stream', of('subscription ($v: ID!) { trainingProgress(modelId: $v) { cursor } }', text)],
  ];
}

/** Operations of 2,000 tokens or 250 kB with an expensive structure. */
export const hostileShapes: [what: string, operation: HostileOperation][] = [
  [
    'lists in lists',
    { query: `{ models(first: ${repeated(980, '[')}1${repeated(980, ']')}) { nodes { id } } }` },
  ],
  [
    'objects in objects',
    { query: `{ models(first: ${repeated(480, '{a:')}1${repeated(480, '}')}) { nodes { id } } }` },
  ],
  ['a field again and again', { query: `{ viewer { ${repeated(1_900, 'owner ')} } }` }],
  [
    'a field again and again with arguments',
    {
      query: `{ models { nodes { ${repeated(240, `generations(after: "${repeated(900, 'a')}") { nodes { id } } `)} } } }`,
    },
  ],
  [
    'unknown fields',
    { query: `{ viewer { ${Array.from({ length: 1_900 }, (_, i) => `f${i}`).join(' ')} } }` },
  ],
  [
    'keys that the input does not have',
    inputOf(train, Object.fromEntries(Array.from({ length: 14_000 }, (_, index) => [`k${index}`, index]))),
  ],
  [
    'numbers for addresses',
    inputOf(train, { type: 'CAT', photoUrls: Array.from({ length: 60_000 }, () => 1) }),
  ],
  ['unused variables', { query: '{ viewr }', variables: { a: Array.from({ length: 100_000 }, () => 1) } }],
];

/** Headers and paths near Node's limit of 16 kB, with their targets. */
export function hostileRequests(
  text: string,
): { what: string; path?: string; headers?: Record<string, string> }[] {
  const value = text.replace(/[^\x20-\x7e]/g, '_').padEnd(2, '_');
  const encoded = encodeURIComponent(value).slice(0, 12_000).replace(/%.?$/, '');
  const names = [
    'authorization',
    'x-likeness-owner',
    'x-forwarded-for',
    'accept',
    'content-type',
    'host',
    'origin',
    'x-request-id',
  ];
  return [
    ...names.map((header) => ({ what: header, path: '/graphql', headers: { [header]: value } })),
    { what: 'authorization of a token', path: '/graphql', headers: { authorization: `Bearer ${value}.a.b` } },
    ...['/', '/media/', '/uploads/', '/exports/', '/upstream/a/'].map((path) => ({
      what: path,
      path: `${path}${encoded}`,
    })),
    { what: 'a query string', path: `/graphql?query=${encoded}`, headers: { accept: 'application/json' } },
    {
      what: 'variables',
      path: `/graphql?query={a}&variables=${encoded}`,
      headers: { accept: 'application/json' },
    },
  ];
}

function of(query: string, v: unknown): HostileOperation {
  return { query, variables: { v } };
}

function inputOf(query: string, input: object): HostileOperation {
  return { query, variables: { input } };
}
