import { jwtSecret } from '../support/client';
import { TestGateway } from '../support/gateway';
import { signed } from '../support/issuer';
import { RawConnection, SocketClient, send } from '../support/raw-client';
import { until } from '../support/until';

const init = (token: string): object => ({
  type: 'connection_init',
  payload: { authorization: `Bearer ${token}` },
});
const who = '{ viewer { owner } }';
const maxMs = 2_000;

/** Frames that close a socket, and the close code. Text is sent unchanged; `undefined` is replaced by a valid init. */
const endings: [what: string, frames: (string | Buffer | undefined)[], code: number][] = [
  ['300 kB in a frame', [undefined, 'x'.repeat(300_000)], 1009],
  ['a binary frame', [Buffer.from('{"type":"ping"}')], 4400],
  ['no JSON', ['hello'], 4400],
  ['nothing', [''], 4400],
  ['a list', ['[]'], 4400],
  ['a number', ['1'], 4400],
  ['a message without a type', ['{}'], 4400],
  ['an unknown message', ['{"type":"start"}'], 4400],
  ['a message of servers', [undefined, '{"type":"connection_ack"}'], 4400],
  ['a prototype for a type', ['{"type":"__proto__"}'], 4400],
  [
    'JSON of five thousand levels',
    [`{"type":"ping","payload":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_001)}`],
    4400,
  ],
  ['an operation that is a list', [undefined, '{"type":"subscribe","id":"1","payload":[]}'], 4400],
  ['an operation without an id', [undefined, `{"type":"subscribe","payload":{"query":"${who}"}}`], 4400],
  [
    'an id of 10 kB',
    [undefined, JSON.stringify({ type: 'subscribe', id: 'x'.repeat(10_000), payload: { query: who } })],
    4400,
  ],
  ['an operation before its time', [`{"type":"subscribe","id":"1","payload":{"query":"${who}"}}`], 4401],
  ['two greetings', [undefined, '{"type":"connection_init"}'], 4429],
  ['no proof', ['{"type":"connection_init"}'], 4403],
  ['a false proof', ['{"type":"connection_init","payload":{"authorization":"Bearer a.b.c"}}'], 4403],
  ['a list for a proof', ['{"type":"connection_init","payload":[1]}'], 4400],
];

