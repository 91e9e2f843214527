import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { HttpExchange } from '../../src/upstream/http-exchange';

/** Blocks the event loop, like a suspension of the process. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('a paid request', () => {
  afterEach(() => jest.restoreAllMocks());

  it.each([
    ['its time limit', 200, 400],
    ['longer than connecting may take, within its time limit', 60_000, 20_000],
  ])('is not written by a process that was suspended for %s while it connected', async (_, timeoutMs, ms) => {
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
        jest.spyOn(Date, 'now').mockImplementation(() => now() + Math.max(0, ms - 400));
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
  });

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
