import type { Client as Session } from 'pg';
import { newId, toGlobalId } from '../../src/core/ids';
import { Client } from '../support/client';
import { TestGateway } from '../support/gateway';

let gateway: TestGateway;
let client: Client;
let database: Session;

beforeAll(async () => {
  // Without workers, every statement belongs to a request.
  gateway = await TestGateway.start({ ROLE: 'api' }, { watchesStatements: true });
  client = new Client(() => gateway.url);
  database = await gateway.database.session();
});

afterAll(() => gateway.stop());

/** READY models of an owner, the oldest first; each with a photo, two generations and three avatars in each. */
const addModels = async (count: number, owner = 'local'): Promise<string[]> => {
  const ids = Array.from({ length: count }, (_, index) => newId(Date.now() + index));
  for (const id of ids) {
    await database.query(
      `INSERT INTO models (id, owner, provider, status, progress, name, type, photo_count, provider_ref, ready_at)
       VALUES ($1, $2, 'sandbox', 'READY', 100, 'Model', 'DOG', 5, $3, now())`,
      [id, owner, `ref-${id}`],
    );
    const photoId = newId();
    await database.query(`INSERT INTO photos (id, owner, status) VALUES ($1, $2, 'PURGED')`, [
      photoId,
      owner,
    ]);
    await database.query('INSERT INTO model_photos (model_id, photo_id, position) VALUES ($1, $2, 0)', [
      id,
      photoId,
    ]);
    for (const generationId of [newId(), newId()]) await addGeneration(generationId, id, owner);
  }
  return ids;
};

const addGeneration = async (id: string, modelId: string, owner: string): Promise<void> => {
  await database.query(
    `INSERT INTO generations (id, owner, provider, status, progress, model_id, prompts, wanted, provider_ref, completed_at)
     VALUES ($1, $2, 'sandbox', 'COMPLETED', 100, $3, '[]', 3, $4, now())`,
    [id, owner, modelId, `ref-${id}`],
  );
  for (const position of [0, 1, 2]) {
    await database.query(
      `INSERT INTO avatars (id, owner, generation_id, model_id, position, status, style, width, height, byte_size, content_type, sha256, placeholder)
       VALUES ($1, $2, $3, $4, $5, 'STORED', 'noir', 512, 512, 1, 'image/jpeg', repeat('0', 64), 'L0')`,
      [newId(), owner, id, modelId, position],
    );
  }
};

const removeAll = async (): Promise<void> => {
  await database.query('TRUNCATE models, generations, avatars, photos, model_photos CASCADE');
};

afterEach(removeAll);

interface Page {
  edges: { cursor: string; node: { id: string } }[];
  pageInfo: {
    hasNextPage: boolean;
    hasPreviousPage: boolean;
    startCursor: string | null;
    endCursor: string | null;
  };
}

