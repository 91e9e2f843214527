import { Client, jwtSettings, uuidOf } from '../support/client';
import { TestGateway } from '../support/gateway';

let gateway: TestGateway;
let anna: Client;
let bob: Client;
let settled: Awaited<ReturnType<Client['settle']>>;

beforeAll(async () => {
  gateway = await TestGateway.start(jwtSettings, { watchesStatements: true });
  [anna, bob] = (await Promise.all(['anna', 'bob'].map((name) => Client.of(gateway, name)))) as [
    Client,
    Client,
  ];
  settled = await anna.settle();
  // Without workers, jobs stay QUEUED.
  await gateway.restart({ ROLE: 'api' });
});

afterAll(async () => {
  for (const person of [anna, bob]) person.close();
  await gateway.stop();
});

async function waiting(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1)
    ids.push((await anna.generate(settled.modelId, [{ count: 1 }])).id);
  return ids;
}

interface Node {
  id: string;
  queuePosition: number | null;
}

async function positions(ids: readonly string[]): Promise<(number | null)[]> {
  const query = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Job { queuePosition } } }';
  const { nodes } = await anna.request<{ nodes: Node[] }>(query, { ids });
  return nodes.map(({ queuePosition }) => queuePosition);
}

const moveTo = (status: string, id: string): Promise<unknown> =>
  gateway.rows(
    `UPDATE generations SET status = $2, attempt = 1, provider_ref = CASE $2 WHEN 'GENERATING' THEN id::text END WHERE id = $1`,
    [uuidOf(id), status],
  );

