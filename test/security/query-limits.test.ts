import { getIntrospectionQuery } from 'graphql';
import type { HttpResult } from '../support/graphql-client';
import { startTinyGateway, type TinyGateway } from '../support/tiny-gateway';

const times = (count: number, write: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => write(index)).join(' ');
const nested = (depth: number, inner: string): string =>
  'things { nodes { '.repeat(depth) + inner + ' } }'.repeat(depth);
/** Each fragment spreads the next one twice: the last one is expanded 2^50 times. */
const doubling = times(50, (index) => `fragment F${index} on Query { ...F${index + 1} ...F${index + 1} }`);
const paid = 'trainModel(input: { type: MAN })';

describe('the size of an operation', () => {
  let gateway: TinyGateway;
  beforeAll(async () => {
    gateway = await startTinyGateway();
    // The first parse and validation of a process is slow.
    await gateway.post('{ greeting }');
  });
  afterAll(() => gateway.stop());

  /** The response, and the best time of three, since the machine may be busy. */
  const timed = async (query: string): Promise<HttpResult> => {
    const answers = [await gateway.post(query), await gateway.post(query), await gateway.post(query)];
    return answers.reduce((best, answer) => (answer.ms < best.ms ? answer : best));
  };

  it.each([
    ['tokens', `{ ${times(2_001, () => 'greeting')} }`, undefined],
    ['tokens', `{ ${times(1_000, () => 'greeting')} ${times(1_000, () => 'owner')} }`, undefined],
    ['tokens', `{ ${'a '.repeat(60_000)} }`, undefined],
    ['nameLength', `{ ${'a'.repeat(201)}: greeting }`, 201],
    ['nameLength', `query ($${'a'.repeat(250_000)}: Int) { greeting }`, 250_000],
    ['depth', `{ ${nested(6, 'id')} }`, 13],
    ['depth', `{ ${'a{'.repeat(600)} b ${'}'.repeat(600)} }`, 601],
    [
      'depth',
      `{ ...A } fragment A on Query { ${nested(2, '...B')} } fragment B on Thing { ${nested(4, 'id')} }`,
      13,
    ],
    ['aliases', `{ things { nodes { ${times(31, (index) => `a${index}: id`)} } } }`, 31],
    ['aliases', `{ ${times(40, (index) => `a${index}: greeting`)} }`, 40],
    [
      'aliases',
      `{ ...A ...B } fragment A on Query { ${times(16, (i) => `a${i}: owner`)} } fragment B on Query { ...A }`,
      32,
    ],
    ['directives', `{ greeting ${times(21, () => '@include(if: true)')} }`, 21],
    ['directives', `query @a ${times(20, () => '@b')} { greeting }`, 21],
    ['rootFields', `{ ${times(21, () => 'greeting')} }`, 21],
    ['rootFields', `{ ...A ...A ...A } fragment A on Query { ${times(7, () => 'owner')} }`, 21],
    ['rootFields', `{ ...F0 } ${doubling} fragment F50 on Query { greeting }`, 1_000_000_000],
    ['paid', `mutation { a: ${paid} b: ${paid} }`, 2],
    ['paid', `mutation { ${paid} ...A } fragment A on Mutation { ... { b: ${paid} } }`, 2],
    [
      'cost',
      `{ things(first: 100) { nodes { ${times(1, () => 'things(first: 100) { nodes { things(first: 3) { nodes { id } } } }')} } } }`,
      40_100,
    ],
    [
      'cost',
      '{ things(last: 100) { nodes { things(last: 100, before: "x") { nodes { things(last: 3) { nodes { id } } } } } } }',
      40_100,
    ],
    [
      'cost',
      '{ things(first: 1, last: 100) { nodes { things(first: 100) { totalCount nodes { things { nodes { id } } } } } } }',
      260_100,
    ],
    ['cost', '{ things(first: 2147483647) { nodes { id } } }', 1_000_000_000],
  ])('has a limit of %s: %#', async (limit, query, given) => {
    const { status, ms, errors } = await timed(query);
    expect(errors).toHaveLength(1);
    expect(errors![0]!.extensions).toMatchObject({
      code: 'QUERY_TOO_COMPLEX',
      limit,
      ...(given !== undefined && { given }),
    });
    expect(status).toBe(200);
    expect(ms).toBeLessThan(250);
    expect(gateway.witness.trained).toEqual([]);
  });

  it('counts page sizes from variables, their defaults, and the default page size', async () => {
    const query = (first: string): string =>
      `query ($n: Int = 100) { things(first: ${first}) { nodes { things(first: $n) { nodes { things { nodes { id } } } } } } }`;
    expect((await gateway.post(query('100'))).errors?.[0]?.extensions).toMatchObject({
      limit: 'cost',
      given: 210_100,
    });
    expect((await gateway.post(query('100'), { n: 1 })).errors?.[0]?.extensions.code).not.toBe(
      'QUERY_TOO_COMPLEX',
    );
    const proto = '{"query":"query ($__proto__: Int) { things(first: $__proto__) { nodes { id } } }"}';
    const response = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: proto,
    });
    expect(response.status).toBe(200);
  });

  it.each([
    ['fragments in a circle', '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A greeting }'],
    ['a fragment in itself', '{ ...A } fragment A on Query { ...A }'],
    ['unknown fragments', '{ ...Nothing }'],
    ['unknown fields', `{ ${times(19, (index) => `zz${index}`)} }`],
    ['a thousand fields of one name', `{ things { nodes { ${times(1_900, () => 'id')} nothing } } }`],
    [
      'introspection in a circle',
      '{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }',
    ],
  ])('is left to validation, quickly: %s', async (_what, query) => {
    const { ms, errors } = await timed(query);
    expect(errors?.at(-1)?.extensions.code).toMatch(/^(GRAPHQL_VALIDATION_FAILED|INVALID_INPUT)$/);
    expect(ms).toBeLessThan(250);
  });

  it('reports unclosed brackets as a syntax error of the query', async () => {
    const { ms, errors } = await timed(`{ greeting(name: ${'['.repeat(1_990)}`);
    expect(errors?.[0]?.extensions.code).toMatch(/^(GRAPHQL_PARSE_FAILED|QUERY_TOO_COMPLEX)$/);
    expect(ms).toBeLessThan(250);
  });

  it.each([
    ['the introspection query of tools', getIntrospectionQuery()],
    ['twenty root fields', `{ ${times(20, (index) => `a${index}: greeting`)} }`],
    ['one paid call', `mutation { ${paid} }`],
    ['nine levels', `{ ${nested(4, 'id').replaceAll('things', 'things(first: 5)')} }`],
  ])('is accepted for %s', async (_what, query) => {
    expect((await gateway.post(query)).errors).toBeUndefined();
  });
});
