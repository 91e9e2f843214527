import { viewer, post, get, withHeaders, type AbusiveRequest } from './abuse-base';
import { methods, urls, wanderings } from './abuse-urls';

const contentTypes = [
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/xml',
  'application/json; charset=utf-16',
  'application/graphql',
  '',
].map((type) =>
  post({
    what: `the content type "${type}"`,
    headers: withHeaders({ 'content-type': type }),
    status: 415,
    code: 'INVALID_INPUT',
  }),
);

const bodies: AbusiveRequest[] = [
  post({ what: 'no body', body: '', status: 400, code: 'INVALID_INPUT' }),
  post({ what: 'half a body', body: viewer.slice(0, 12), status: 400, code: 'INVALID_INPUT' }),
  post({ what: 'null', body: 'null', status: 400, code: 'INVALID_INPUT' }),
  post({ what: 'a number', body: '42', status: 400, code: 'INVALID_INPUT' }),
  post({ what: 'a query that is a number', body: '{"query":42}', status: 400, code: 'INVALID_INPUT' }),
  post({
    what: 'variables that are a list',
    body: '{"query":"{ __typename }","variables":[]}',
    status: 400,
    code: 'INVALID_INPUT',
  }),
  post({
    what: 'a batch where none are taken',
    body: `[${viewer},${viewer}]`,
    status: 400,
    code: 'BAD_REQUEST',
  }),
  post({
    what: 'a batch of two thousand',
    body: `[${Array.from({ length: 2_000 }, () => viewer).join(',')}]`,
    status: 400,
    code: 'BAD_REQUEST',
  }),
  post({
    what: 'JSON of five thousand levels',
    body: '['.repeat(5_000) + ']'.repeat(5_000),
    status: 400,
    code: 'INVALID_INPUT',
  }),
  post({
    what: 'a prototype in the request',
    body: '{"query":"{ __typename }","__proto__":{"isAdmin":true},"constructor":1}',
    status: 200,
    code: null,
  }),
  post({
    what: 'variables by the ten thousand',
    body: JSON.stringify({
      query: '{ __typename }',
      variables: Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`v${index}`, 1])),
    }),
    status: 400,
    code: 'INVALID_INPUT',
  }),
  post({
    what: '300 kB',
    body: JSON.stringify({ query: '{ __typename }', variables: { a: 'x'.repeat(300_000) } }),
    status: 413,
    code: 'REQUEST_TOO_LARGE',
  }),
  post({
    what: '300 kB of unknown length',
    headers: withHeaders({ 'transfer-encoding': 'chunked' }),
    body: 'x'.repeat(300_000),
    status: 413,
    code: 'REQUEST_TOO_LARGE',
  }),
  post({ what: '10 MB', body: Buffer.alloc(10_000_000, 32), status: 413, code: 'REQUEST_TOO_LARGE' }),
  post({
    what: 'a compressed body',
    headers: withHeaders({ 'content-encoding': 'gzip' }),
    body: Buffer.from('1f8b0800', 'hex'),
    status: 400,
    code: 'INVALID_INPUT',
  }),
  post({
    what: 'bytes that are not UTF-8',
    body: Buffer.from('7b22ff fe22'.replace(' ', ''), 'hex'),
    status: 400,
    code: 'INVALID_INPUT',
  }),
];

const credentials = [
  '',
  'Bearer',
  'Basic YWxpY2U6c2VjcmV0',
  'Bearer a.b.c',
  'Bearer lk_1_2',
  `Bearer ${'x'.repeat(8_000)}`,
  'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.',
].map((authorization) =>
  post({
    what: `the proof "${authorization.slice(0, 30)}"`,
    headers: withHeaders({ authorization }),
    status: 401,
    code: 'UNAUTHENTICATED',
  }),
);

const sites: AbusiveRequest[] = [
  post({
    what: 'a form of another site',
    headers: withHeaders({
      origin: 'https://evil.example',
      'content-type': 'application/x-www-form-urlencoded',
    }),
    body: 'query={viewer{owner}}',
    status: 403,
    code: 'FORBIDDEN',
  }),
  post({
    what: 'a fetch of another site',
    headers: withHeaders({ origin: 'https://evil.example' }),
    status: 403,
    code: 'FORBIDDEN',
  }),
  post({
    what: 'a page without an origin',
    headers: withHeaders({ origin: 'null' }),
    status: 403,
    code: 'FORBIDDEN',
  }),
  get({
    what: 'a link of another site',
    path: () => '/graphql?query={viewer{owner}}',
    headers: withHeaders({ 'sec-fetch-site': 'cross-site' }),
    status: 403,
    code: 'FORBIDDEN',
  }),
  get({
    what: 'a picture of another site',
    path: () => '/graphql?query={viewer{owner}}',
    headers: ({ token }) => ({ authorization: `Bearer ${token}`, accept: 'image/*' }),
    status: 406,
    code: 'INVALID_INPUT',
  }),
  get({
    what: 'a GET that any page could send',
    path: () => '/graphql?query={viewer{owner}}',
    headers: ({ token }) => ({ authorization: `Bearer ${token}`, accept: '*/*' }),
    status: 400,
    code: 'BAD_REQUEST',
  }),
  get({
    what: 'a mutation by GET',
    path: () => '/graphql?query=mutation{deleteModel(input:{id:"x"}){deletedId}}',
    headers: withHeaders({ accept: 'application/json' }),
    status: 405,
    code: 'INVALID_INPUT',
  }),
  get({
    what: 'a mutation by GET, as a stream',
    path: () => '/graphql/stream?query=mutation{deleteModel(input:{id:"x"}){deletedId}}',
    headers: ({ token }) => ({ authorization: `Bearer ${token}` }),
    status: 405,
    code: 'INVALID_INPUT',
  }),
  get({
    what: 'a stream as JSON',
    path: () => '/graphql/stream?query={__typename}',
    headers: withHeaders({ accept: 'application/json' }),
    status: 400,
    code: 'INVALID_INPUT',
  }),
  get({
    what: 'broken variables in a URL',
    path: () => '/graphql?query={__typename}&variables={',
    headers: withHeaders({ accept: 'application/json' }),
    status: 400,
    code: 'INVALID_INPUT',
  }),
];

/** Requests over plain HTTP. */
export const abusiveRequests: readonly AbusiveRequest[] = [
  ...contentTypes,
  ...bodies,
  ...credentials,
  ...sites,
  ...methods,
  ...wanderings,
  ...urls,
];
