import type { Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import type { SocketClient } from '../support/raw-client';
import { until } from '../support/until';

let gateway: TestGateway;
let settled: Awaited<ReturnType<Client['settle']>>;

beforeAll(async () => {
  gateway = await TestGateway.start({}, { watchesStatements: true });
  settled = await gateway.client.settle();
  // Without workers, every change is one of the test.
  await gateway.restart({ ROLE: 'api' });
});

afterAll(() => gateway.stop());

const subscriberCount = 60;
const training =
  'subscription ($id: ID!) { it: trainingProgress(modelId: $id) { status isSnapshot cursor } }';

/** Opens sockets. */
const connect = (): Promise<SocketClient[]> =>
  Promise.all(Array.from({ length: subscriberCount }, () => gateway.client.connect()));

/** Subscribes each socket and waits for its first event. */
const subscribe = async (
  sockets: readonly SocketClient[],
  query: string,
  variables: object,
): Promise<void> => {
  for (const socket of sockets) socket.subscribe('1', query, variables);
  await until(() => sockets.every((socket) => socket.of('1').length > 0));
};

/** The cursors that a socket has received. */
const cursorsOf = (socket: SocketClient): string[] =>
  socket.of('1').map(({ payload }) => (payload as { data: { it: { cursor: string } } }).data.it.cursor);

describe('subscriptions that are opened at the same time', () => {
  it.each([
    { field: 'trainingProgress', query: training },
    {
      field: 'generationProgress',
      query: 'subscription ($id: ID!) { generationProgress(generationId: $id) { status } }',
    },
    {
      field: 'avatarCompleted',
      query: 'subscription ($id: ID!) { avatarCompleted(select: { generationId: $id }) { cursor } }',
    },
  ])('read their snapshots together: $field', async ({ field, query }) => {
    const { modelId, generationId } = settled;
    const sockets = await connect();
    const id = field === 'trainingProgress' ? modelId : generationId;
    const statements = await gateway.watch.during(() => subscribe(sockets, query, { id }));
    expect(statements.length).toBeLessThan(subscriberCount / 2);
    expect(sockets.every((socket) => socket.of('1')[0]!.type === 'next')).toBe(true);
    for (const { socket } of sockets) socket.terminate();
  });
});

describe('an event', () => {
  const rename = 'mutation ($id: ID!) { renameModel(input: { id: $id, name: "renamed" }) { model { id } } }';
  const fields = 'isSnapshot cursor';

  /** The statements that read models for an event of a rename, and what the subscriber receives. */
  const renamed = async (query: string): Promise<{ reads: string[]; payload: unknown }> => {
    const { id } = await gateway.client.train({ photoIds: settled.photoIds });
    const socket = await gateway.client.connect();
    socket.subscribe('1', query, { id });
    await until(() => socket.of('1').length === 1);
    const statements = await gateway.watch.during(async () => {
      await gateway.client.request(rename, { id });
      await until(() => socket.of('1').length === 2);
    });
    socket.socket.terminate();
    return {
      reads: statements.filter((text) => /unnest\(\$1::uuid\[\], \$2::text\[\]\).*JOIN models/s.test(text)),
      payload: socket.of('1')[1]!.payload,
    };
  };

  it('is sent without reading the model of a subscriber that does not select it', async () => {
    const { reads, payload } = await renamed(
      `subscription ($id: ID!) { trainingProgress(modelId: $id) { ${fields} } }`,
    );
    expect(reads).toEqual([]);
    expect(payload).toMatchObject({ data: { trainingProgress: { isSnapshot: false } } });
  });

  it.each([
    ['directly', `{ ${fields} it: model { name } }`, ''],
    [
      'in an inline fragment',
      `{ ${fields} ... @include(if: true) { ... on TrainingProgress { it: model { name } } } }`,
      '',
    ],
    [
      'in a fragment',
      `{ ${fields} ...F }`,
      'fragment F on TrainingProgress { ...G } fragment G on TrainingProgress { it: model { name } }',
    ],
  ])('contains the model of a subscriber that selects it %s', async (_how, selection, fragments) => {
    const { reads, payload } = await renamed(
      `subscription ($id: ID!) { trainingProgress(modelId: $id) ${selection} } ${fragments}`,
    );
    expect(reads).toHaveLength(1);
    expect(payload).toMatchObject({ data: { trainingProgress: { it: { name: 'renamed' } } } });
  });
});

describe('subscribers of the same model', () => {
  it('receive each later event once, with their own selection, wherever they start', async () => {
    const { client } = gateway;
    const { id } = await client.train({ photoIds: settled.photoIds });
    const query = `subscription ($id: ID!, $after: String, $isLong: Boolean!) {
      it: trainingProgress(modelId: $id, after: $after) { cursor status @include(if: $isLong) }
    }`;
    const early = await connect();
    const [first, ...others] = early as [SocketClient, ...SocketClient[]];
    await subscribe([first], query, { id, isLong: false });
    const after = cursorsOf(first)[0]!;
    const rename = (name: string): Promise<unknown> =>
      client.request(
        'mutation ($id: ID!, $name: String!) { renameModel(input: { id: $id, name: $name }) { model { id } } }',
        { id, name },
      );
    await rename('one');
    others.forEach((socket, index) =>
      socket.subscribe('1', query, { id, isLong: index % 2 === 0, after: index % 3 === 0 ? null : after }),
    );
    await until(() => others.every((socket) => socket.of('1').length === 1));
    for (const name of ['two', 'three']) await rename(name);
    await until(() => first.of('1').length === 4 && others.every((socket) => socket.of('1').length === 3));
    const cursors = cursorsOf(first);
    expect(new Set(cursors).size).toBe(4);
    for (const socket of others) expect(cursorsOf(socket)).toEqual(cursors.slice(1));
    others.forEach((socket, index) => {
      const [message] = socket.of('1').slice(-1);
      const { it } = (message!.payload as { data: { it: object } }).data;
      expect('status' in it).toBe(index % 2 === 0);
    });
    for (const { socket } of early) socket.terminate();
  });
});
