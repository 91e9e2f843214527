import { createHash } from 'node:crypto';
import { Client } from '../support/client';
import { type Operation, type Result, transports } from '../support/graphql-client';
import { startTinyGateway, type TinyGateway } from '../support/tiny-gateway';

const train = 'mutation ($input: TrainInput!) { trainModel(input: $input) }';
const hashOf = (query: string): string => createHash('sha256').update(query).digest('hex');
const named = (sha256Hash: string): object => ({
  extensions: { persistedQuery: { version: 1, sha256Hash } },
});

const slowBy = 'query ($ms: Int!) { slow(ms: $ms) }';
const ids = (count: number): string => Array.from({ length: count }, (_, n) => `a${n}: id`).join(' ');
const pagesOfPages =
  '{ things(first: 100) { nodes { things(first: 100) { nodes { things(first: 100) { nodes { id } } } } } } }';

/** Invalid operations, each with its code in docs/errors.md. */
const mistakes: [what: string, code: string, operation: object][] = [
  ['no query', 'INVALID_INPUT', {}],
  ['null for a query', 'INVALID_INPUT', { query: null }],
  ['a number for a query', 'INVALID_INPUT', { query: 5 }],
  ['a list for variables', 'INVALID_INPUT', { query: '{ owner }', variables: [] }],
  ['text for variables', 'INVALID_INPUT', { query: '{ owner }', variables: '{}' }],
  ['a number for operationName', 'INVALID_INPUT', { query: '{ owner }', operationName: 1 }],
  ['text for extensions', 'INVALID_INPUT', { query: '{ owner }', extensions: 'a' }],
  ['a number for documentId', 'INVALID_INPUT', { documentId: 1 }],
  ['an unknown hash', 'PERSISTED_QUERY_NOT_FOUND', named('0'.repeat(64))],
  ['an unknown document', 'PERSISTED_QUERY_NOT_FOUND', { documentId: 'sha256:__proto__' }],
  ['a hash of another query', 'INVALID_INPUT', { query: '{ owner }', ...named('0'.repeat(64)) }],
  ['an empty query', 'GRAPHQL_PARSE_FAILED', { query: '' }],
  ['an open bracket', 'GRAPHQL_PARSE_FAILED', { query: '{ owner' }],
  ['a string without end', 'GRAPHQL_PARSE_FAILED', { query: '{ greeting(name: "a) }' }],
  ['too many tokens', 'QUERY_TOO_COMPLEX', { query: `{ ${'owner '.repeat(2_000)} }` }],
  ['a long name', 'QUERY_TOO_COMPLEX', { query: `{ ${'a'.repeat(201)} }` }],
  ['too many root fields', 'QUERY_TOO_COMPLEX', { query: `{ ${'owner '.repeat(21)} }` }],
  [
    'two paid calls',
    'QUERY_TOO_COMPLEX',
    { query: 'mutation { a: trainModel(input: {type: CAT}) b: trainModel(input: {type: CAT}) }' },
  ],
  ['an unknown field', 'GRAPHQL_VALIDATION_FAILED', { query: '{ ownr }' }],
  ['an unknown argument', 'GRAPHQL_VALIDATION_FAILED', { query: '{ greeting(nam: "a") }' }],
  ['a missing argument', 'GRAPHQL_VALIDATION_FAILED', { query: 'mutation { trainModel }' }],
  ['an argument twice', 'GRAPHQL_VALIDATION_FAILED', { query: '{ greeting(name: "a", name: "b") }' }],
  ['an unknown directive', 'GRAPHQL_VALIDATION_FAILED', { query: '{ owner @evil }' }],
  ['an unused variable', 'GRAPHQL_VALIDATION_FAILED', { query: 'query ($a: Int) { owner }' }],
  ['an undefined variable', 'GRAPHQL_VALIDATION_FAILED', { query: '{ greeting(name: $a) }' }],
  ['a variable twice', 'GRAPHQL_VALIDATION_FAILED', { query: 'query ($a: Int!, $a: Int!) { slow(ms: $a) }' }],
  [
    'a variable of an output type',
    'GRAPHQL_VALIDATION_FAILED',
    { query: 'query ($a: Thing) { greeting(name: $a) }' },
  ],
  [
    'a variable of another type',
    'GRAPHQL_VALIDATION_FAILED',
    { query: 'query ($a: Int) { greeting(name: $a) }' },
  ],
  ['an unused fragment', 'GRAPHQL_VALIDATION_FAILED', { query: '{ owner } fragment A on Query { owner }' }],
  ['an unknown fragment', 'GRAPHQL_VALIDATION_FAILED', { query: '{ ...A }' }],
  ['fields that conflict', 'GRAPHQL_VALIDATION_FAILED', { query: '{ a: owner a: greeting }' }],
  ['no subfields', 'GRAPHQL_VALIDATION_FAILED', { query: '{ thing }' }],
  ['subfields of text', 'GRAPHQL_VALIDATION_FAILED', { query: '{ owner { id } }' }],
  ['several mistakes', 'GRAPHQL_VALIDATION_FAILED', { query: '{ a b c ...D }' }],
  ['a number for text', 'INVALID_INPUT', { query: '{ greeting(name: 5) }' }],
  ['an unknown enum value', 'INVALID_INPUT', { query: '{ thing(kind: DOG) { id } }' }],
  ['an input field that is missing', 'INVALID_INPUT', { query: 'mutation { trainModel(input: {}) }' }],
  ['an unknown input field', 'INVALID_INPUT', { query: 'mutation { trainModel(input: {type: CAT, a: 1}) }' }],
  ['a missing variable', 'INVALID_INPUT', { query: train }],
  ['null for a variable', 'INVALID_INPUT', { query: train, variables: { input: null } }],
  ['a wrong enum in a variable', 'INVALID_INPUT', { query: train, variables: { input: { type: 'DOG' } } }],
  ['an unknown field in a variable', 'INVALID_INPUT', { query: train, variables: { input: { a: 1 } } }],
  [
    'a wrong address in a variable',
    'INVALID_INPUT',
    { query: train, variables: { input: { type: 'CAT', photoUrls: ['http://a.b', 'x'] } } },
  ],
  [
    'an unknown operation',
    'OPERATION_RESOLUTION_FAILURE',
    { query: 'query A { owner }', operationName: 'B' },
  ],
  [
    'no operation of several',
    'OPERATION_RESOLUTION_FAILURE',
    { query: 'query A { owner } query B { owner }' },
  ],
  ['a refusal', 'TOO_FEW_PHOTOS', { query: '{ a: refused owner }' }],
  ['a refused page', 'INVALID_INPUT', { query: '{ things(first: 0) { nodes { id } } }' }],
  ['a wrong cursor', 'INVALID_CURSOR', { query: '{ things(after: "a") { nodes { id } } }' }],
  ['a bug', 'INTERNAL_SERVER_ERROR', { query: '{ a: broken b: broken }' }],
  ['a list for a query', 'INVALID_INPUT', { query: ['{ owner }'] }],
  ['an object for operationName', 'INVALID_INPUT', { query: '{ owner }', operationName: {} }],
  ['a list for extensions', 'INVALID_INPUT', { query: '{ owner }', extensions: [] }],
  ['a hash of another length', 'PERSISTED_QUERY_NOT_FOUND', named('abc')],
  ['a null byte', 'GRAPHQL_PARSE_FAILED', { query: '{ owner \u0000 }' }],
  ['a block string without end', 'GRAPHQL_PARSE_FAILED', { query: '{ greeting(name: """a) }' }],
  ['too many levels', 'QUERY_TOO_COMPLEX', { query: `{ ${'a{'.repeat(30)} b ${'}'.repeat(30)} }` }],
  ['too many aliases', 'QUERY_TOO_COMPLEX', { query: `{ thing { ${ids(31)} } }` }],
  ['too many directives', 'QUERY_TOO_COMPLEX', { query: `{ owner ${'@skip(if: false) '.repeat(21)} }` }],
  ['pages of pages', 'QUERY_TOO_COMPLEX', { query: pagesOfPages }],
  ['fragments in a circle', 'GRAPHQL_VALIDATION_FAILED', { query: '{ ...A } fragment A on Query { ...A }' }],
  ['a fragment of an unknown type', 'GRAPHQL_VALIDATION_FAILED', { query: '{ ... on Nothing { owner } }' }],
  ['a fragment of another type', 'GRAPHQL_VALIDATION_FAILED', { query: '{ ... on Thing { id } }' }],
  ['two operations without a name', 'GRAPHQL_VALIDATION_FAILED', { query: '{ owner } { owner }' }],
  ['an operation twice', 'GRAPHQL_VALIDATION_FAILED', { query: 'query A { owner } query A { owner }' }],
  ['a definition of a type', 'GRAPHQL_VALIDATION_FAILED', { query: 'type Query { owner: Int }' }],
  ['a directive without its argument', 'GRAPHQL_VALIDATION_FAILED', { query: '{ owner @include }' }],
  ['a directive in a wrong place', 'GRAPHQL_VALIDATION_FAILED', { query: 'query @skip(if: true) { owner }' }],
  ['a variable of an unknown type', 'GRAPHQL_VALIDATION_FAILED', { query: 'query ($a: No) { owner }' }],
  ['a fraction for a number', 'INVALID_INPUT', { query: '{ slow(ms: 1.5) }' }],
  ['a number beyond 32 bits', 'INVALID_INPUT', { query: '{ slow(ms: 99999999999) }' }],
  ['null for a number', 'INVALID_INPUT', { query: '{ slow(ms: null) }' }],
  ['an object for a text', 'INVALID_INPUT', { query: '{ greeting(name: {a: 1}) }' }],
  ['a fraction in a variable', 'INVALID_INPUT', { query: slowBy, variables: { ms: 1.5 } }],
  ['a list in a variable', 'INVALID_INPUT', { query: slowBy, variables: { ms: [1] } }],
  ['a page of one too many', 'INVALID_INPUT', { query: '{ things(first: 101) { nodes { id } } }' }],
  ['an error within a fragment', 'TOO_FEW_PHOTOS', { query: '{ ...A } fragment A on Query { a: refused }' }],
];

