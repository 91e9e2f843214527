import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { SocketClient, send } from '../support/raw-client';
import { byWord, startTinyGateway, type TinyGateway, type TinyOptions } from '../support/tiny-gateway';
import { until } from '../support/until';

/** The connection limit of the gateways in these tests. */
const max = 40;

/** A client that sends this and never closes its side. */
interface HalfOpen {
  socket: Socket;
  text: string;
}

describe('connections', () => {
  let gateway: TinyGateway;
  let clients: HalfOpen[] = [];
  const start = async (options: TinyOptions): Promise<void> => {
    gateway = await startTinyGateway(options);
  };
  afterEach(async () => {
    for (const { socket } of clients) socket.destroy();
    clients = [];
    await gateway.stop(200);
  });

  const halfOpen = async (bytes: string): Promise<HalfOpen> => {
    const socket = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true });
    const client: HalfOpen = { socket, text: '' };
    socket.on('data', (chunk) => (client.text += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    clients.push(client);
    await once(socket, 'connect');
    socket.write(bytes);
    return client;
  };
  const open = (count: number, bytes: string): Promise<HalfOpen[]> =>
    Promise.all(Array.from({ length: count }, () => halfOpen(bytes)));
  const statusNow = async (): Promise<number> =>
    send(`${gateway.url}/healthz`).then(
      ({ status }) => status,
      () => 0,
    );
  const isServed = async (): Promise<boolean> => (await statusNow()) === 200;
  const upgrade = (path: string, more = ''): string =>
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`;
  const body = (length: string): string =>
    `POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n{`;

  it.each([
    ['what is not HTTP', 'hello\r\n\r\n', 400],
    ['headers that are too large', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['headers that never end', 'GET / HTTP/1.1\r\nHost: x\r\n', 408],
    ['nothing', '', 408],
    ['a body that is too large', body('300000'), 413],
    ['a WebSocket for another path', upgrade('/nowhere'), 404],
    ['a WebSocket of another origin', upgrade('/graphql', 'Origin: https://evil.example\r\n'), 403],
    ['a WebSocket for another host', upgrade('/graphql').replace('localhost', 'evil.example'), 403],
    ['a WebSocket of another version', upgrade('/graphql').replace('13', '99'), 400],
  ])(
    'of rejected clients that keep their side open are closed: %s',
    async (_what, bytes, status) => {
      await start({ connections: { max } });
      const all = await open(max, bytes);
      await until(() => all.every(({ text }) => text.startsWith(`HTTP/1.1 ${status} `)));
      // All connections are in use until the gateway closes them; the clients never do.
      await until(isServed);
      expect(all.filter(({ socket }) => socket.destroyed || socket.writableEnded)).toEqual([]);
    },
    40_000,
  );

  it('over the limit are answered with 503 and closed, with one log line', async () => {
    await start({ connections: { max } });
    const streams = await open(
      max,
      'GET /graphql/stream?query=subscription{silence} HTTP/1.1\r\nHost: localhost\r\n\r\n',
    );
    await until(() => streams.every(({ text }) => text.includes('text/event-stream')));
    const refused = await open(100, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    // Connections beyond the limit of pending closes are closed without a response.
    await until(() =>
      refused.every(({ socket, text }) => socket.destroyed || text.includes('SERVICE_UNAVAILABLE')),
    );
    expect(refused.filter(({ text }) => text.startsWith('HTTP/1.1 503 ')).length).toBeGreaterThan(0);
    expect(refused.filter(({ text }) => text.includes('200 OK'))).toEqual([]);
    const lines = gateway.log.filter(({ msg }) => String(msg).startsWith('connections are refused'));
    expect(lines).toEqual([
      expect.objectContaining({ msg: 'connections are refused: MAX_CONNECTIONS is reached', open: max }),
    ]);
    expect(streams.filter(({ socket }) => socket.destroyed)).toEqual([]);
    streams[0]!.socket.destroy();
    await until(isServed);
  });

  it('of one address are limited, including WebSockets and streams', async () => {
    await start({ connections: { maxPerAddress: 3, countsLoopback: true } });
    const socket = await SocketClient.greeted(gateway.url);
    const others = await open(
      2,
      'GET /graphql/stream?query=subscription{silence} HTTP/1.1\r\nHost: localhost\r\n\r\n',
    );
    await until(() => others.every(({ text }) => text.includes('text/event-stream')));
    expect(await statusNow()).toBe(429);
    await expect(SocketClient.open(gateway.url)).rejects.toThrow('429');
    socket.socket.close();
    await until(isServed);
    for (const other of others) other.socket.destroy();
  });

  it('of one owner are limited, WebSockets and streams together', async () => {
    await start({ maxSocketsPerOwner: 2, authenticate: byWord });
    const first = await SocketClient.greeted(gateway.url, { token: 'good-1' });
    const stream =
      'GET /graphql/stream?query=subscription{silence} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good-1\r\n\r\n';
    await open(1, stream);
    await until(() => gateway.witness.open === 1);
    const refused = await SocketClient.greeted(gateway.url, { token: 'good-1' });
    expect(await refused.end()).toEqual({
      code: 1013,
      reason: expect.stringContaining('has 2 WebSockets') as string,
    });
    const [other] = await open(1, stream);
    await until(() => other!.text.includes('RATE_LIMITED'));
    const foreign = await SocketClient.greeted(gateway.url, { token: 'good-2' });
    expect(foreign.closed).toBeNull();
    first.socket.close();
    await until(async () => {
      const next = await SocketClient.greeted(gateway.url, { token: 'good-1' });
      next.subscribe('1', '{ owner }');
      await until(() => next.closed !== null || next.of('1').length > 0);
      return next.closed === null;
    });
    expect(gateway.witness.open).toBe(1);
    foreign.socket.close();
  });

  it('of this machine are limited by address only if configured', async () => {
    await start({ connections: { maxPerAddress: 3 } });
    await open(10, 'GET /graphql/stream?query=subscription{silence} HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(await statusNow()).toBe(200);
  });

  it('execute no request of a refused connection', async () => {
    await start({ connections: { max: 1 } });
    const [stream] = await open(
      1,
      'GET /graphql/stream?query=subscription{silence} HTTP/1.1\r\nHost: localhost\r\n\r\n',
    );
    await until(() => stream!.text.includes('text/event-stream'));
    const query = JSON.stringify({ query: 'mutation { trainModel(input: { type: CAT }) }' });
    const head = `POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${query.length}`;
    const [refused] = await open(1, `${head}\r\n\r\n${query}`);
    await until(() => refused!.text.includes('SERVICE_UNAVAILABLE'));
    stream!.socket.destroy();
    await until(isServed);
    expect(gateway.witness.trained).toEqual([]);
  });
});
