import { decodeEventCursor } from '../../src/events/event';
import { type Client, uuidOf } from '../support/client';
import { TestGateway } from '../support/gateway';

let gateway: TestGateway;
let client: Client;
let settled: Awaited<ReturnType<Client['settle']>>;

beforeAll(async () => {
  gateway = await TestGateway.start();
  ({ client } = gateway);
  settled = await client.settle();
  // Without workers, every change is one of the test.
  await gateway.restart({ ROLE: 'api' });
});

afterAll(() => gateway.stop());

/** A new model that stays QUEUED. */
const waiting = async (): Promise<string> => (await client.train({ photoIds: settled.photoIds })).id;

interface Change {
  job: { id: string; name?: string; status: string; progress: number; updatedAt: string; cursor: string };
  status: string;
  progress: number;
  occurredAt: string;
  isEstimate: boolean;
  isSnapshot: boolean;
  cursor: string;
}

const ofJob = 'id status progress updatedAt cursor';
const ofChange = 'status progress occurredAt isEstimate isSnapshot cursor';
const training = `subscription ($id: ID!, $after: String) {
  it: trainingProgress(modelId: $id, after: $after) { job: model { ${ofJob} name } ${ofChange} } }`;
const generating = `subscription ($id: ID!, $after: String) {
  it: generationProgress(generationId: $id, after: $after) { job: generation { ${ofJob} } ${ofChange} } }`;

/** Every change after the cursor, until the subscription ends. */
const replay = async (query: string, id: string, after: string): Promise<Change[]> => {
  const feed = client.subscribe<Change>(query, { id, after });
  expect(await feed.ended()).toEqual({ how: 'complete' });
  return feed.messages;
};

const cursorOf = async (field: 'model' | 'generation', id: string): Promise<string> => {
  const query = `query ($id: ID!) { it: ${field}(id: $id) { cursor } }`;
  return (await client.request<{ it: { cursor: string } }>(query, { id })).it.cursor;
};

/** The cursor before the first event of a stream. */
const startOf = (streamId: string): string => {
  const bytes = Buffer.alloc(24);
  bytes.write(streamId.replaceAll('-', ''), 0, 'hex');
  return bytes.toString('base64url');
};

