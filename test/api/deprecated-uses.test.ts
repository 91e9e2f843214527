import { Client } from '../support/client';
import { TestGateway } from '../support/gateway';

let gateway: TestGateway;
let client: Client;

beforeAll(async () => {
  gateway = await TestGateway.start({ ROLE: 'api' });
  client = new Client(() => gateway.url);
});

afterAll(() => gateway.stop());

/** The counts of `likeness_deprecated_uses_total` by element. */
async function counts(): Promise<Record<string, number>> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const lines = [...text.matchAll(/^likeness_deprecated_uses_total\{element="([^"]+)"\} (\d+)$/gm)];
  return Object.fromEntries(lines.map(([, element, count]): [string, number] => [element!, Number(count)]));
}

/** The increments of the counts by an operation. */
async function usesOf(query: string, variables?: object): Promise<Record<string, number>> {
  const before = await counts();
  await client.post(query, variables);
  return Object.fromEntries(
    Object.entries(await counts())
      .map(([element, count]): [string, number] => [element, count - (before[element] ?? 0)])
      .filter(([, count]) => count > 0),
  );
}

describe('likeness_deprecated_uses_total', () => {
  it.each<[string, string, object, string[]]>([
    ['fields', '{ operator { lagMs doomedMedia } }', {}, ['Operator.lagMs', 'Operator.doomedMedia']],
    ['fields in fragments', 'query { ...F } fragment F on Query { styles { id } }', {}, ['Style.id']],
    ['a field once per operation', '{ operator { a: lagMs b: lagMs } }', {}, ['Operator.lagMs']],
    ['arguments', 'mutation { deletePhoto(id: "x") { deletedId } }', {}, ['Mutation.deletePhoto(id)']],
    [
      'arguments of a subscription',
      'subscription { avatarCompleted(modelId: "x") { cursor } }',
      {},
      ['Subscription.avatarCompleted(modelId)'],
    ],
    [
      'input fields of a literal',
      'mutation { trainModel(input: { type: CAT, photoUrls: [] }) { model { id } } }',
      {},
      ['TrainModelInput.photoUrls'],
    ],
    [
      'input fields of a variable',
      'mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { id } } }',
      { input: { type: 'CAT', photoIds: [] } },
      ['TrainModelInput.photoIds'],
    ],
  ])('counts %s', async (_what, query, variables, elements) => {
    expect(await usesOf(query, variables)).toEqual(
      Object.fromEntries(elements.map((element) => [element, 1])),
    );
  });

  it.each([
    ['the new form', '{ operator { lagSeconds } styles { key } }', {}],
    ['an invalid operation', '{ operator { lagMs unknown } }', {}],
    [
      'names that are not in the schema',
      'mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { id } } }',
      { input: { type: 'NONE', nothing: 1, photos: [{ photoId: 'x', other: [1] }] } },
    ],
  ])('does not count %s', async (_what, query, variables) => {
    expect(await usesOf(query, variables)).toEqual({});
  });

  it('counts operations of all transports', async () => {
    const before = (await counts())['Style.id'] ?? 0;
    for (const transport of ['HTTP', 'SSE', 'WebSocket'] as const)
      await client.execute(transport, { query: '{ styles { id } }' });
    expect((await counts())['Style.id']).toBe(before + 3);
  });
});