describe('queuePosition', () => {
  afterEach(async () => {
    await gateway.rows(`DELETE FROM generations WHERE status <> 'COMPLETED'`);
    await gateway.rows(`DELETE FROM models WHERE status <> 'READY'`);
  });

  it('counts the jobs of the owner that were requested before, for each kind; one statement for all', async () => {
    const ids = await waiting(3);
    await bob.train({ photoIds: await bob.upload() });
    const { id: modelId } = await anna.train({ photoIds: settled.photoIds });
    expect(await positions([...ids].reverse())).toEqual([3, 2, 1]);
    expect(await positions([modelId, settled.generationId, settled.modelId])).toEqual([1, null, null]);
    const statements = await gateway.watch.during(() => positions(ids));
    expect(statements.filter((text) => text.includes('queue_rank, '))).toHaveLength(1);
    const query =
      '{ generations(orderBy: OLDEST) { nodes { id queuePosition } } models { nodes { queuePosition } } }';
    expect(await anna.request(query)).toMatchObject({
      generations: {
        nodes: [{ queuePosition: null }, ...[1, 2, 3].map((queuePosition) => ({ queuePosition }))],
      },
      models: { nodes: [{ queuePosition: 1 }, { queuePosition: null }] },
    });
  });

  it('never increases while the job waits', async () => {
    const [first, second, third] = await waiting(3);
    await moveTo('SUBMITTING', first!);
    expect(await positions([first!, second!, third!])).toEqual([null, 2, 3]);
    await moveTo('QUEUED', first!);
    expect(await positions([first!, second!, third!])).toEqual([1, 2, 3]);
    await moveTo('GENERATING', first!);
    const later = await waiting(1);
    expect(await positions([second!, third!, ...later])).toEqual([1, 2, 3]);
    await anna.change('cancelGeneration', second!);
    expect(await positions([second!, third!, ...later])).toEqual([null, 1, 2]);
    await gateway.failJob('generations', first!);
    await anna.change('retryGeneration', first!);
    expect(await positions([third!, ...later, first!])).toEqual([1, 2, 3]);
  });

  it('is 1 to 20 of 20 jobs that are requested at the same time, in the order in which they leave the queue', async () => {
    const jobs = Array.from({ length: 20 }, () => anna.generate(settled.modelId, [{ count: 1 }]));
    const ids = (await Promise.all(jobs)).map(({ id }) => id);
    const places = await positions(ids);
    expect([...places].sort((one, other) => one! - other!)).toEqual(ids.map((_, index) => index + 1));
    expect(await positions(ids)).toEqual(places);
    const inOrder = ids
      .map((id, index) => ({ id, place: places[index]! }))
      .sort((one, other) => one.place - other.place)
      .map(({ id }) => id);
    for (const leaving of inOrder.slice(0, 3)) {
      const before = await positions(inOrder);
      await moveTo('GENERATING', leaving);
      const after = before.map((place) => (place === null || place === 1 ? null : place - 1));
      expect(await positions(inOrder)).toEqual(after);
    }
    const claimed = await gateway.rows<{ id: string }>(
      `SELECT id FROM generations WHERE status = 'QUEUED' ORDER BY queue_rank, queued_at, id`,
    );
    expect(claimed.map(({ id }) => id)).toEqual(inOrder.slice(3).map(uuidOf));
  });

  it('increases only when a job of a higher priority begins to wait', async () => {
    const [normal] = await waiting(1);
    const request = async (priority: string): Promise<string> => {
      const { generateAvatars } = await anna.request<{ generateAvatars: { generation: { id: string } } }>(
        'mutation ($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { id } } }',
        { input: { modelId: settled.modelId, prompts: [{ count: 1 }], priority } },
      );
      return generateAvatars.generation.id;
    };
    const of = async (): Promise<number | null> => (await positions([normal!]))[0]!;
    const [low, equal] = [await request('LOW'), await request('NORMAL')];
    expect(await of()).toBe(1);
    for (const id of [low, equal]) {
      await gateway.failJob('generations', id);
      await anna.change('retryGeneration', id);
    }
    expect(await of()).toBe(1);
    const high = await request('HIGH');
    expect(await of()).toBe(2);
    for (const status of ['SUBMITTING', 'QUEUED', 'SUBMITTING']) {
      await moveTo(status, high);
      expect(await of()).toBe(2);
    }
    await moveTo('GENERATING', high);
    expect(await of()).toBe(1);
    await gateway.failJob('generations', high);
    expect(await of()).toBe(1);
    await anna.change('retryGeneration', high);
    expect(await positions([high, normal!, equal, low])).toEqual([1, 2, 3, 4]);
    await anna.change('cancelGeneration', high);
    expect(await of()).toBe(1);
  });

  it('is at most 1000, and reads no more of a long queue', async () => {
    await gateway.rows(
      `INSERT INTO generations (id, owner, provider, model_id, prompts, wanted, due_at, queued_at)
       SELECT gen_random_uuid(), 'anna', 'sandbox', $1, '[]', 1, now(), now() - n * interval '1 s' FROM generate_series(1, 5000) n`,
      [uuidOf(settled.modelId)],
    );
    await gateway.rows('ANALYZE generations');
    const [last] = await waiting(1);
    expect(await positions([last!])).toEqual([1_000]);
    const [first] = await gateway.rows<{ id: string }>(
      'SELECT id FROM generations ORDER BY queued_at LIMIT 1',
    );
    const id = `generation_${first!.id.replaceAll('-', '')}`;
    expect(await positions([id])).toEqual([1]);
  });
});

