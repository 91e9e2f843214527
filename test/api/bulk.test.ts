import { newId, toGlobalId } from '../../src/core/ids';
import { bulkChange, bulkChangeUntil, bulkProblems, times, type BulkResult } from '../support/bulk';
import type { Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { ListRows, type ListRow } from '../support/list-rows';

let gateway: TestGateway;
let client: Client;
let rows: ListRows;

beforeAll(async () => {
  gateway = await TestGateway.start({ ROLE: 'api', MAX_BULK_OBJECTS: '3' }, { watchesStatements: true });
  ({ client } = gateway);
  rows = await ListRows.of(gateway);
});

afterAll(() => gateway.stop());

afterEach(async () => {
  await rows.clear();
  await rows.database.query('TRUNCATE idempotency_keys, quota_reservations, audit_log CASCADE');
});

const change = (mutation: string, input: object): Promise<BulkResult> => bulkChange(client, mutation, input);
const problemsOf = (mutation: string, input: object): Promise<[string, string][]> =>
  bulkProblems(client, mutation, input);

const unfinished = { provider_ref: null, due_at: new Date(Date.now() + 3_600_000) };
const queued = (columns: object = {}): Promise<ListRow> =>
  rows.addModel({ status: 'QUEUED', ...unfinished, ...columns });
const queuedGeneration = (columns: object = {}): Promise<ListRow> =>
  rows.addGeneration(null, { status: 'QUEUED', ...unfinished, ...columns });
async function statusesIn(table: string): Promise<Record<string, number>> {
  const counted = await gateway.rows<{ status: string; count: number }>(
    `SELECT status, count(*)::int AS count FROM ${table} GROUP BY status`,
  );
  return Object.fromEntries(counted.map(({ status, count }) => [status, count]));
}

describe('cancelModels and cancelGenerations', () => {
  it.each([
    ['cancelModels', 'models', queued],
    ['cancelGenerations', 'generations', queuedGeneration],
  ] as const)('%s cancels those that a filter matches, some in each call', async (mutation, table, add) => {
    await times(7, () => add());
    await add({ owner: 'other-owner' });
    const select = { filter: { statuses: ['QUEUED'] } };
    expect(await change(mutation, { select, dryRun: true })).toEqual({
      ...{ matchedCount: 7, changedCount: 3, hasMore: true, failures: [] },
    });
    expect((await statusesIn(table)).QUEUED).toBe(8);
    const calls = await times(4, () => change(mutation, { select }));
    expect(
      calls.map(({ matchedCount, changedCount, hasMore }) => [matchedCount, changedCount, hasMore]),
    ).toEqual([
      [7, 3, true],
      [4, 3, true],
      [1, 1, false],
      [0, 0, false],
    ]);
    expect(await statusesIn(table)).toMatchObject({ QUEUED: 1, CANCELLED: 7 });
  });

  it.each([
    ['cancelModels', 'models', queued],
    ['cancelGenerations', 'generations', queuedGeneration],
  ] as const)(
    '%s ends after its time, and the next call cancels the others',
    async (mutation, table, add) => {
      const jobs = await times(3, () => add());
      const cancel = (): Promise<BulkResult> => change(mutation, { select: { filter: {} } });
      expect(await bulkChangeUntil(gateway, { table, uuid: jobs[1]!.uuid }, cancel)).toEqual({
        ...{ matchedCount: 3, changedCount: 2, hasMore: true, failures: [] },
      });
      expect(await statusesIn(table)).toEqual({ QUEUED: 1, CANCELLED: 2 });
      expect(await cancel()).toEqual({ matchedCount: 1, changedCount: 1, hasMore: false, failures: [] });
    },
  );

  it('select by a filter only those that have not ended, of the statuses in the filter', async () => {
    const model = await queued();
    await rows.addModel({ status: 'TRAINING', due_at: new Date() });
    await rows.addModel();
    await rows.addModel({ status: 'FAILED' });
    const filter = { statuses: ['READY', 'QUEUED', 'FAILED'] };
    expect(await change('cancelModels', { select: { filter } })).toMatchObject({
      matchedCount: 1,
      changedCount: 1,
    });
    expect(await client.request('query ($id: ID!) { model(id: $id) { status } }', { id: model.id })).toEqual({
      model: { status: 'CANCELLED' },
    });
    expect(await change('cancelModels', { select: { filter: {} } })).toMatchObject({ matchedCount: 1 });
    expect(await statusesIn('models')).toEqual({ CANCELLED: 2, READY: 1, FAILED: 1 });
    expect(await change('cancelModels', { select: { filter: { statuses: ['READY'] } } })).toMatchObject({
      matchedCount: 0,
    });
  });

  it('name each id that cannot be cancelled, and cancel the others', async () => {
    const [first, ready, cancelled] = [
      await queued(),
      await rows.addModel(),
      await rows.addModel({ status: 'CANCELLED' }),
    ];
    const strange = await queued({ owner: 'other-owner' });
    const ghost = toGlobalId('AvatarModel', newId());
    const ids = [ghost, ready.id, first.id, strange.id, cancelled.id, first.id];
    const failures = [
      { id: ghost, code: 'NOT_FOUND' },
      { id: strange.id, code: 'NOT_FOUND' },
      { id: ready.id, code: 'NOT_CANCELLABLE' },
    ];
    const expected = { matchedCount: 3, changedCount: 1, hasMore: false };
    for (const dryRun of [true, false]) {
      const { failures: found, ...counts } = await change('cancelModels', { select: { ids }, dryRun });
      expect(counts).toEqual(expected);
      expect(found.map(({ id, code }) => ({ id, code }))).toEqual(failures);
    }
    expect(await change('cancelModels', { select: { ids } })).toMatchObject({
      matchedCount: 3,
      changedCount: 0,
    });
  });
});

describe('deleteAvatars', () => {
  async function addAvatars(
    count: number,
  ): Promise<{ model: ListRow; generation: ListRow; avatars: ListRow[] }> {
    const model = await rows.addModel();
    const generation = await rows.addGeneration(model.uuid);
    const avatars = await times(count, (index) =>
      rows.addAvatar(generation.uuid, model.uuid, { favorite: index % 2 === 0 }),
    );
    return { model, generation, avatars };
  }

  it('deletes all but favorites', async () => {
    const { avatars } = await addAvatars(5);
    const generation = await rows.addGeneration(null, { owner: 'other-owner' });
    await rows.addAvatar(generation.uuid, null, { owner: 'other-owner' });
    const select = { filter: { favorite: false } };
    expect(await change('deleteAvatars', { select })).toEqual({
      ...{ matchedCount: 2, changedCount: 2, hasMore: false, failures: [] },
    });
    expect(await rows.idsIn('avatars', { orderBy: 'OLDEST' })).toEqual(
      [0, 2, 4].map((index) => avatars[index]!.id),
    );
    expect(await gateway.rows(`SELECT 1 FROM avatars WHERE owner = 'other-owner'`)).toHaveLength(1);
  });

  it('deletes those of a model, of a generation, or with ids; repeating it changes nothing', async () => {
    const [first, second] = [await addAvatars(2), await addAvatars(2)];
    const ids = [first.avatars[0]!.id, toGlobalId('Avatar', newId())];
    expect(await change('deleteAvatars', { select: { ids } })).toMatchObject({
      matchedCount: 1,
      changedCount: 1,
    });
    expect(await change('deleteAvatars', { select: { ids } })).toEqual({
      ...{ matchedCount: 0, changedCount: 0, hasMore: false, failures: [] },
    });
    const select = { generationId: first.generation.id };
    expect(await change('deleteAvatars', { select })).toMatchObject({ changedCount: 1 });
    const ofModel = { modelId: second.model.id };
    expect(await change('deleteAvatars', { select: ofModel, dryRun: true })).toMatchObject({
      changedCount: 2,
    });
    expect(await change('deleteAvatars', { select: ofModel })).toMatchObject({ changedCount: 2 });
    expect(await rows.idsIn('avatars')).toEqual([]);
  });

  it('leaves an avatar that becomes a favorite before it is deleted', async () => {
    const { avatars } = await addAvatars(2);
    const victim = avatars[1]!;
    await rows.database.query('BEGIN');
    await rows.database.query('UPDATE avatars SET favorite = true WHERE id = $1', [victim.uuid]);
    const deleting = change('deleteAvatars', { select: { filter: { favorite: false } } });
    const watcher = await gateway.database.session();
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    while ((await watcher.query(waiting)).rows.length === 0) await new Promise(setImmediate);
    await rows.database.query('COMMIT');
    expect(await deleting).toEqual({ matchedCount: 1, changedCount: 0, hasMore: false, failures: [] });
    expect(await rows.idsIn('avatars')).toHaveLength(2);
  });
});

describe('deleteModels and deleteGenerations', () => {
  it('delete what a filter matches, with the avatars', async () => {
    const failed = await times(2, () => rows.addModel({ status: 'FAILED' }));
    const ready = await rows.addModel();
    const generation = await rows.addGeneration(ready.uuid);
    await rows.addAvatar(generation.uuid, ready.uuid);
    expect(await change('deleteModels', { select: { filter: { statuses: ['FAILED'] } } })).toMatchObject({
      changedCount: 2,
    });
    expect(await change('deleteModels', { select: { ids: failed.map(({ id }) => id) } })).toMatchObject({
      matchedCount: 0,
      failures: [],
    });
    expect(await change('deleteGenerations', { select: { filter: { modelId: ready.id } } })).toMatchObject({
      changedCount: 1,
    });
    expect([await rows.idsIn('models'), await rows.idsIn('avatars')]).toEqual([[ready.id], []]);
    expect(await gateway.rows('SELECT action FROM audit_log ORDER BY id')).toEqual(
      expect.arrayContaining([{ action: 'deleteModel' }, { action: 'deleteGeneration' }]),
    );
  });
});

describe('bulk mutations', () => {
  const wrongIds = (kind: 'AvatarModel' | 'Generation'): string[] => [
    toGlobalId(kind, newId()),
    'nonsense',
    '',
  ];

  it.each(['cancelModels', 'deleteModels', 'deleteGenerations', 'deleteAvatars'])(
    '%s names all problems of its ids',
    async (mutation) => {
      const other = mutation.endsWith('Models') ? 'Generation' : 'AvatarModel';
      expect(await problemsOf(mutation, { select: { ids: wrongIds(other) } })).toEqual(
        [0, 1, 2].map((index) => [`input.select.ids.${index}`, 'NOT_FOUND']),
      );
      const many = Array.from({ length: 1_001 }, () => toGlobalId('Photo', newId()));
      const problems = await problemsOf(mutation, { select: { ids: many } });
      expect(problems[0]).toEqual(['input.select.ids', 'INVALID_INPUT']);
      expect(problems).toHaveLength(50);
      expect(await problemsOf(mutation, { select: { ids: [] } })).toEqual([
        ['input.select.ids', 'INVALID_INPUT'],
      ]);
    },
  );

  it.each(['cancelModels', 'cancelGenerations', 'deleteModels', 'deleteGenerations', 'deleteAvatars'])(
    '%s refuses a filter by a span of time that ends before it begins',
    async (mutation) => {
      const created = { from: '2026-02-01T00:00:00Z', before: '2026-01-01T00:00:00Z' };
      expect(await problemsOf(mutation, { select: { filter: { created } } })).toEqual([
        ['input.select.filter.created.before', 'INVALID_INPUT'],
      ]);
    },
  );

  it('name all problems of a filter, of ids and of a key', async () => {
    const styles = Array.from({ length: 101 }, () => 'noir');
    expect(await problemsOf('deleteAvatars', { select: { filter: { styles } } })).toEqual([
      ['input.select.filter.styles', 'INVALID_INPUT'],
    ]);
    for (const select of [{ modelId: 'nonsense' }, { generationId: toGlobalId('Avatar', newId()) }])
      expect(await problemsOf('deleteAvatars', { select })).toEqual([
        [`input.select.${Object.keys(select)[0]!}`, 'NOT_FOUND'],
      ]);
    const input = { select: { ids: ['x', 'y'] }, expectedCount: 1, idempotencyKey: 'with spaces' };
    expect(await problemsOf('retryModels', input)).toEqual([
      ['input.idempotencyKey', 'INVALID_INPUT'],
      ['input.select.ids.0', 'NOT_FOUND'],
      ['input.select.ids.1', 'NOT_FOUND'],
    ]);
  });
});

describe('downloadAvatars', () => {
  it.each([
    ['originals in another format', 'format: WEBP', 100],
    ['pictures in another size', 'size: PX_512, format: JPEG', 1_000],
  ])('converts a limited number of avatars: %s', async (_, picture, maximum) => {
    const generation = await rows.addGeneration();
    const first = await rows.addAvatar(generation.uuid, null, { position: 0 });
    await gateway.rows(
      `INSERT INTO avatars (id, owner, generation_id, position, status, style, width, height, byte_size, placeholder, content_type, sha256)
       SELECT gen_random_uuid(), owner, generation_id, n, status, style, width, height, byte_size, placeholder, content_type, sha256
         FROM avatars, generate_series(1, $2) AS n WHERE id = $1`,
      [first.uuid, maximum],
    );
    const query = `mutation { downloadAvatars(input: { select: { filter: {} } ${picture} }) { avatarCount } }`;
    expect((await client.refusal(query)).extensions).toMatchObject({
      ...{ code: 'INVALID_INPUT', field: 'input.select', maximum },
    });
    await gateway.rows('DELETE FROM avatars WHERE id = $1', [first.uuid]);
    expect(await client.request(query)).toEqual({ downloadAvatars: { avatarCount: maximum } });
  });

  it.each(['downloadAvatars(input: { select: { filter: {} } }) { url }', 'exportMyData { url }'])(
    'gives 10 URLs at most, also at the same time: %s',
    async (call) => {
      const generation = await rows.addGeneration();
      await rows.addAvatar(generation.uuid);
      await rows.database.query('TRUNCATE avatar_downloads, exports');
      const ask = async (): Promise<unknown> =>
        (await client.post(`mutation { ${call} }`)).errors?.[0]?.extensions.code;
      await times(8, ask);
      const session = await gateway.database.session();
      await session.query('BEGIN');
      // URLs can be counted, but not inserted.
      await session.query('LOCK TABLE avatar_downloads, exports IN SHARE MODE');
      const codes = Array.from({ length: 6 }, ask);
      const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      while ((await gateway.rows(waiting)).length < 4) await new Promise(setImmediate);
      await session.query('COMMIT');
      const refused = (await Promise.all(codes)).filter((code) => code !== undefined);
      expect(refused).toEqual(Array(4).fill('RATE_LIMITED'));
    },
  );
});
