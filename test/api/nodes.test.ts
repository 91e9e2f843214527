import { newId, toGlobalId, type NodeKind } from '../../src/core/ids';
import { TestGateway } from '../support/gateway';
import { ListRows } from '../support/list-rows';

let gateway: TestGateway;
let rows: ListRows;

beforeAll(async () => {
  gateway = await TestGateway.start({ ROLE: 'api' }, { watchesStatements: true });
  rows = await ListRows.of(gateway);
});

afterAll(() => gateway.stop());

afterEach(() => rows.clear());

describe('nodes(ids)', () => {
  const query = 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }';

  it.each([
    ['a statement for each type', 'false', 4],
    ['one statement', 'true', 1],
  ])(
    'returns objects of all types in the order of the ids by %s, and null for unknown ids',
    async (_, isPlanned, count) => {
      await gateway.restart({ PLANNED_READS: isPlanned });
      const [model, second, strange] = [
        await rows.addModel(),
        await rows.addModel(),
        await rows.addModel({ owner: 'other-owner' }),
      ];
      const generation = await rows.addGeneration(model.uuid);
      const avatar = await rows.addAvatar(generation.uuid, model.uuid);
      const pending = await rows.addAvatar(generation.uuid, model.uuid, { status: 'PENDING' });
      const photo = await rows.addPhoto();
      const known: [NodeKind, { id: string }][] = [
        ['Photo', photo],
        ['AvatarModel', second],
        ['Avatar', avatar],
        ['AvatarModel', model],
        ['Generation', generation],
        ['AvatarModel', model],
      ];
      const unknown = [strange.id, pending.id, 'nonsense', toGlobalId('AvatarModel', photo.uuid), ''];
      const ids = [...known.map(([, { id }]) => id), ...unknown];
      let answer: unknown;
      const statements = await gateway.watch.during(
        async () => (answer = await gateway.client.request(query, { ids })),
      );
      expect(answer).toEqual({
        nodes: [...known.map(([__typename, { id }]) => ({ __typename, id })), ...unknown.map(() => null)],
      });
      expect(
        statements.filter((text) => /FROM (models|generations|avatars|photos)\b/.test(text)),
      ).toHaveLength(count);
    },
  );

  it('takes 0 to 100 ids', async () => {
    expect(await gateway.client.request(query, { ids: [] })).toEqual({ nodes: [] });
    const ids = Array.from({ length: 101 }, () => toGlobalId('Photo', newId()));
    expect((await gateway.client.refusal(query, { ids })).extensions).toMatchObject({
      code: 'INVALID_INPUT',
      field: 'ids',
    });
    expect(await gateway.client.request(query, { ids: ids.slice(1) })).toEqual({
      nodes: ids.slice(1).map(() => null),
    });
  });
});

describe('the cost of nodes(ids)', () => {
  it('counts the objects that are asked for', async () => {
    const lists =
      '... on AvatarModel { generations(first: 100) { nodes { id } } avatars(last: 100) { nodes { id } } }';
    const ids = Array.from({ length: 100 }, () => toGlobalId('AvatarModel', newId()));
    const literal = `{ nodes(ids: ${JSON.stringify(ids)}) { ${lists} } }`;
    const tooComplex = { code: 'QUERY_TOO_COMPLEX', limit: 'cost', given: 20_100 };
    expect((await gateway.client.refusal(literal)).extensions).toMatchObject(tooComplex);
    const variable = `query ($ids: [ID!]!) { nodes(ids: $ids) { ${lists} } }`;
    expect((await gateway.client.refusal(variable, { ids })).extensions).toMatchObject(tooComplex);
    const byDefault = `query ($ids: [ID!]! = ${JSON.stringify(ids)}) { nodes(ids: $ids) { ${lists} } }`;
    expect((await gateway.client.refusal(byDefault)).extensions).toMatchObject(tooComplex);
    expect(await gateway.client.request(variable, { ids: ids.slice(1) })).toEqual({
      nodes: ids.slice(1).map(() => null),
    });
  });
});

describe('avatar(id)', () => {
  it('returns a stored avatar of its owner', async () => {
    const [own, strange] = [
      await rows.addGeneration(null),
      await rows.addGeneration(null, { owner: 'other-owner' }),
    ];
    const query = 'query ($id: ID!) { avatar(id: $id) { id style generation { id } } }';
    const { id } = await rows.addAvatar(own.uuid, null);
    expect(await gateway.client.request(query, { id })).toEqual({
      avatar: { id, style: 'noir', generation: { id: own.id } },
    });
    const others = [
      await rows.addAvatar(strange.uuid, null, { owner: 'other-owner' }),
      await rows.addAvatar(own.uuid, null, { status: 'PENDING' }),
      own,
    ];
    for (const other of others)
      expect(await gateway.client.request(query, { id: other.id })).toEqual({ avatar: null });
  });
});
