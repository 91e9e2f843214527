import type { ListPage, ListTable } from '../../src/core/list-statements';
import { OwnedList } from '../../src/core/owned-list';
import type { Sql } from '../../src/core/sql';
import { engines } from '../../src/database/engine';
import { avatarTable } from '../../src/generations/avatar.repository';
import { generationTable } from '../../src/generations/generation.repository';
import { modelTable } from '../../src/models/model.repository';
import { photoTable } from '../../src/photos/photo.repository';
import { TestDatabase } from '../support/database';

jest.setTimeout(120_000);

const tables = { models: modelTable, generations: generationTable, avatars: avatarTable, photos: photoTable };
type ListName = keyof typeof tables;

interface PlanNode {
  'Node Type': string;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  Filter?: string;
  Plans?: PlanNode[];
}

let database: TestDatabase;

/** A row an hour. Most rows of the table belong to one owner, so that a scan in the order of all ids looks cheap. */
const fill = `
  CREATE FUNCTION id_of(n int) RETURNS uuid LANGUAGE sql AS
    $$ SELECT (lpad(to_hex(n * 3600000::bigint), 12, '0') || '7000' || '8' || substr(md5(n::text), 1, 15))::uuid $$;
  INSERT INTO models (id, owner, provider, name, type, photo_count, status, provider_ref, ready_at, created_at)
  SELECT id_of(n), CASE WHEN n BETWEEN 3000 AND 12000 THEN 'many' ELSE 'other' END, 'sandbox', 'Model ' || md5(n::text),
         CASE WHEN n % 2000 = 7 THEN 'CAT' ELSE 'DOG' END, 5, 'READY', n, now(), to_timestamp(n * 3600) FROM generate_series(1, 15000) n;
  INSERT INTO generations (id, owner, provider, model_id, prompts, wanted, status, provider_ref, completed_at)
  SELECT id, owner, provider, id, CASE type WHEN 'CAT' THEN '[{"style":"rare","count":1},{"style":"noir","count":1}]'::jsonb
                   ELSE '[{"style":"noir","count":1}]' END, 1,
         CASE type WHEN 'CAT' THEN 'CANCELLED' ELSE 'COMPLETED' END, id, CASE type WHEN 'CAT' THEN NULL ELSE now() END FROM models;
  INSERT INTO avatars (id, owner, generation_id, model_id, position, status, style, width, height, byte_size, content_type, sha256, placeholder, favorite)
  SELECT id, owner, id, model_id, 0, 'STORED', CASE status WHEN 'CANCELLED' THEN 'rare' ELSE 'noir' END,
         9, 9, 9, 'image/jpeg', 'x', 'x', status = 'CANCELLED' FROM generations;
  INSERT INTO photos (id, owner, status, width, height, byte_size, purge_at, is_used)
  SELECT id, owner, CASE type WHEN 'CAT' THEN 'REJECTED' ELSE 'READY' END, 9, 9, 9, now(), type = 'DOG' FROM models;
  INSERT INTO model_photos (model_id, photo_id, position) SELECT id, id, 0 FROM photos WHERE status = 'READY';`;

beforeAll(async () => {
  database = await TestDatabase.create();
  await database.rows(fill);
  await database.rows('VACUUM ANALYZE');
});

afterAll(() => database.drop());

/** The plan of the statement that a list sends. */
async function planOf(
  owner: string,
  list: ListName,
  filter: object,
  send: (
    list: OwnedList<{ id: string }, object>,
    scope: { owner: string; filter: object; parents: null },
  ) => Promise<unknown>,
): Promise<PlanNode> {
  let plan: PlanNode | undefined;
  const explain = async (text: string, parameters: readonly unknown[] = []): Promise<never[]> => {
    const rows = await database.rows<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
      parameters,
    );
    plan = rows[0]!['QUERY PLAN'][0]!.Plan;
    return [];
  };
  const sql: Sql = {
    engine: engines.postgresql,
    rows: explain,
    entities: (_entity, text, parameters) => explain(text, parameters),
  };
  const table = tables[list] as unknown as ListTable<{ id: string }, object>;
  await send(new OwnedList(sql, table), { owner, filter, parents: null });
  return plan!;
}

const blocksOf = (plan: PlanNode): number => plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];

