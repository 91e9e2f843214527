import { TestGateway } from '../support/gateway';
import { ListRows, listQuery, lists, type ListName, type ListResult } from '../support/list-rows';

let gateway: TestGateway;
let rows: ListRows;

beforeAll(async () => {
  gateway = await TestGateway.start({ ROLE: 'api' }, { watchesStatements: true });
  rows = await ListRows.of(gateway);
});

afterAll(() => gateway.stop());

afterEach(() => rows.clear());

/** Reads a whole list by pages of two, in one direction, checking what pageInfo says. */
const walk = async (list: ListName, isBackward: boolean, variables: object): Promise<string[]> => {
  const seen: string[] = [];
  for (let cursor: string | null = null; ;) {
    const args: object = isBackward ? { last: 2, before: cursor } : { first: 2, after: cursor };
    const { nodes, pageInfo, totalCount }: ListResult = await rows.read(list, { ...variables, ...args });
    const ids = nodes.map(({ id }) => id);
    if (isBackward) seen.unshift(...ids);
    else seen.push(...ids);
    const [hasMore, hasOthers] = isBackward
      ? [pageInfo.hasPreviousPage, pageInfo.hasNextPage]
      : [pageInfo.hasNextPage, pageInfo.hasPreviousPage];
    expect([hasMore, hasOthers]).toEqual([seen.length < totalCount, cursor !== null]);
    if (!hasMore) return seen;
    cursor = isBackward ? pageInfo.startCursor : pageInfo.endCursor;
  }
};

describe('a list', () => {
  it('has the same order in both directions, for each order', async () => {
    const names = ['b', 'Anna', 'anna', 'ANNA', 'Zoe', 'élan', 'a', 'Anna', '', '漢'];
    const models: { id: string; key: string }[] = [];
    for (const name of names) {
      models.push({
        ...(await rows.addModel({ name })),
        key: name.replace(/[A-Z]/g, (x) => x.toLowerCase()),
      });
    }
    await rows.addModel({ owner: 'other-owner', name: 'b' });
    const oldest = models.map(({ id }) => id);
    const byName = [...models]
      .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id);
    const orders = { NEWEST: [...oldest].reverse(), OLDEST: oldest, NAME: byName };
    for (const [orderBy, wanted] of Object.entries(orders)) {
      expect(await walk('models', false, { orderBy })).toEqual(wanted);
      expect(await walk('models', true, { orderBy })).toEqual(wanted);
      const filter = { statuses: ['READY', 'FAILED'], types: ['DOG'] };
      expect(await walk('models', false, { orderBy, filter })).toEqual(wanted);
      expect(await walk('models', true, { orderBy, filter })).toEqual(wanted);
    }
  });

  it.each(['generations', 'avatars', 'photos'] as const)(
    'of %s has both orders and directions',
    async (list) => {
      const oldest: string[] = [];
      for (let count = 0; count < 5; count += 1) oldest.push((await rows.add(list)).id);
      for (const isBackward of [false, true]) {
        expect(await walk(list, isBackward, { orderBy: 'OLDEST' })).toEqual(oldest);
        expect(await walk(list, isBackward, {})).toEqual([...oldest].reverse());
      }
    },
  );

  it('says that nothing is before a page when the only row there does not match the filter', async () => {
    const cat = await rows.addModel({ type: 'CAT' });
    await rows.addModel({ type: 'DOG' });
    const newest = await rows.read('models', { first: 1 });
    const page = { after: newest.pageInfo.endCursor, filter: { types: ['CAT'] } };
    const { nodes, pageInfo } = await rows.read('models', page);
    expect(nodes).toEqual([{ id: cat.id }]);
    expect(pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: false });
  });

  it('returns the rows of each span of time: its start included, its end excluded', async () => {
    for (const list of Object.keys(lists) as ListName[]) {
      const [a, b, c] = [await rows.add(list), await rows.add(list), await rows.add(list)];
      const idsOf = (created: object): Promise<string[]> => rows.idsIn(list, { filter: { created } });
      expect(await idsOf({ from: b.at })).toEqual([c.id, b.id]);
      expect(await idsOf({ before: b.at })).toEqual([a.id]);
      expect(await idsOf({ from: b.at, before: c.at })).toEqual([b.id]);
      expect(await idsOf({ from: b.at, before: b.at })).toEqual([]);
      expect(await idsOf({ from: null })).toEqual([c.id, b.id, a.id]);
      expect(await idsOf({ from: '0001-01-01T00:00:00Z', before: '9999-12-31T23:59:59Z' })).toHaveLength(3);
      await rows.clear();
    }
  });

  it('filters by created also where the clocks of database and gateway differ by hours', async () => {
    const { id, uuid, at } = await rows.addModel();
    for (const hours of [-23, 23]) {
      const moved = new Date(at.getTime() + hours * 3_600_000);
      await rows.database.query('UPDATE models SET created_at = $2 WHERE id = $1', [uuid, moved]);
      const filter = { created: { from: moved, before: new Date(moved.getTime() + 1) } };
      expect(await rows.idsIn('models', { filter })).toEqual([id]);
    }
  });

  it.each(Object.keys(lists) as ListName[])(
    'rejects more than 100 values and both directions: %s',
    async (list) => {
      const field = list === 'avatars' ? 'styles' : 'statuses';
      const value = list === 'avatars' ? 'noir' : list === 'photos' ? 'PURGED' : 'FAILED';
      const many = { filter: { [field]: Array.from({ length: 101 }, () => value) } };
      expect((await gateway.client.refusal(listQuery(list), many)).extensions).toMatchObject({
        code: 'INVALID_INPUT',
        field: `filter.${field}`,
      });
      const both = { first: 1, last: 1 };
      expect((await gateway.client.refusal(listQuery(list), both)).extensions).toMatchObject({
        code: 'INVALID_INPUT',
        field: 'last',
      });
    },
  );

  it('refuses a cursor of another order and takes it with any filter', async () => {
    await rows.addModel();
    await rows.addModel({ type: 'CAT' });
    const { pageInfo } = await rows.read('models', { first: 1, orderBy: 'NAME' });
    const after = pageInfo.endCursor;
    expect((await gateway.client.refusal(listQuery('models'), { after })).extensions).toMatchObject({
      code: 'INVALID_CURSOR',
      field: 'after',
    });
    const filter = { types: ['CAT'] };
    expect((await rows.read('models', { after, orderBy: 'NAME', filter })).nodes).toHaveLength(1);
  });

  it.each([
    ['resolvers', 'false'],
    ['planned reads', 'true'],
  ])('reads rows alone unless totalCount or the other direction is selected, by %s', async (_, isPlanned) => {
    await gateway.restart({ PLANNED_READS: isPlanned });
    await rows.addModel();
    await rows.addModel();
    const { pageInfo } = await rows.read('models', { first: 1 });
    const after = pageInfo.endCursor;
    const ask = (fields: string) =>
      gateway.watch.during(() =>
        gateway.client.request(`query ($after: String) { models(after: $after) { ${fields} } }`, { after }),
      );
    const readsIn = (statements: string[]): number => statements.join().split('FROM models').length - 1;
    expect(readsIn(await ask('nodes { id } edges { cursor } pageInfo { hasNextPage endCursor }'))).toBe(1);
    expect(readsIn(await ask('nodes { id } totalCount pageInfo { hasPreviousPage }'))).toBe(3);
  });
});