describe('a replay of past changes', () => {
  it.each([
    { field: 'model', query: training, status: 'READY' },
    { field: 'generation', query: generating, status: 'COMPLETED' },
  ] as const)('contains the $field as it is now beside its past states', async ({ field, query, status }) => {
    const id = settled[`${field}Id`];
    const changes = await replay(query, id, startOf(uuidOf(settled.modelId)));
    const stored = await gateway.rows<{ status: string; at: Date }>(
      `SELECT payload->>'status' AS status, created_at AS at FROM events WHERE subject_id = $1 ORDER BY sequence`,
      [uuidOf(id)],
    );
    expect(changes.length).toBeGreaterThan(3);
    expect(changes.map((change) => change.status)).toEqual(stored.map((event) => event.status));
    expect(changes.map(({ occurredAt }) => occurredAt)).toEqual(stored.map(({ at }) => at.toISOString()));
    expect(changes[0]!.status).toBe('QUEUED');
    expect(new Set(changes.map(({ job }) => job.status))).toEqual(new Set([status]));
    expect(new Set(changes.map(({ job }) => job.progress))).toEqual(new Set([100]));
    expect(changes.every(({ isEstimate, isSnapshot }) => !isEstimate && !isSnapshot)).toBe(true);
  });

  it('contains the avatar as it is now, without avatars that have been deleted', async () => {
    const { generationId } = settled;
    const [avatar] = await client.avatars(generationId);
    await gateway.rows('UPDATE avatars SET style = $2 WHERE id = $1', [uuidOf(avatar!.id), 'restored']);
    const feed = client.followAvatars({ generationId, after: startOf(uuidOf(settled.modelId)) });
    await feed.ended();
    expect(feed.messages).toHaveLength(2);
    expect(feed.messages.find(({ avatar: { id } }) => id === avatar!.id)!.avatar.style).toBe('restored');
    const other = feed.messages.find(({ avatar: { id } }) => id !== avatar!.id)!.avatar;
    // As if it were deleted between the reading of its event and its own.
    await gateway.rows('DELETE FROM avatars WHERE id = $1', [uuidOf(other.id)]);
    const later = client.followAvatars({ generationId, after: startOf(uuidOf(settled.modelId)) });
    await later.ended();
    expect(later.messages.map(({ avatar: { id } }) => id)).toEqual([avatar!.id]);
  });

  it('contains no avatar of another generation of the model', async () => {
    const { id: generationId } = await client.generate(settled.modelId);
    await client.change('cancelGeneration', generationId);
    const feed = client.followAvatars({ generationId, after: startOf(uuidOf(settled.modelId)) });
    expect(await feed.ended()).toEqual({ how: 'complete' });
    expect(feed.messages).toEqual([]);
  });

  it('reads the object again for each change', async () => {
    const id = await waiting();
    const feed = client.subscribe<Change>(training, { id });
    await feed.until((messages) => messages.length === 1);
    for (const name of ['first', 'second']) {
      await client.rename(id, name);
      const messages = await feed.until((all) => all.at(-1)!.job.name === name);
      expect(messages.at(-1)).toMatchObject({ status: 'QUEUED', isSnapshot: false });
    }
    expect(feed.messages[0]!.job.name).toBe('My model');
    expect(feed.messages).toHaveLength(3);
    feed.drop();
  });

  it('ends with NOT_FOUND when the model is deleted', async () => {
    const id = await waiting();
    const cursor = await cursorOf('model', id);
    const feed = client.subscribe<Change>(training, { id });
    await feed.until((messages) => messages.length === 1);
    await client.rename(id, 'soon deleted');
    await client.delete('deleteModel', id);
    expect(await feed.ended()).toMatchObject({
      how: 'errors',
      errors: [{ extensions: { code: 'NOT_FOUND', field: 'modelId' } }],
    });
    const late = client.subscribe<Change>(training, { id, after: cursor });
    expect(await late.ended()).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] });
  });

  it('ends with NOT_FOUND when the model was deleted after its event was read', async () => {
    const id = await waiting();
    const feed = client.subscribe<Change>(training, { id });
    await feed.until((messages) => messages.length === 1);
    await gateway.rows(
      `WITH deleted AS (DELETE FROM models WHERE id = $1),
            counted AS (UPDATE streams SET sequence = sequence + 1 WHERE id = $1 RETURNING sequence),
            appended AS (INSERT INTO events (stream_id, sequence, kind, subject_id, payload)
                         SELECT stream_id, counted.sequence, kind, subject_id, payload FROM events, counted WHERE stream_id = $1)
       SELECT pg_notify('likeness', json_build_object('from', 'test', 'streams', json_build_array($1::text))::text)`,
      [uuidOf(id)],
    );
    expect(await feed.ended()).toMatchObject({
      how: 'errors',
      errors: [{ extensions: { code: 'NOT_FOUND', field: 'modelId' } }],
    });
    expect(feed.messages).toHaveLength(1);
  });

  it('says when a snapshot last changed', async () => {
    const id = await waiting();
    await client.rename(id, 'changed');
    const feed = client.subscribe<Change>(training, { id });
    const [change] = await feed.until((messages) => messages.length === 1);
    expect(change).toMatchObject({ isSnapshot: true, occurredAt: change!.job.updatedAt });
    feed.drop();
  });
});

