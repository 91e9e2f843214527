import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import { transports, type HttpResult, type Result } from '../support/graphql-client';
import { until } from '../support/until';

/** More than a test may take: a wait that ends within a test has not ended because its time was over. */
const long = 30_000;

const model = `query ($id: ID!, $waitMs: Int! = 0, $after: String) {
  model(id: $id, waitMs: $waitMs, after: $after) { id name status cursor } }`;
const generation = `query ($id: ID!, $waitMs: Int! = 0, $after: String) {
  generation(id: $id, waitMs: $waitMs, after: $after) { id status cursor } }`;

interface Answer {
  id: string;
  name: string;
  status: string;
  cursor: string;
}

const modelIn = ({ data }: Result): Answer | null => (data as { model: Answer | null }).model;

/** The number of waits in a gateway. */
async function waitsOf({ url }: { url: string }): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^likeness_waits (\d+)$/m.exec(metrics)?.[1]);
}

const uuid = (id: string): string => id.replace(/^\w+_/, '');

describe('a query with waitMs', () => {
  let gateway: TestGateway;
  let other: TestGateway;
  let client: Client;
  let photos: string[];
  /** A wait for a change of which the process was not notified, which takes seconds. */
  let unnotified: Promise<HttpResult>;

  beforeAll(async () => {
    // A request that waits must not hold the only connection.
    gateway = await TestGateway.start({ ...jwtSettings, ROLE: 'api', DATABASE_POOL: '1' });
    other = await gateway.startAnother({ PLANNED_READS: 'false' });
    client = await Client.of(gateway, 'alice');
    photos = await client.upload();
    const { id } = await queued();
    unnotified = (await Client.of(other, 'alice')).post(model, { id, waitMs: long });
    await areWaiting(1, other);
    await gateway.rows(
      `WITH stream AS (UPDATE streams SET sequence = sequence + 1 WHERE id = $1 RETURNING id, sequence)
       INSERT INTO events (stream_id, sequence, kind, subject_id, payload, created_at)
       SELECT id, sequence, 'MODEL', id, '{}', now() FROM stream`,
      [uuid(id)],
    );
  });
  afterAll(async () => {
    client.close();
    await gateway.stop();
  });

  /** A QUEUED model: this gateway has no workers. */
  const queued = async (): Promise<Answer> => {
    const { id } = await client.train({ photoIds: photos, name: 'first' });
    return modelIn(await client.post(model, { id }))!;
  };
  const wait = (id: string, variables: object = {}): Promise<HttpResult> =>
    client.post(model, { id, waitMs: long, ...variables });
  const areWaiting = (count: number, where = gateway): Promise<void> =>
    until(async () => (await waitsOf(where)) === count);

  it('answers at the next change', async () => {
    const { id, cursor } = await queued();
    const waiting = [wait(id), wait(id, { after: cursor })];
    await areWaiting(2);
    await client.rename(id, 'second');
    for (const answer of await Promise.all(waiting)) {
      expect(answer.status).toBe(200);
      expect(modelIn(answer)).toMatchObject({ id, name: 'second' });
      expect(modelIn(answer)!.cursor).not.toBe(cursor);
    }
    expect(await waitsOf(gateway)).toBe(0);
  });

  it('answers at a change by another process', async () => {
    const { id, cursor } = await queued();
    const waiting = wait(id, { after: cursor });
    await areWaiting(1);
    await (await Client.of(other, 'alice')).rename(id, 'elsewhere');
    expect(modelIn(await waiting)).toMatchObject({ name: 'elsewhere' });
  });

  it('answers at once if the job has changed since the cursor', async () => {
    const { id, cursor } = await queued();
    await client.rename(id, 'second');
    expect(modelIn(await wait(id, { after: cursor }))).toMatchObject({ name: 'second' });
  });

  it('answers at once if the events since the cursor have been pruned', async () => {
    const { id, cursor } = await queued();
    await client.rename(id, 'second');
    await gateway.rows(`DELETE FROM events WHERE stream_id = $1`, [uuid(id)]);
    expect(modelIn(await wait(id, { after: cursor }))).toMatchObject({ name: 'second' });
  });

  it('answers at the end of the job, and at once afterwards', async () => {
    const { id } = await queued();
    const waiting = wait(id);
    await areWaiting(1);
    await client.change('cancelModel', id);
    expect(modelIn(await waiting)).toMatchObject({ status: 'CANCELLED' });
    expect(modelIn(await wait(id))).toMatchObject({ status: 'CANCELLED' });
  });

  it('is null when the job is deleted, and at once afterwards', async () => {
    const { id, cursor } = await queued();
    const waiting = wait(id);
    await areWaiting(1);
    await client.delete('deleteModel', id);
    for (const answer of [await waiting, await wait(id), await wait(id, { after: cursor })])
      expect([answer.data, answer.errors]).toEqual([{ model: null }, undefined]);
  });

  it('of a generation answers at its own changes only, and when its model is deleted', async () => {
    const { id: modelId } = await queued();
    await gateway.rows(
      `UPDATE models SET status = 'READY', provider_ref = 'x', due_at = NULL, ready_at = now() WHERE id = $1`,
      [uuid(modelId)],
    );
    const [one, sibling] = [await client.generate(modelId), await client.generate(modelId)];
    const post = (id: string): Promise<HttpResult> => client.post(generation, { id, waitMs: long });
    const [first, second] = [post(one.id), post(sibling.id)];
    await areWaiting(2);
    await client.change('cancelGeneration', one.id);
    expect((await first).data).toMatchObject({ generation: { status: 'CANCELLED' } });
    expect(await waitsOf(gateway)).toBe(1);
    await client.delete('deleteModel', modelId);
    expect((await second).data).toEqual({ generation: null });
  });

  it.each(transports)('answers when the time is over, over %s', async (transport) => {
    const { id, cursor } = await queued();
    const variables = { id, waitMs: 60, after: cursor };
    const startedMs = performance.now();
    const answer = await client.execute(transport, { query: model, variables });
    expect(performance.now() - startedMs).toBeGreaterThan(55);
    expect(answer).toEqual({ data: { model: { id, name: 'first', status: 'QUEUED', cursor } } });
  });

  it.each(['WebSocket', 'SSE'] as const)('answers at the next change, over %s', async (transport) => {
    const { id } = await queued();
    const waiting = client.execute(transport, { query: model, variables: { id, waitMs: long } });
    await areWaiting(1);
    await client.rename(id, 'second');
    expect(modelIn(await waiting)).toMatchObject({ name: 'second' });
  });

  it('works with GET, and is not cacheable', async () => {
    const { id } = await queued();
    const query = encodeURIComponent(`{ model(id: "${id}", waitMs: 30) { status } }`);
    const response = await fetch(`${gateway.url}/graphql?query=${query}`, {
      headers: { accept: 'application/json', authorization: `Bearer ${client.token!}` },
    });
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toEqual({ data: { model: { status: 'QUEUED' } } });
  });

  it('returns the state after the wait in all of its fields', async () => {
    const { id } = await queued();
    const query = `query ($id: ID!) { before: node(id: $id) { ... on AvatarModel { name } } model(id: $id, waitMs: 30000) { name } }`;
    const waiting = client.post(query, { id });
    await areWaiting(1);
    await client.rename(id, 'second');
    expect((await waiting).data).toEqual({ before: { name: 'second' }, model: { name: 'second' } });
  });

  it.each([
    ['waitMs below 0', { waitMs: -1 }, 'INVALID_INPUT', 'waitMs', '-1 were given'],
    ['waitMs above 30,000', { waitMs: 30_001 }, 'INVALID_INPUT', 'waitMs', '30001 were given'],
    ['a text that is no cursor', { after: 'nonsense' }, 'INVALID_CURSOR', 'after', 'a cursor of this job'],
    ['a cursor of another job', { after: 'other' }, 'INVALID_CURSOR', 'after', 'a cursor of this job'],
    ['a cursor beyond the end', { after: 'beyond' }, 'INVALID_CURSOR', 'after', 'is ahead of this job'],
  ])('is refused with %s, and its other fields are not', async (_what, given, code, field, message) => {
    const { id, cursor } = await queued();
    const cursors: Record<string, string> = {
      other: (await queued()).cursor,
      beyond: Buffer.concat([Buffer.from(cursor, 'base64url').subarray(0, 23), Buffer.of(99)]).toString(
        'base64url',
      ),
    };
    const after = 'after' in given ? (cursors[given.after] ?? given.after) : null;
    const query = model.replace('model(', 'viewer { owner } model(');
    const operation = { query, variables: { id, waitMs: long, ...given, after } };
    const [first, ...others] = await Promise.all(
      transports.map((transport) => client.execute(transport, operation)),
    );
    expect(first!.data).toEqual({ viewer: { owner: 'alice' }, model: null });
    expect(first!.errors).toMatchObject([{ path: ['model'], extensions: { code, field } }]);
    expect(first!.errors![0]!.message).toContain(message);
    for (const answer of others) expect(answer).toEqual(first);
    expect(await waitsOf(gateway)).toBe(0);
  });

  it.each(['model_00000000000000000000000000000000', 'nonsense', 'of another owner', 'of another type'])(
    'is null at once for an id that does not exist: %s',
    async (given) => {
      const bob = await Client.of(gateway);
      const id = { 'of another owner': (await queued()).id, 'of another type': photos[0]! }[given] ?? given;
      const answerTo = (after: string | null): Promise<Result> =>
        bob.execute('HTTP', { query: model, variables: { id, waitMs: long, after } });
      for (const after of [null, (await queued()).cursor])
        expect(await answerTo(after)).toEqual({ data: { model: null } });
      expect((await answerTo('x')).errors).toMatchObject([{ extensions: { code: 'INVALID_CURSOR' } }]);
    },
  );

  it.each(['model', 'generation'])(
    'of a %s refuses a cursor that cannot be read, without a wait too',
    async (field) => {
      const { id, cursor } = await queued();
      const data = { viewer: { owner: 'alice' }, found: field === 'model' ? { id } : null };
      const query = `query ($after: String) { viewer { owner } found: ${field}(id: "${id}", after: $after) { id } }`;
      const answerTo = (after: string | null, transport: (typeof transports)[number]): Promise<Result> =>
        client.execute(transport, { query, variables: { after } });
      for (const transport of transports) {
        for (const after of [null, cursor, (await queued()).cursor])
          expect(await answerTo(after, transport)).toEqual({ data });
        for (const after of ['', 'nonsense', `${cursor}=`, cursor.slice(1)]) {
          const refused = await answerTo(after, transport);
          expect(refused.data).toEqual({ ...data, found: null });
          expect(refused.errors).toMatchObject([{ path: ['found'], extensions: { code: 'INVALID_CURSOR' } }]);
        }
      }
    },
  );

  it('is planned, and has the same text as without planned reads', async () => {
    const { id, cursor } = await queued();
    const text = async ({ url }: TestGateway, variables: object): Promise<string> => {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${client.token!}` },
        body: JSON.stringify({ query: model, variables: { id, ...variables } }),
      });
      return `${response.status} ${await response.text()}`;
    };
    const count = async (outcome: string): Promise<number> => {
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
      return Number(metrics.split(`likeness_reads_total{outcome="${outcome}"} `)[1]?.split('\n')[0] ?? 0);
    };
    const [before, failedBefore] = [await count('planned'), await count('wait')];
    for (const variables of [{ waitMs: 20 }, { waitMs: 20, after: cursor }])
      expect(await text(gateway, variables)).toBe(await text(other, variables));
    for (const variables of [{ waitMs: -1 }, { waitMs: 20, after: 'nonsense' }, { after: 'nonsense' }])
      expect(await text(gateway, variables)).toBe(await text(other, variables));
    // Those are left to the resolvers, which make the error.
    expect(await count('planned')).toBe(before + 2);
    expect(await count('wait')).toBe(failedBefore + 3);
  });

  it.each(transports)('ends when the client leaves, over %s', async (transport) => {
    const { id } = await queued();
    const leave = await begin(transport, { query: model, variables: { id, waitMs: long } });
    await areWaiting(1);
    expect(await waitsOf(gateway)).toBe(1);
    leave();
    await areWaiting(0);
  });

  it('ends when the client completes the operation of a socket, which gets no answer', async () => {
    const { id } = await queued();
    const socket = await client.connect();
    socket.subscribe('1', model, { id, waitMs: long });
    await areWaiting(1);
    socket.send({ type: 'complete', id: '1' });
    await areWaiting(0);
    socket.subscribe('2', '{ viewer { owner } }');
    await socket.ended('2');
    expect(socket.of('1')).toEqual([]);
    socket.socket.terminate();
  });

  /** Sends an operation, and returns what closes its connection. */
  async function begin(transport: (typeof transports)[number], operation: object): Promise<() => void> {
    if (transport === 'WebSocket') {
      const socket = await client.connect();
      socket.send({ type: 'subscribe', id: '1', payload: operation });
      return () => socket.socket.terminate();
    }
    const leaving = new AbortController();
    const url = `${gateway.url}/graphql${transport === 'SSE' ? '/stream' : ''}`;
    void fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${client.token!}` },
      body: JSON.stringify(operation),
      signal: leaving.signal,
    })
      .then((response) => response.text())
      .catch(() => undefined);
    return () => leaving.abort();
  }

  it('is answered with the present state when the process stops', async () => {
    const { id } = await queued();
    const stopping = await gateway.startAnother({});
    const waiting = (await Client.of(stopping, 'alice')).post(model, { id, waitMs: long });
    await areWaiting(1, stopping);
    await stopping.end();
    expect(modelIn(await waiting)).toMatchObject({ id, status: 'QUEUED' });
  });

  it('answers within seconds at a change of which the process was not notified', async () => {
    const answer = await unnotified;
    expect(modelIn(answer)).toMatchObject({ status: 'QUEUED' });
    expect(answer.ms).toBeLessThan(long);
  });
});

describe('a client without sockets', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await TestGateway.start();
  });
  afterAll(() => gateway.stop());

  it('follows a training to its end without missing a state, and without an answer twice', async () => {
    const { client } = gateway;
    const { id } = await client.train({ photoIds: await client.upload() });
    const answers: Answer[] = [];
    for (let after: string | null = null; answers.at(-1)?.status !== 'READY'; after = answers.at(-1)!.cursor)
      answers.push(
        modelIn(await client.post(model, { id, waitMs: answers.length === 0 ? 0 : long, after }))!,
      );
    const cursors = answers.map(({ cursor }) => cursor);
    expect(new Set(cursors).size).toBe(cursors.length);
    const statuses = ['QUEUED', 'SUBMITTING', 'TRAINING', 'READY'];
    const places = answers.map(({ status }) => statuses.indexOf(status));
    expect(places).toEqual([...places].sort());
  });
});