describe('an abused WebSocket', () => {
  let gateway: TestGateway;
  let token: string;
  beforeAll(async () => {
    gateway = await TestGateway.start({ AUTH: 'jwt', JWT_SECRET: jwtSecret, ROLE: 'api' });
    token = await signed(jwtSecret, { subject: 'alice', endsInSeconds: 3_000 });
  });
  afterAll(() => gateway.stop());
  afterEach(async () => {
    expect((await send(`${gateway.url}/healthz`)).status).toBe(200);
    const client = await greeted();
    client.subscribe('1', who);
    expect(await client.ended('1')).toMatchObject([
      { payload: { data: { viewer: { owner: 'alice' } } } },
      {},
    ]);
    client.socket.terminate();
  });
  const greeted = (): Promise<SocketClient> =>
    SocketClient.greeted(gateway.url, { authorization: `Bearer ${token}` });
  const port = (): number => Number(new URL(gateway.url).port);

  it.each(endings)('is closed with the matching code: %s', async (_what, frames, code) => {
    const startedMs = performance.now();
    const client = await SocketClient.open(gateway.url);
    for (const frame of frames) client.send(frame ?? init(token));
    expect((await client.end()).code).toBe(code);
    expect(performance.now() - startedMs).toBeLessThan(maxMs);
  });

  it('is closed if an id is used twice at once', async () => {
    const client = await greeted();
    const urls = [1, 2, 3, 4, 5].map((number) => `"https://example.com/${number}.jpg"`).join();
    client.subscribe(
      '0',
      `mutation { trainModel(input: { type: CAT, photoUrls: [${urls}] }) { model { id } } }`,
    );
    const [made] = await client.ended('0');
    const { id } = (made!.payload as { data: { trainModel: { model: { id: string } } } }).data.trainModel
      .model;
    // Without background work the model stays queued, and the subscription stays open.
    const query = `subscription { trainingProgress(modelId: "${id}") { cursor } }`;
    for (let index = 0; index < 2; index += 1) client.subscribe('1', query);
    expect((await client.end()).code).toBe(4409);
  });

  it('is closed for an unknown subprotocol', async () => {
    const client = await SocketClient.open(gateway.url, []);
    expect((await client.end()).code).toBe(4406);
  });

  it('is closed if it sends nothing', async () => {
    const client = await SocketClient.open(gateway.url);
    expect((await client.end()).code).toBe(4408);
  });

  it('accepts a fragmented message up to the maximum size', async () => {
    const client = await greeted();
    client.socket.send('{"type":"pi', { fin: false });
    client.socket.send('ng"}', { fin: true });
    await until(() => client.messages.some(({ type }) => type === 'pong'));
    for (let index = 0; index < 300; index += 1) client.socket.send('x'.repeat(1_000), { fin: false });
    expect((await client.end()).code).toBe(1009);
  });

  it('answers a thousand operations, and rejects more than a hundred at once', async () => {
    const client = await greeted();
    const startedMs = performance.now();
    for (let index = 0; index < 1_000; index += 1) client.subscribe(String(index), who);
    await until(
      () => client.messages.filter(({ type }) => type === 'complete' || type === 'error').length >= 1_000,
    );
    const codes = client.messages
      .filter(({ type }) => type === 'error')
      .flatMap(({ payload }) =>
        (payload as { extensions: { code: string } }[]).map(({ extensions }) => extensions.code),
      );
    expect([...new Set(codes)].filter((code) => code !== 'RATE_LIMITED')).toEqual([]);
    process.stdout.write(
      `1,000 operations on a socket: ${(performance.now() - startedMs).toFixed(0)} ms, ${codes.length} refused\n`,
    );
    client.socket.terminate();
  });

  it('stays open after five thousand pings', async () => {
    const client = await greeted();
    for (let index = 0; index < 5_000; index += 1) client.send('{"type":"ping"}');
    await until(() => client.messages.filter(({ type }) => type === 'pong').length === 5_000);
    client.socket.terminate();
  });

  it.each([
    ['a frame without a mask', '8105hello', 1002],
    ['an unknown opcode', '838548656c6c48656c6c6f', 1002],
    ['a ping of 200 bytes', '89fe00c8', 1002],
    ['text that is not UTF-8', '818148656c6cb7', 1007],
  ])('is closed at the protocol level: %s', async (_what, hex, code) => {
    const connection = await RawConnection.open(port());
    const bytes: Buffer[] = [];
    connection.socket.on('data', (chunk: Buffer) => bytes.push(chunk));
    connection.socket.write(
      'GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    await until(() => connection.text.includes('\r\n\r\n'));
    const frame = hex.endsWith('hello')
      ? Buffer.concat([Buffer.from('8105', 'hex'), Buffer.from('hello')])
      : Buffer.from(hex, 'hex');
    connection.socket.write(frame);
    await until(() => connection.isClosed || Buffer.concat(bytes).subarray(-4)[0] === 0x88);
    const all = Buffer.concat(bytes);
    const close = all.indexOf(Buffer.from([0x88]), all.indexOf('\r\n\r\n'));
    expect(all.readUInt16BE(close + 2)).toBe(code);
    connection.socket.destroy();
  });

  it('does not block other clients when a hundred of them are silent', async () => {
    const silent = await Promise.all(Array.from({ length: 100 }, () => SocketClient.open(gateway.url)));
    const client = await greeted();
    expect(client.closed).toBeNull();
    client.socket.terminate();
    for (const { socket } of silent) socket.terminate();
    await until(() => silent.every(({ closed }) => closed !== null));
  });
});
