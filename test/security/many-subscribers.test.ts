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

describe('subscriptions that are opened at the same time', () => {
  it.each([
    { field: 'trainingProgress', query: training },
    {
      field: 'generationProgress',
      query: 'subscription ($id: ID!) { generationProgress(generationId: $id) { status } }',
    },
    {
      field: 'avatarCompleted',
      query: 'subscription ($id: ID!) { avatarCompleted(generationId: $id) { cursor } }',
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
