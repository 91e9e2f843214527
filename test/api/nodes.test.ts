import { newId, toGlobalId, type NodeKind } from '../../src/core/ids';
import { ListEnvironment } from '../support/list-environment';

let env: ListEnvironment;

beforeAll(async () => {
  env = await ListEnvironment.start();
});

afterAll(() => env.stop());

afterEach(() => env.clear());

describe('nodes(ids)', () => {
  const query = 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }';

  it('returns objects of all types in the order of the ids, by a statement for each type; null for unknown ones', async () => {
    const [model, second, strange] = [
      await env.addModel(),
      await env.addModel(),
      await env.addModel({ owner: 'other-owner' }),
    ];
    const generation = await env.addGeneration(model.uuid);
    const avatar = await env.addAvatar(generation.uuid, model.uuid);
    const pending = await env.addAvatar(generation.uuid, model.uuid, { status: 'PENDING' });
    const photo = await env.addPhoto();
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
    const statements = await env.watch.during(
      async () => (answer = await env.client.request(query, { ids })),
    );
    expect(answer).toEqual({
      nodes: [...known.map(([__typename, { id }]) => ({ __typename, id })), ...unknown.map(() => null)],
    });
    expect(statements.filter((text) => /FROM (models|generations|avatars|photos)\b/.test(text))).toHaveLength(
      4,
    );
  });

  it('takes 0 to 100 ids', async () => {
    expect(await env.client.request(query, { ids: [] })).toEqual({ nodes: [] });
    const ids = Array.from({ length: 101 }, () => toGlobalId('Photo', newId()));
    expect((await env.client.refusal(query, { ids })).extensions).toMatchObject({
      code: 'INVALID_INPUT',
      field: 'ids',
    });
    expect(await env.client.request(query, { ids: ids.slice(1) })).toEqual({
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
    expect((await env.client.refusal(literal)).extensions).toMatchObject(tooComplex);
    const variable = `query ($ids: [ID!]!) { nodes(ids: $ids) { ${lists} } }`;
    expect((await env.client.refusal(variable, { ids })).extensions).toMatchObject(tooComplex);
    const byDefault = `query ($ids: [ID!]! = ${JSON.stringify(ids)}) { nodes(ids: $ids) { ${lists} } }`;
    expect((await env.client.refusal(byDefault)).extensions).toMatchObject(tooComplex);
    expect(await env.client.request(variable, { ids: ids.slice(1) })).toEqual({
      nodes: ids.slice(1).map(() => null),
    });
  });
});

describe('avatar(id)', () => {
  it('returns a stored avatar of its owner', async () => {
    const [own, strange] = [
      await env.addGeneration(null),
      await env.addGeneration(null, { owner: 'other-owner' }),
    ];
    const query = 'query ($id: ID!) { avatar(id: $id) { id style generation { id } } }';
    const { id } = await env.addAvatar(own.uuid, null);
    expect(await env.client.request(query, { id })).toEqual({
      avatar: { id, style: 'noir', generation: { id: own.id } },
    });
    const others = [
      await env.addAvatar(strange.uuid, null, { owner: 'other-owner' }),
      await env.addAvatar(own.uuid, null, { status: 'PENDING' }),
      own,
    ];
    for (const other of others)
      expect(await env.client.request(query, { id: other.id })).toEqual({ avatar: null });
  });
});