/** All of an error except the request id. */
const factsOf = ({ data, errors }: Result): unknown => ({
  data: data ?? null,
  errors: JSON.parse(
    JSON.stringify(errors ?? null).replace(/request id [0-9a-f-]{36}/g, 'request id …'),
  ) as unknown,
});

describe('HTTP, WebSocket and SSE', () => {
  let gateway: TinyGateway;
  let caller: Client;
  beforeAll(async () => {
    gateway = await startTinyGateway();
    caller = new Client(() => gateway.url, { token: 'any' });
  });
  afterAll(async () => {
    caller.close();
    await gateway.stop(200);
  });

  it('are compared with at least 60 different operations', () => {
    expect(new Set(mistakes.map(([, , operation]) => JSON.stringify(operation))).size).toBe(mistakes.length);
    expect(mistakes.length).toBeGreaterThanOrEqual(60);
  });

  it.each(mistakes)('return the same response: %s', async (_what, code, operation) => {
    const answers: Result[] = [];
    for (const transport of transports) answers.push(await caller.execute(transport, operation as Operation));
    const codes = answers.map(({ errors }) => [...new Set(errors?.map(({ extensions }) => extensions.code))]);
    expect(codes).toEqual(transports.map(() => [code]));
    expect(answers.map(factsOf)).toEqual(transports.map(() => factsOf(answers[0]!)));
  });

  it('reject a mutation by GET alike', async () => {
    const query = encodeURIComponent('mutation { trainModel(input: {type: CAT}) }');
    const read = async (path: string): Promise<unknown[]> => {
      const response = await fetch(`${gateway.url}${path}?query=${query}`, {
        headers: { accept: 'application/json, text/event-stream' },
      });
      const text = await response.text();
      return [
        response.status,
        response.headers.get('allow'),
        /"code":"(\w+)"/.exec(text)![1],
        /"message":"([^"]*)"/.exec(text)![1],
      ];
    };
    const answer = [405, 'POST', 'INVALID_INPUT', 'Mutations must be sent by POST.'];
    expect(await read('/graphql')).toEqual(answer);
    expect(await read('/graphql/stream')).toEqual(answer);
    expect(gateway.witness.trained).toEqual([]);
  });

  describe.each(transports)('%s', (transport) => {
    it('registers a query sent with its hash, and then accepts the hash alone', async () => {
      const query = `query By${transport} { owner }`;
      const codeOf = ({ errors }: Result): string | undefined => errors?.[0]?.extensions.code;
      const hash = named(hashOf(query));
      const unknown = await caller.execute(transport, hash as Operation);
      expect(codeOf(unknown)).toBe('PERSISTED_QUERY_NOT_FOUND');
      // Clients compute the hash before they send the query.
      expect(unknown.errors![0]!.message).toBe('PersistedQueryNotFound');
      expect(await caller.execute(transport, { query, ...hash })).toMatchObject({ data: { owner: 'local' } });
      for (const other of transports) {
        expect(await caller.execute(other, hash as Operation)).toMatchObject({ data: { owner: 'local' } });
        const byDocument = { documentId: `sha256:${hashOf(query)}` } as unknown as Operation;
        expect(await caller.execute(other, byDocument)).toMatchObject({ data: { owner: 'local' } });
      }
    });

    it('registers no invalid query', async () => {
      const query = `query Not${transport} { nothing }`;
      await caller.execute(transport, { query, ...named(hashOf(query)) });
      const { errors } = await caller.execute(transport, named(hashOf(query)) as Operation);
      expect(errors?.[0]?.extensions.code).toBe('PERSISTED_QUERY_NOT_FOUND');
    });
  });
});
