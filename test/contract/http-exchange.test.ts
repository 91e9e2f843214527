import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import type { ExchangeAnswer } from '../../src/upstream/exchange-answer';
import { HttpExchange } from '../../src/upstream/http-exchange';
import { until } from '../support/until';

/** Blocks the event loop, like a suspension of the process. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('a paid request', () => {
  afterEach(() => jest.restoreAllMocks());

  it.each([
    ['its time limit', 200, 400, 0],
    ['longer than connecting may take, within its time limit', 60_000, 20_000, 0],
    ['its time limit and had its clock set back,', 200, 400, 600_000],
  ])(
    'is not written by a process that was suspended for %s while it connected',
    async (_, timeoutMs, ms, backMs) => {
      let received = '';
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.on('data', (chunk) => (received += chunk.toString()));
        socket.write('x');
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const exchange = new HttpExchange(1);
      const other = connect(port, '127.0.0.1');
      const blocked = new Promise<void>((resolve) => {
        other.once('data', () => {
          // Both sockets are ready by now, so the connection is handed over before any timer runs.
          block(Math.min(ms, 400));
          const { now } = Date;
          jest.spyOn(Date, 'now').mockImplementation(() => now() + Math.max(0, ms - 400) - backMs);
          resolve();
        });
      });
      await once(other, 'connect');
      const answer = exchange
        .postOnce({
          url: new URL(`http://127.0.0.1:${port}/`),
          headers: {},
          body: '{}',
          timeoutMs,
          maxBytes: 1_000,
          signal: new AbortController().signal,
        })
        .catch((error: unknown) => error);
      await blocked;
      const outcome = await answer;
      other.destroy();
      await exchange.stop();
      await new Promise((closed) => server.close(closed));
      expect(outcome).toMatchObject({ sent: false });
      expect(received).toBe('');
    },
  );

  it('a paid request uses a response that arrived while the process was suspended beyond the time limit', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npaid');
        // The answer is in the kernel by now, and both timers are due before it is read.
        block(800);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const exchange = new HttpExchange(1);
    const answer = await exchange
      .postOnce({
        url: new URL(`http://127.0.0.1:${port}/`),
        headers: {},
        body: '{}',
        timeoutMs: 400,
        maxBytes: 1_000,
        signal: AbortSignal.timeout(400),
      })
      .catch((error: unknown) => error);
    await exchange.stop();
    await new Promise((closed) => server.close(closed));
    expect(answer).toMatchObject({ status: 200, cut: null, body: Buffer.from('paid') });
  });
});

describe('a request on a pooled connection', () => {
  let exchange: HttpExchange;
  let port: number;
  let paths: string[];
  let closed: number;
  let stop: () => Promise<unknown>;

  /** The bytes of the answer to a path; without any, the server is silent. */
  const answers: Record<string, string> = {
    '/late': 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
    '/hint': 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n',
    '/large': `HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n${'x'.repeat(2_000)}`,
  };

  beforeEach(async () => {
    [paths, closed] = [[], 0];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('close', () => (closed += 1));
      socket.on('data', (chunk) => {
        const path = chunk.toString().split(' ')[1]!;
        paths.push(path);
        socket.write(answers[path] ?? '');
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
    exchange = new HttpExchange(1);
    stop = async () => {
      await exchange.stop();
      await new Promise((end) => server.close(end));
    };
  });

  afterEach(() => stop());

  const get = (path: string, timeoutMs = 60_000, maxBytes = 1_000): Promise<ExchangeAnswer> =>
    exchange.get({
      url: new URL(`http://127.0.0.1:${port}${path}`),
      headers: {},
      timeoutMs,
      maxBytes,
      signal: new AbortController().signal,
    });

  it('returns the final answer after an informational one', async () => {
    expect(await get('/late')).toMatchObject({ status: 200, cut: null, headers: { 'content-length': '2' } });
  });

  it('is not answered by an informational answer alone', async () => {
    await expect(get('/hint', 50)).rejects.toMatchObject({ reason: 'timeout' });
  });

  it('ends with the first bytes beyond the limit, and closes the connection', async () => {
    const { cut, body } = await get('/large');
    expect(cut).toBe('too-large');
    expect(body.length).toBeLessThanOrEqual(1_000);
    await until(() => closed > 0);
  });

  it('closes the connection at its time limit, so that the next request gets another', async () => {
    await expect(get('/silent', 50)).rejects.toMatchObject({ reason: 'timeout' });
    expect(await get('/late', 5_000)).toMatchObject({ status: 200 });
  });

  it('is not sent if its time ends while it waits for a connection', async () => {
    const first = get('/silent', 200).catch((error: unknown) => error);
    await expect(get('/second', 50)).rejects.toMatchObject({ reason: 'timeout' });
    await first;
    expect(await get('/late', 5_000)).toMatchObject({ status: 200 });
    expect(paths).toEqual(['/silent', '/late']);
  });
});
