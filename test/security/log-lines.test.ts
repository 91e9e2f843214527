import { createHash } from 'node:crypto';
import { WebSocket } from 'ws';
import { type Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';

type Line = Record<string, unknown>;

const hashOf = (owner: string): string => createHash('sha256').update(owner).digest('hex').slice(0, 12);

describe('the log', () => {
  let gateway: TestGateway;
  let client: Client;
  beforeAll(async () => {
    gateway = await TestGateway.start({ LOG_LEVEL: 'info' });
    client = gateway.client;
  });
  afterAll(() => gateway.stop());
  const linesOf = (msg: string, from = 0): Line[] =>
    gateway.log.slice(from).filter((line) => line.msg === msg);

  it('has one line for each state of a job, with its id as users quote it', async () => {
    const modelId = await client.trained(await client.upload(5));
    const { id } = await client.generate(modelId, [{ prompt: 'a hat' }]);
    await client.generationEnd(id);
    const statesOf = (job: string): unknown[] =>
      linesOf('job state changed').flatMap((line) => (line.id === job ? [line.status] : []));
    await until(() => statesOf(id).includes('COMPLETED'));
    expect(statesOf(modelId)).toEqual(['QUEUED', 'SUBMITTING', 'TRAINING', 'READY']);
    expect(statesOf(id)).toEqual(['QUEUED', 'SUBMITTING', 'GENERATING', 'STORING', 'COMPLETED']);
    const [first] = linesOf('job state changed');
    expect(first).toMatchObject({ level: 'info', id: modelId, owner: hashOf('local'), attempt: 0 });
  });

  it('names the operation, the hash of the owner and the codes in the line of a request', async () => {
    const from = gateway.log.length;
    await client.execute('HTTP', {
      query: 'mutation Stop { cancelModel(input: { id: "x" }) { model { id } } }',
    });
    await client.execute('SSE', { query: '{ viewer { owner } }' });
    await until(() => linesOf('request', from).length >= 2);
    expect(linesOf('request', from)).toMatchObject([
      { path: '/graphql', operations: ['Stop'], owner: hashOf('local'), codes: ['NOT_FOUND'] },
      { path: '/graphql/stream', operations: ['viewer'], owner: hashOf('local') },
    ]);
  });

  it('joins the operations of a WebSocket to it', async () => {
    const from = gateway.log.length;
    await client.execute('WebSocket', { query: 'query Who { viewer { owner } }' });
    client.close();
    await until(() => linesOf('socket', from).length === 1);
    const [socket] = linesOf('socket', from);
    expect(linesOf('operation', from)).toMatchObject([
      { operations: ['Who'], type: 'query', owner: hashOf('local'), socketId: socket!.requestId },
    ]);
  });

  it('has lines of failed requests and operations only with LOG_ANSWER_SAMPLE=0', async () => {
    const sampled = await TestGateway.start({ LOG_LEVEL: 'info', LOG_ANSWER_SAMPLE: '0' });
    try {
      for (const transport of ['HTTP', 'SSE', 'WebSocket'] as const) {
        await sampled.client.execute(transport, { query: 'query Good { viewer { owner } }' });
        await sampled.client.execute(transport, {
          query: 'mutation Bad { cancelModel(input: { id: "x" }) { model { id } } }',
        });
      }
      await fetch(`${sampled.url}/unknown`);
      sampled.client.close();
      const answers = (): Line[] =>
        sampled.log.filter(({ msg }) => ['request', 'operation'].includes(msg as string));
      await until(() => answers().length >= 4);
      expect(answers()).toMatchObject([
        ...[1, 2, 3].map(() => ({ operations: ['Bad'] })),
        { path: '/unknown', status: 404 },
      ]);
    } finally {
      await sampled.stop();
    }
  });

  it('has a line a minute for a refused origin, and a bounded number of lines for many', async () => {
    const from = gateway.log.length;
    const ask = (origin: string): Promise<unknown> =>
      fetch(`${gateway.url}/graphql?query={viewer{owner}}`, { headers: { origin } });
    for (let request = 0; request < 3; request += 1) await ask('https://one.example');
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
      origin: 'https://two.example',
    });
    await new Promise((resolve) => socket.on('error', resolve));
    for (let request = 0; request < 50; request += 1) await ask(`https://${request}.many.example`);
    const lines = gateway.log.slice(from).filter(({ origin }) => origin !== undefined);
    expect(lines.slice(0, 2)).toMatchObject([
      { level: 'warn', origin: 'https://one.example' },
      { level: 'warn', origin: 'https://two.example' },
    ]);
    expect(lines).toHaveLength(10);
  });
});