const page = async (args: object): Promise<Page> => {
  const { models } = await client.request<{ models: Page }>(
    `query ($first: Int, $after: String, $type: AvatarType, $status: ModelStatus) {
      models(first: $first, after: $after, type: $type, status: $status) {
        edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
    args,
  );
  return models;
};

const globalIds = (ids: readonly string[]): string[] => ids.map((id) => toGlobalId('AvatarModel', id));
const idsOf = ({ edges }: Page): string[] => edges.map(({ node }) => node.id);

describe('lists', () => {
  it.each([
    ['resolvers', 'false', 8],
    ['planned reads', 'true', 1],
  ])('return 20 models with all relations in as many statements as one, by %s', async (_, isPlanned, max) => {
    await gateway.restart({ PLANNED_READS: isPlanned });
    const query = `{ models(first: 20) { nodes {
      id name photos { id status url }
      generations(first: 10) { nodes { id status model { id } avatars { id url generation { id } } } pageInfo { hasNextPage } }
      avatars(first: 10) { nodes { id sha256 } } } } }`;
    await addModels(1);
    const forOne = await gateway.watch.during(() => client.request(query));
    await addModels(19);
    let answer: { models: { nodes: { generations: { nodes: { avatars: unknown[] }[] } }[] } } | undefined;
    const forTwenty = await gateway.watch.during(async () => (answer = await client.request(query)));

    const generations = answer!.models.nodes.flatMap((model) => model.generations.nodes);
    expect([generations.length, generations.flatMap(({ avatars }) => avatars).length]).toEqual([40, 120]);
    expect([...forTwenty].sort()).toEqual([...forOne].sort());
    expect(forTwenty.length).toBeLessThanOrEqual(max);
  });

  it('are paged newest first, each item once, despite concurrent inserts', async () => {
    const ids = globalIds(await addModels(5)).reverse();
    const first = await page({ first: 2 });
    expect(idsOf(first)).toEqual(ids.slice(0, 2));
    expect(first.pageInfo).toEqual({
      hasNextPage: true,
      hasPreviousPage: false,
      startCursor: first.edges[0]!.cursor,
      endCursor: first.edges[1]!.cursor,
    });
    await addModels(3);
    await database.query(
      'DELETE FROM models WHERE id = (SELECT id FROM models ORDER BY id LIMIT 1 OFFSET 3)',
    );
    const second = await page({ first: 2, after: first.pageInfo.endCursor });
    expect(idsOf(second)).toEqual(ids.slice(2, 4));
    const third = await page({ first: 2, after: second.pageInfo.endCursor });
    expect(idsOf(third)).toEqual(ids.slice(4));
    expect(third.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    const beyond = await page({ first: 2, after: third.pageInfo.endCursor });
    expect(beyond).toEqual({
      edges: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: true, startCursor: null, endCursor: null },
    });
  });

  it('return matching items of the owner only, also by the deprecated arguments status and type', async () => {
    const [, second] = globalIds(await addModels(2));
    await addModels(2, 'other-owner');
    await database.query(`UPDATE models SET type = 'CAT' WHERE id = $1`, [
      (await database.query<{ id: string }>(`SELECT max(id::text) AS id FROM models WHERE owner = 'local'`))
        .rows[0]!.id,
    ]);
    expect(idsOf(await page({ type: 'CAT', status: 'READY' }))).toEqual([second]);
    expect(idsOf(await page({ status: 'FAILED' }))).toEqual([]);
    expect(idsOf(await page({}))).toHaveLength(2);
    const { rows } = await database.query<{ id: string }>(`SELECT id FROM models WHERE owner <> 'local'`);
    for (const id of globalIds(rows.map((row) => row.id))) {
      expect(
        await client.request('query ($id: ID!) { node(id: $id) { id } model(id: $id) { id } }', { id }),
      ).toEqual({
        node: null,
        model: null,
      });
    }
  });

  it('include generations without a model, also by the deprecated argument status', async () => {
    await addModels(1);
    await addModels(1, 'other-owner');
    const instantId = newId(Date.now() + 1_000);
    await database.query(
      `INSERT INTO generations (id, owner, provider, status, prompts, wanted, failure_code, failure_message, failure_retryable)
       VALUES ($1, 'local', 'sandbox', 'FAILED', '[]', 1, 'UPSTREAM_FAILED', 'No.', true)`,
      [instantId],
    );
    const query =
      'query ($status: GenerationStatus) { generations(first: 2, status: $status) { nodes { id model { name } } pageInfo { hasNextPage } } }';
    const instant = { id: toGlobalId('Generation', instantId), model: null };
    expect(await client.request(query)).toEqual({
      generations: {
        nodes: [instant, { id: expect.any(String), model: { name: 'Model' } }],
        pageInfo: { hasNextPage: true },
      },
    });
    expect(await client.request(query, { status: 'FAILED' })).toEqual({
      generations: { nodes: [instant], pageInfo: { hasNextPage: false } },
    });
  });

  it.each([
    [{ first: 0 }, 'INVALID_INPUT', 'first'],
    [{ first: 101 }, 'INVALID_INPUT', 'first'],
    [{ after: 'nonsense' }, 'INVALID_CURSOR', 'after'],
  ])('reject %j', async (args, code, field) => {
    const query =
      'query ($first: Int, $after: String) { models(first: $first, after: $after) { nodes { id } } }';
    expect((await client.refusal(query, args)).extensions).toMatchObject({ code, field });
  });

  it('return every node by id with its type', async () => {
    const [id] = await addModels(1);
    const { model } = await client.request<{
      model: { photos: unknown[]; generations: { nodes: { id: string; avatars: { id: string }[] }[] } };
    }>('query ($id: ID!) { model(id: $id) { photos { id } generations { nodes { id avatars { id } } } } }', {
      id: toGlobalId('AvatarModel', id!),
    });
    const [generation] = model.generations.nodes;
    const wanted = [
      ['AvatarModel', toGlobalId('AvatarModel', id!)],
      ['Generation', generation!.id],
      ['Avatar', generation!.avatars[0]!.id],
      ['Photo', (model.photos[0] as { id: string }).id],
    ];
    for (const [__typename, globalId] of wanted) {
      expect(
        await client.request('query ($id: ID!) { node(id: $id) { __typename id } }', { id: globalId }),
      ).toEqual({
        node: { __typename, id: globalId },
      });
    }
  });
});
