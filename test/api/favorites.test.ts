import { newId, toGlobalId } from '../../src/core/ids';
import type { Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { ListRows, type ListRow } from '../support/list-rows';

let gateway: TestGateway;
let client: Client;
let rows: ListRows;

beforeAll(async () => {
  gateway = await TestGateway.start({ ROLE: 'api' }, { watchesStatements: true });
  ({ client } = gateway);
  rows = await ListRows.of(gateway);
});

afterAll(() => gateway.stop());

afterEach(() => rows.clear());

const mutation = `mutation ($input: SetFavoriteInput!) {
  setFavorite(input: $input) { avatars { id favorite } } }`;

interface Marked {
  setFavorite: { avatars: { id: string; favorite: boolean }[] };
}

async function setFavorite(avatars: readonly ListRow[], favorite = true): Promise<Marked['setFavorite']> {
  const input = { avatarIds: avatars.map(({ id }) => id), favorite };
  return (await client.request<Marked>(mutation, { input })).setFavorite;
}

/** Avatars of a generation of the model, the oldest first. */
async function addAvatars(count: number, styles: readonly string[] = ['noir']): Promise<ListRow[]> {
  const model = await rows.addModel();
  const generation = await rows.addGeneration(model.uuid);
  const avatars: ListRow[] = [];
  for (let index = 0; index < count; index += 1)
    avatars.push(await rows.addAvatar(generation.uuid, model.uuid, { style: styles[index % styles.length] }));
  return avatars;
}

const idsOf = (avatars: readonly { id: string }[]): string[] => avatars.map(({ id }) => id);

describe('setFavorite', () => {
  it('marks avatars, and removes the mark, in the order of the ids', async () => {
    const [first, second, third] = await addAvatars(3);
    expect(await setFavorite([third!, first!, third!])).toEqual({
      avatars: [third, first, third].map((avatar) => ({ id: avatar!.id, favorite: true })),
    });
    expect(await setFavorite([first!, second!], false)).toEqual({
      avatars: [first, second].map((avatar) => ({ id: avatar!.id, favorite: false })),
    });
    const query =
      'query ($id: ID!) { avatar(id: $id) { favorite } node(id: $id) { ... on Avatar { favorite } } }';
    for (const [avatar, favorite] of [
      [first, false],
      [third, true],
    ] as const)
      expect(await client.request(query, { id: avatar!.id })).toEqual({
        avatar: { favorite },
        node: { favorite },
      });
  });

  it('is seen by subscribers that receive the avatar later', async () => {
    const model = await rows.addModel();
    await rows.database.query(`INSERT INTO streams (id, owner) VALUES ($1, 'local')`, [model.uuid]);
    const generation = await rows.addGeneration(model.uuid);
    const avatar = await rows.addAvatar(generation.uuid, model.uuid);
    await setFavorite([avatar]);
    const feed = client.subscribe<{ avatar: object }>(
      'subscription ($id: ID!) { avatarCompleted(select: { modelId: $id }) { avatar { id favorite } } }',
      { id: model.id },
    );
    await feed.until((received) => received.length === 1);
    feed.drop();
    expect(feed.messages).toEqual([{ avatar: { id: avatar.id, favorite: true } }]);
  });

  it('names each id without an avatar of the owner, and changes nothing then', async () => {
    const [avatar] = await addAvatars(1);
    const generation = await rows.addGeneration(null, { owner: 'other-owner' });
    const others = await rows.addAvatar(generation.uuid, null, { owner: 'other-owner' });
    const pending = await rows.addAvatar((await rows.addGeneration()).uuid, null, { status: 'PENDING' });
    const unknown = [others.id, toGlobalId('Avatar', newId()), generation.id, 'nonsense', pending.id];
    const input = { avatarIds: [unknown[0], avatar!.id, ...unknown.slice(1)], favorite: true };
    const { extensions } = await client.refusal(mutation, { input });
    expect(extensions).toMatchObject({ code: 'NOT_FOUND', field: 'input.avatarIds[0]' });
    expect(
      (extensions.problems as { path: unknown; code: string }[]).map(({ path, code }) => [path, code]),
    ).toEqual([0, 2, 3, 4, 5].map((index) => [['input', 'avatarIds', index], 'NOT_FOUND']));
    const { rows: marked } = await rows.database.query('SELECT 1 FROM avatars WHERE favorite');
    expect(marked).toEqual([]);
  });

  it.each([0, 101])('refuses %d ids', async (given) => {
    const [avatar] = await addAvatars(1);
    const input = { avatarIds: Array.from({ length: given }, () => avatar!.id), favorite: true };
    expect((await client.refusal(mutation, { input })).extensions).toMatchObject({
      ...{ code: 'INVALID_INPUT', field: 'input.avatarIds' },
      ...{ given, minimum: 1, maximum: 100 },
    });
  });

  it('marks 100 avatars at once', async () => {
    expect((await setFavorite(await addAvatars(100))).avatars.every(({ favorite }) => favorite)).toBe(true);
  });
});

describe('lists of avatars', () => {
  it('can be filtered by favorites, also with a style, of a model and in each order', async () => {
    const [a, b, c, d] = await addAvatars(4, ['noir', 'pop']);
    await setFavorite([a!, d!]);
    const strange = await rows.addGeneration(null, { owner: 'other-owner' });
    await rows.addAvatar(strange.uuid, null, { owner: 'other-owner', favorite: true });
    const list = (filter: object, orderBy = 'OLDEST'): Promise<string[]> =>
      rows.idsIn('avatars', { filter, orderBy });
    expect(await list({ favorite: true })).toEqual(idsOf([a!, d!]));
    expect(await list({ favorite: true }, 'NEWEST')).toEqual(idsOf([d!, a!]));
    expect(await list({ favorite: false })).toEqual(idsOf([b!, c!]));
    expect(await list({ favorite: null })).toHaveLength(4);
    expect(await list({ favorite: true, styles: ['noir'] })).toEqual(idsOf([a!]));
    expect(await list({ favorite: false, styles: ['noir', 'pop', 'noir'] })).toEqual(idsOf([b!, c!]));
    expect(await list({ styles: ['pop'] })).toEqual(idsOf([b!, d!]));
    expect(await list({ favorite: true, styles: [] })).toEqual([]);
    const query =
      'query ($filter: AvatarFilter) { models { nodes { avatars(filter: $filter) { totalCount nodes { id } } } } }';
    expect(await client.request(query, { filter: { favorite: true } })).toEqual({
      models: { nodes: [{ avatars: { totalCount: 2, nodes: [{ id: d!.id }, { id: a!.id }] } }] },
    });
  });

  it('can begin with the favorites, page by page in both directions', async () => {
    const avatars = await addAvatars(7, ['noir', 'pop']);
    const favorites = [avatars[1]!, avatars[4]!, avatars[5]!];
    await setFavorite(favorites);
    const newest = [...avatars].reverse();
    const expected = idsOf([
      ...newest.filter((avatar) => favorites.includes(avatar)),
      ...newest.filter((avatar) => !favorites.includes(avatar)),
    ]);
    const orderBy = 'FAVORITES';
    expect(await rows.idsIn('avatars', { orderBy })).toEqual(expected);
    const pop = idsOf(avatars.filter((_, index) => index % 2 === 1));
    expect(await rows.idsIn('avatars', { orderBy, filter: { styles: ['pop'] } })).toEqual(
      expected.filter((id) => pop.includes(id)),
    );
    const forwards: string[] = [];
    let after: string | null = null;
    for (let more = true; more;) {
      const page = await rows.read('avatars', { first: 2, after, orderBy });
      expect(page.pageInfo.hasPreviousPage).toBe(after !== null);
      forwards.push(...idsOf(page.nodes));
      ({ endCursor: after, hasNextPage: more } = page.pageInfo);
    }
    expect(forwards).toEqual(expected);
    const backwards: string[] = [];
    let before: string | null = null;
    for (let more = true; more;) {
      const page = await rows.read('avatars', { last: 3, before, orderBy });
      backwards.unshift(...idsOf(page.nodes));
      ({ startCursor: before, hasPreviousPage: more } = page.pageInfo);
    }
    expect(backwards).toEqual(expected);
  });

  it('refuse cursors of the order FAVORITES with another key', async () => {
    await addAvatars(1);
    const bytes = Buffer.from(newId().replaceAll('-', ''), 'hex');
    for (const key of ['', 't', 'TRUE', 'null', 'truefalse', "false'"]) {
      const after = `f${Buffer.concat([bytes, Buffer.from(key)]).toString('base64url')}`;
      const query = 'query ($after: String) { avatars(after: $after, orderBy: FAVORITES) { nodes { id } } }';
      expect((await client.refusal(query, { after })).extensions).toMatchObject({
        code: 'INVALID_CURSOR',
        field: 'after',
      });
    }
  });
});
