import { getIntrospectionQuery } from 'graphql';
import { mistakes, nothing } from './abuse-mistakes';
import {
  type AbusiveQuery,
  find,
  generate,
  instant,
  nested,
  noModel,
  noPhoto,
  rename,
  type Row,
  slots,
  times,
  train,
} from './abuse-words';

const tooMuch: Row[] = [
  ['levels of fields', 'QUERY_TOO_COMPLEX', `{ ${nested(3, 'id')} }`],
  ['six hundred levels', 'QUERY_TOO_COMPLEX', `{ ${'a{'.repeat(600)} b ${'}'.repeat(600)} }`],
  [
    'levels by fragments',
    'QUERY_TOO_COMPLEX',
    `{ ...A } fragment A on Query { ${nested(1, '...B')} } fragment B on AvatarModel { generations { nodes { model { generations { nodes { model { id } } } } } } }`,
  ],
  ['aliases', 'QUERY_TOO_COMPLEX', `{ models { nodes { ${times(31, (i) => `a${i}: id`)} } } }`],
  ['six hundred aliases', 'QUERY_TOO_COMPLEX', `{ ${times(600, (i) => `a${i}: __typename`)} }`],
  ['the same field for ever', 'QUERY_TOO_COMPLEX', `{ ${'viewer { owner } '.repeat(499)} }`],
  ['words', 'QUERY_TOO_COMPLEX', `{ ${'owner '.repeat(2_001)} }`],
  ['words by the ten thousand', 'QUERY_TOO_COMPLEX', `{ ${'a '.repeat(60_000)} }`],
  ['root fields', 'QUERY_TOO_COMPLEX', `{ ${times(21, () => '__typename')} }`],
  [
    'a bomb of fragments',
    'QUERY_TOO_COMPLEX',
    `{ ...F0 } ${times(50, (i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)} fragment F50 on Query { __typename }`,
  ],
  ['directives', 'QUERY_TOO_COMPLEX', `{ __typename ${times(21, () => '@include(if: true)')} }`],
  [
    'directives on fragments',
    'QUERY_TOO_COMPLEX',
    `{ ...A ...A ...A } fragment A on Query { __typename ${times(8, () => '@skip(if: false)')} }`,
  ],
  [
    'pages of pages',
    'QUERY_TOO_COMPLEX',
    '{ models(first: 100) { nodes { generations(first: 100) { nodes { model { avatars(first: 100) { nodes { id } } } } } } } }',
  ],
  ['a page of all there is', 'QUERY_TOO_COMPLEX', '{ models(first: 2147483647) { nodes { id } } }'],
  [
    'pages by a variable',
    'QUERY_TOO_COMPLEX',
    'query ($n: Int!) { models(first: $n) { nodes { avatars(first: $n) { nodes { generation { model { avatars(first: $n) { nodes { id } } } } } } } } }',
    { n: 100 },
  ],
  [
    'two paid calls',
    'QUERY_TOO_COMPLEX',
    `mutation { a: retryModel(input: { id: "${noModel}" }) { model { id } } b: retryModel(input: { id: "${noModel}" }) { model { id } } }`,
  ],
  [
    'paid calls in the deprecated and the present form',
    'QUERY_TOO_COMPLEX',
    `mutation { a: retryModel(id: "${noModel}") { model { id } } b: retryGeneration(input: { id: "x", attempt: 1 }) { generation { id } } }`,
  ],
  [
    'paid calls by a fragment',
    'QUERY_TOO_COMPLEX',
    `mutation { ...A ... { b: retryModel(input: { id: "x" }) { model { id } } } } fragment A on Mutation { retryModel(input: { id: "x" }) { model { id } } }`,
  ],
  [
    'a list of photos without end',
    'TOO_MANY_PHOTOS',
    train,
    { input: { type: 'CAT', photoIds: Array.from({ length: 5_000 }, () => noPhoto) } },
  ],
  [
    'slots without end',
    'INVALID_INPUT',
    slots,
    {
      input: {
        files: Array.from({ length: 2_000 }, () => ({
          filename: 'a',
          contentType: 'image/jpeg',
          byteSize: 1,
        })),
      },
    },
  ],
  [
    'prompts without end',
    'INVALID_INPUT',
    generate,
    { input: { modelId: noModel, prompts: Array.from({ length: 5_000 }, () => ({})) } },
  ],
  [
    'pictures without end',
    'INVALID_INPUT',
    generate,
    { input: { modelId: noModel, prompts: [{ count: 2_147_483_647 }] } },
  ],
  [
    'a prompt without end',
    'INVALID_INPUT',
    instant,
    { input: { photoId: noPhoto, prompt: 'x'.repeat(200_000) } },
  ],
  ['a name without end', 'INVALID_INPUT', rename, { id: noModel, name: 'x'.repeat(200_000) }],
  ['an id without end', null, find, { id: 'model_'.repeat(30_000) }],
  [
    'a key without end',
    'INVALID_INPUT',
    generate,
    { input: { modelId: noModel, prompts: [{}], idempotencyKey: 'k'.repeat(100_000) } },
  ],
  [
    'a cursor without end',
    'INVALID_CURSOR',
    'query ($after: String) { models(after: $after) { nodes { id } } }',
    { after: 'A'.repeat(200_000) },
  ],
  [
    'variables that are declared without end',
    'QUERY_TOO_COMPLEX',
    `query (${times(700, (i) => `$v${i}: Int`)}) { __typename }`,
  ],
  ['a text block', 'GRAPHQL_VALIDATION_FAILED', `{ nothing(text: """${'x'.repeat(200_000)}""") }`],
];

const introspection: Row[] = [
  ['the schema where it is hidden', 'GRAPHQL_VALIDATION_FAILED', getIntrospectionQuery()],
  [
    'a type where the schema is hidden',
    'GRAPHQL_VALIDATION_FAILED',
    '{ __type(name: "Query") { fields { name } } }',
  ],
];

const rowOf = ([what, code, query, variables]: Row): AbusiveQuery => ({ what, code, query, variables });

/** Operations for every transport. */
export const abusiveQueries: readonly AbusiveQuery[] = [...tooMuch, ...mistakes, ...nothing].map(rowOf);

/** Operations that are rejected without introspection. */
export const pryingQueries: readonly AbusiveQuery[] = introspection.map(rowOf);