describe('startBy', () => {
  const future = new Date(Date.now() + 3_600_000).toISOString();

  it.each([
    [
      'trainModel',
      'model',
      () => ({ type: 'CAT', photos: settled.photoIds.map((photoId) => ({ photoId })) }),
    ],
    ['generateAvatars', 'generation', () => ({ modelId: settled.modelId, prompts: [{}] })],
    [
      'generateInstantAvatars',
      'generation',
      () => ({ photo: { photoId: settled.photoIds[0] }, prompt: 'as a king' }),
    ],
  ] as const)('of %s is returned with the job, and refused in the past', async (mutation, noun, given) => {
    const type = `${mutation[0]!.toUpperCase()}${mutation.slice(1)}Input`;
    const query = `mutation ($input: ${type}!) { made: ${mutation}(input: $input) { job: ${noun} { id startBy status } } }`;
    const make = async (input: object): Promise<{ id: string }> =>
      (await anna.request<{ made: { job: { id: string } } }>(query, { input: { ...given(), ...input } })).made
        .job;
    const key = { idempotencyKey: `key-of-${mutation}` };
    const made = await make({ startBy: future, ...key });
    expect(made).toMatchObject({ startBy: future, status: 'QUEUED' });
    expect(await make({ startBy: future, ...key })).toMatchObject({ id: made.id });
    expect(await make({})).toMatchObject({ startBy: null });
    const other = { input: { ...given(), ...key } };
    expect((await anna.refusal(query, other)).extensions.code).toBe('IDEMPOTENCY_KEY_REUSED');
    const startBy = '2020-01-01T00:00:00.000Z';
    const past = { input: { ...given(), startBy } };
    expect((await anna.refusal(query, past)).extensions).toMatchObject({
      code: 'INVALID_INPUT',
      problems: [{ path: ['input', 'startBy'], code: 'INVALID_INPUT' }],
    });
    const unreal = { input: { ...given(), startBy: '2099-02-30T00:00:00Z' } };
    expect((await anna.refusal(query, unreal)).extensions).toMatchObject({
      ...{ code: 'INVALID_INPUT', field: 'input.startBy' },
    });
    // With other problems, all are named.
    const wrong = { input: { ...given(), startBy, idempotencyKey: 'with spaces' } };
    const { extensions } = await anna.refusal(query, wrong);
    expect((extensions.problems as { path: unknown[] }[]).map(({ path }) => path.at(-1)).sort()).toEqual([
      'idempotencyKey',
      'startBy',
    ]);
  });

  it('does not prevent the repetition of a call after the moment has passed', async () => {
    const startBy = new Date(Date.now() + 1_000).toISOString();
    const query =
      'mutation ($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { id } } }';
    const input = { modelId: settled.modelId, prompts: [{}], startBy, idempotencyKey: 'repeated-later' };
    const first = await anna.request(query, { input });
    while (Date.now() <= Date.parse(startBy)) await new Promise((next) => setTimeout(next, 50));
    expect(await anna.request(query, { input })).toEqual(first);
  });
});

describe('priority', () => {
  const query = `mutation ($input: GenerateAvatarsInput!) {
    generateAvatars(input: $input) { generation { id priority status } } }`;
  interface Made {
    generateAvatars: { generation: { id: string; priority: string; status: string } };
  }

  const generate = async (person: Client, modelId: string, input: object = {}): Promise<string> => {
    const given = { modelId, prompts: [{}], ...input };
    return (await person.request<Made>(query, { input: given })).generateAvatars.generation.id;
  };

  beforeEach(() => gateway.rows(`DELETE FROM generations WHERE status <> 'COMPLETED'`));

  it("decides the order of an owner's own waiting jobs, and that in which they are submitted", async () => {
    const priorities = ['NORMAL', 'LOW', 'HIGH', undefined, 'HIGH'];
    const ids: string[] = [];
    for (const priority of priorities)
      ids.push(await generate(anna, settled.modelId, { ...(priority && { priority }) }));
    const { nodes } = await anna.request<{ nodes: { priority: string }[] }>(
      'query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Job { priority } } }',
      { ids },
    );
    expect(nodes.map(({ priority }) => priority)).toEqual(['NORMAL', 'LOW', 'HIGH', 'NORMAL', 'HIGH']);
    expect(await positions(ids)).toEqual([3, 5, 1, 4, 2]);
    await gateway.restart({ ROLE: 'all', MAX_SUBMISSIONS: '1' });
    await Promise.all(ids.map((id) => anna.followGeneration(id).ended()));
    const submitted = await gateway.rows<{ id: string }>(
      'SELECT id FROM generations WHERE id = ANY($1) ORDER BY submitted_at',
      [ids.map(uuidOf)],
    );
    await gateway.restart({ ROLE: 'api' });
    const order = [2, 4, 0, 3, 1].map((index) => uuidOf(ids[index]!));
    expect(submitted.map(({ id }) => id)).toEqual(order);
  });

  it('is part of the request that an idempotencyKey names, and is kept by a retry', async () => {
    const key = { idempotencyKey: 'with-priority' };
    const id = await generate(anna, settled.modelId, { ...key, priority: 'LOW' });
    expect(await generate(anna, settled.modelId, { ...key, priority: 'LOW' })).toBe(id);
    const other = { modelId: settled.modelId, prompts: [{}], ...key };
    expect((await anna.refusal(query, { input: other })).extensions.code).toBe('IDEMPOTENCY_KEY_REUSED');
    await gateway.failJob('generations', id);
    await anna.change('retryGeneration', id);
    const later = await generate(anna, settled.modelId);
    expect(await positions([id, later])).toEqual([2, 1]);
  });
});
