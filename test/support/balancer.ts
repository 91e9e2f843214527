import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const checkMs = 50;
const checkTimeoutMs = 2_000;
/** On a busy machine a check or two may have no answer in time. */
const maxUnanswered = 3;

/**
 * A load balancer of TCP connections: round-robin between the servers whose `/readyz` answers 200. A server leaves when it
 * refuses connections, answers with another status, or lets three checks in turn wait for too long. A connection that a
 * server refuses is made to the next one.
 */
export class Balancer {
  /** The connections for which there was no server. */
  failed = 0;
  private readonly ready = new Set<string>();
  private readonly sockets = new Set<Socket>();
  private readonly checks: Promise<void>[];
  private readonly stopping = new AbortController();
  private turn = 0;

  private constructor(
    private readonly server: Server,
    private readonly ports: readonly string[],
  ) {
    server.on('connection', (client) => {
      client.on('error', () => undefined);
      this.forward(client);
    });
    this.checks = ports.map((port) => this.check(port));
  }

  static async start(ports: readonly string[]): Promise<Balancer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Balancer(server, ports);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  isReady(port: string): boolean {
    return this.ready.has(port);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await Promise.all(this.checks);
  }

  private async check(port: string): Promise<void> {
    const { signal } = this.stopping;
    let unanswered = 0;
    while (!signal.aborted) {
      const isReady = await answersReady(port);
      unanswered = isReady === null ? unanswered + 1 : 0;
      if (isReady === true) this.ready.add(port);
      else if (isReady === false || unanswered >= maxUnanswered) this.ready.delete(port);
      await pause(checkMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private forward(client: Socket): void {
    const candidates = this.ports.filter((port) => this.ready.has(port));
    const port = candidates[this.turn++ % candidates.length];
    if (port === undefined) {
      this.failed += 1;
      client.destroy();
      return;
    }
    const server = connect(Number(port), '127.0.0.1');
    const onRefused = (): void => {
      this.ready.delete(port);
      this.forward(client);
    };
    server.once('error', onRefused);
    server.once('connect', () => {
      server.off('error', onRefused);
      this.join(client, server);
      this.join(server, client);
    });
  }

  private join(socket: Socket, other: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.sockets.delete(socket);
      other.destroy();
    });
    socket.pipe(other);
  }
}

/** Whether a server reports that it is ready; null without an answer in time. */
async function answersReady(port: string): Promise<boolean | null> {
  const limit = AbortSignal.timeout(checkTimeoutMs);
  try {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: limit });
    await response.text();
    return response.ok;
  } catch {
    return limit.aborted ? null : false;
  }
}