describe('the cursor of a job', () => {
  it('joins a query with a subscription: each later change arrives once', async () => {
    const id = await waiting();
    await client.rename(id, 'before');
    const cursor = await cursorOf('model', id);
    await client.rename(id, 'between');
    const feed = client.subscribe<Change>(training, { id, after: cursor });
    await feed.until((messages) => messages.length === 1);
    await client.rename(id, 'after');
    await client.change('cancelModel', id);
    expect(await feed.ended()).toEqual({ how: 'complete' });
    const places = feed.messages.map((change) => decodeEventCursor(change.cursor, uuidOf(id)));
    const start = decodeEventCursor(cursor, uuidOf(id));
    expect(places).toEqual([start + 1, start + 2, start + 3]);
    expect(feed.messages.map(({ status }) => status)).toEqual(['QUEUED', 'QUEUED', 'CANCELLED']);
    expect(feed.messages.some(({ isSnapshot }) => isSnapshot)).toBe(false);
  });

  it('joins a generation in the stream of its model', async () => {
    const { id } = await client.generate(settled.modelId);
    const cursor = await cursorOf('generation', id);
    const { id: other } = await client.generate(settled.modelId);
    await client.change('cancelGeneration', other);
    const feed = client.subscribe<Change>(generating, { id, after: cursor });
    await client.change('cancelGeneration', id);
    expect(await feed.ended()).toEqual({ how: 'complete' });
    expect(feed.messages.map(({ status, job }) => [status, job.id])).toEqual([['CANCELLED', id]]);
    expect(await replay(generating, id, await cursorOf('generation', id))).toEqual([]);
  });

  it('is never newer than the rest of the answer, while the model changes', async () => {
    const id = await waiting();
    const streamId = uuidOf(id);
    const names = Array.from({ length: 40 }, (_, index) => `name ${index}`);
    const read: { name: string; cursor: string }[] = [];
    const state = { isDone: false };
    const reading = (async (): Promise<void> => {
      while (!state.isDone) {
        const query =
          'query ($id: ID!) { models(first: 1) { nodes { name cursor } } model(id: $id) { name cursor } }';
        const { model, models } = await client.request<{
          model: (typeof read)[0];
          models: { nodes: typeof read };
        }>(query, { id });
        read.push(model, models.nodes[0]!);
      }
    })();
    for (const name of names) await client.rename(id, name);
    state.isDone = true;
    await reading;
    const events = await gateway.rows<{ sequence: string; name: string }>(
      `SELECT sequence, payload->>'name' AS name FROM events WHERE stream_id = $1`,
      [streamId],
    );
    const nameAt = new Map(events.map(({ sequence, name }) => [Number(sequence), name]));
    expect(new Set(read.map(({ name }) => name)).size).toBeGreaterThan(3);
    expect(read.map(({ name }) => name)).toEqual(
      read.map(({ cursor }) => nameAt.get(decodeEventCursor(cursor, streamId))),
    );
  });

  it('is the position of the stream wherever a job is returned', async () => {
    const { modelId, generationId } = settled;
    const [avatar] = await client.avatars(generationId);
    const answer = await client.request<Record<string, unknown>>(
      `query ($model: ID!, $generation: ID!, $avatar: ID!) {
         model(id: $model) { cursor generations(first: 1) { nodes { cursor model { cursor } } } cover { generation { cursor } } }
         generation(id: $generation) { cursor model { cursor } }
         generations(first: 5) { nodes { cursor } edges { node { cursor } } }
         models(first: 50) { nodes { id cursor } }
         one: node(id: $model) { ... on AvatarModel { cursor } ... on Job { attempt } }
         two: node(id: $generation) { ... on Job { cursor updatedAt canRetry } }
         three: node(id: $avatar) { ... on Avatar { generation { cursor } } }
       }`,
      { model: modelId, generation: generationId, avatar: avatar!.id },
    );
    const { models, ...rest } = answer as { models: { nodes: { id: string; cursor: string }[] } };
    const cursors = JSON.stringify(rest).match(/(?<="cursor":")[\w-]+/g)!;
    expect(cursors.length).toBeGreaterThan(12);
    expect(new Set(cursors)).toEqual(new Set([await cursorOf('model', modelId)]));
    for (const { id, cursor } of models.nodes) {
      expect([id, cursor]).toEqual([id, await cursorOf('model', id)]);
    }
  });

  it('is in the payload of each mutation', async () => {
    const payload = async (field: string, variables: object): Promise<string> => {
      const { it } = await client.request<{ it: { job: { cursor: string } } }>(field, variables);
      return it.job.cursor;
    };
    const train = `mutation ($input: TrainModelInput!) { it: trainModel(input: $input) { job: model { cursor } } }`;
    const input = { type: 'CAT', photoIds: settled.photoIds, idempotencyKey: 'cursor-of-a-repetition' };
    const { job } = (
      await client.request<{ it: { job: { id: string; cursor: string } } }>(
        train.replace('{ cursor }', '{ id cursor }'),
        { input },
      )
    ).it;
    const { id } = job;
    const position = (): Promise<string> => cursorOf('model', id);
    expect(job.cursor).toBe(await position());
    expect(await payload(train, { input })).toBe(await position());
    const mutation = (name: string, more = ''): string =>
      `mutation ($id: ID!) { it: ${name}(id: $id${more}) { job: model { cursor } } }`;
    const renamed = await payload(mutation('renameModel', ', name: "New"'), { id });
    expect(renamed).toBe(await position());
    expect(renamed).not.toBe(job.cursor);
    await gateway.failJob('models', id);
    const retried = await payload(mutation('retryModel'), { id });
    expect([retried === renamed, retried]).toEqual([false, await position()]);
    const cancelled = await payload(mutation('cancelModel'), { id });
    expect([cancelled === retried, cancelled]).toEqual([false, await position()]);
    expect(await payload(mutation('cancelModel'), { id })).toBe(cancelled);
  });
});
