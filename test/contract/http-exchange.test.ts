import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { HttpExchange } from '../../src/upstream/http-exchange';

/** Keeps the event loop from turning, as a suspension of the process would. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('a paid request', () => {
  it('is not written by a process that was suspended for its time limit while it connected', async () => {
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
        block(400);
        resolve();
      });
    });
    await once(other, 'connect');
    const answer = exchange
      .postOnce({
        url: new URL(`http://127.0.0.1:${port}/`),
        headers: {},
        body: '{}',
        timeoutMs: 200,
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
});