const nodesOf = (plan: PlanNode): PlanNode[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

/** The tables have 200 to 400 blocks. A page of 18 scans reads 76. */
const maxBlocks = 90;

const middle = '0006b49d-2000-7000-8000-000000000000';
const keys: Partial<Record<ListPage['order'], string[]>> = {
  NAME: ['model 8'],
  FAVORITES: ['true', 'false'],
};
const filters: [ListName, object, ListPage['order']][] = [
  ['models', {}, 'NEWEST'],
  ['models', { types: ['CAT'] }, 'NEWEST'],
  ['models', {}, 'NAME'],
  ['models', { types: ['CAT'] }, 'NAME'],
  ['models', { statuses: ['FAILED'] }, 'NAME'],
  ['models', { created: { before: new Date(150 * 86_400_000) } }, 'NEWEST'],
  ['generations', { statuses: ['CANCELLED'] }, 'OLDEST'],
  ['generations', { styles: ['rare'] }, 'NEWEST'],
  ['generations', { styles: ['noir', 'unknown'] }, 'OLDEST'],
  ['generations', { styles: ['rare'], statuses: ['COMPLETED'] }, 'NEWEST'],
  ['generations', { model: { uuid: middle } }, 'OLDEST'],
  ['avatars', {}, 'NEWEST'],
  ['avatars', { styles: ['rare', 'unknown'] }, 'NEWEST'],
  ['avatars', { favorite: true }, 'NEWEST'],
  ['avatars', { favorite: false, styles: ['rare'] }, 'OLDEST'],
  ['avatars', { favorite: true, styles: ['noir', 'rare'] }, 'NEWEST'],
  ['avatars', {}, 'FAVORITES'],
  ['avatars', { styles: ['rare'] }, 'FAVORITES'],
  ['photos', {}, 'OLDEST'],
  ['photos', { statuses: ['REJECTED'] }, 'NEWEST'],
  ['photos', { isUnused: true }, 'NEWEST'],
  ['photos', { isUnused: false }, 'OLDEST'],
];

describe('lists in tables of which one owner has most of the rows', () => {
  it.each(filters)('read a page of %s of this owner by an index: %j %s', async (list, filter, order) => {
    for (const isBackward of [false, true]) {
      for (const from of [null, ...(keys[order] ?? [null]).map((key) => ({ id: middle, key }))]) {
        const page: ListPage = { order, size: 20, isBackward, from };
        const read = await planOf('many', list, filter, (rows, scope) => rows.read(scope, page));
        expect(blocksOf(read)).toBeLessThan(maxBlocks);
        if (!from) continue;
        const others = await planOf('many', list, filter, (rows, scope) => rows.hasOthers(scope, page));
        expect(blocksOf(others)).toBeLessThan(maxBlocks);
      }
    }
  });
});

describe('counts', () => {
  it.each<[ListName, object]>([
    ['models', { types: ['CAT'] }],
    ['models', { statuses: ['READY'], types: ['CAT'] }],
    ['generations', { statuses: ['CANCELLED'] }],
    ['generations', { styles: ['rare'], statuses: ['CANCELLED'] }],
    ['avatars', { styles: ['rare'] }],
    ['avatars', { favorite: true }],
    ['avatars', { favorite: false, styles: ['rare'] }],
    ['photos', { statuses: ['REJECTED'] }],
  ])('of %s read only rows that match: %j', async (list, filter) => {
    const plan = await planOf('many', list, filter, (rows, scope) => rows.count(scope));
    const filtered = nodesOf(plan).filter((node) => node.Filter !== undefined && node['Relation Name']);
    expect(filtered).toEqual([]);
  });

  it('of generations of a model read its rows only', async () => {
    const filter = { model: { uuid: middle }, styles: ['noir'] };
    const plan = await planOf('many', 'generations', filter, (rows, scope) => rows.count(scope));
    expect(blocksOf(plan)).toBeLessThan(10);
  });

  it('of photos that are used read only the uses of those that may be unused', async () => {
    const plan = await planOf('many', 'photos', { isUnused: false }, (rows, scope) => rows.count(scope));
    const uses = nodesOf(plan).filter((node) => node['Relation Name'] === 'model_photos');
    expect(uses.length).toBeGreaterThan(0);
    for (const node of uses) expect(node['Actual Rows'] * node['Actual Loops']).toBeLessThan(100);
  });
});

describe('lists by a column that has one value in all rows', () => {
  beforeAll(async () => {
    await database.rows(`UPDATE avatars SET style = 'noir', favorite = false`);
    await database.rows('VACUUM ANALYZE avatars');
  });

  it.each([{ styles: ['unknown'] }, { favorite: true }])(
    'do not read all rows of the owner to find another value: %j',
    async (filter) => {
      const page: ListPage = { order: 'NEWEST', size: 20, isBackward: false, from: null };
      const read = await planOf('many', 'avatars', filter, (rows, scope) => rows.read(scope, page));
      expect(blocksOf(read)).toBeLessThan(maxBlocks);
    },
  );
});