describe('lists of models', () => {
  it.each([
    ['resolvers', 'false'],
    ['planned reads', 'true'],
  ])(
    'take filter, order and both directions, in as many statements for any number of models, by %s',
    async (_, isPlanned) => {
      await gateway.restart({ PLANNED_READS: isPlanned });
      const query = `query ($before: String) { models(orderBy: OLDEST) { nodes {
      generations(last: 1, filter: { statuses: [COMPLETED] }) { nodes { id } totalCount pageInfo { hasPreviousPage hasNextPage } }
      avatars(last: 2, before: $before, orderBy: OLDEST, filter: { styles: ["pop"] }) { nodes { id } totalCount pageInfo { hasPreviousPage hasNextPage } } } } }`;
      interface Lists {
        models: { nodes: Record<'generations' | 'avatars', ListResult>[] };
      }
      const wanted: object[] = [];
      const add = async (): Promise<string> => {
        const model = await rows.addModel();
        const first = await rows.addGeneration(model.uuid);
        await rows.addGeneration(model.uuid, { status: 'CANCELLED' });
        await rows.addGeneration(model.uuid);
        const pops: string[] = [];
        for (const style of ['pop', 'noir', 'pop', 'pop', 'pop'])
          if (style === 'pop') pops.push((await rows.addAvatar(first.uuid, model.uuid, { style })).id);
          else await rows.addAvatar(first.uuid, model.uuid, { style });
        wanted.push({
          generations: {
            nodes: [{ id: first.id }],
            totalCount: 2,
            pageInfo: { hasPreviousPage: true, hasNextPage: false },
          },
          avatars: {
            nodes: pops.slice(2).map((id) => ({ id })),
            totalCount: 4,
            pageInfo: { hasPreviousPage: true, hasNextPage: false },
          },
        });
        return pops[3]!;
      };
      await add();
      const forOne = await gateway.watch.during(() => gateway.client.request(query));
      await add();
      let answer: Lists | undefined;
      const forTwo = await gateway.watch.during(
        async () => (answer = await gateway.client.request<Lists>(query)),
      );
      expect(answer!.models.nodes).toEqual(wanted);
      expect([...forTwo].sort()).toEqual([...forOne].sort());

      const cursors = await gateway.client.request<{
        avatars: { edges: { cursor: string; node: { id: string } }[] };
      }>('{ avatars(orderBy: OLDEST) { edges { cursor node { id } } } }');
      const before = cursors.avatars.edges.at(-1)!.cursor;
      const { models } = await gateway.client.request<Lists>(query, { before });
      expect(models.nodes[0]!.avatars.pageInfo.hasNextPage).toBe(false);
      expect(models.nodes[1]!.avatars).toMatchObject({
        nodes: [{}, {}],
        pageInfo: { hasPreviousPage: true, hasNextPage: true },
      });
    },
  );
});
