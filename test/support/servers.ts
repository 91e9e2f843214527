import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { freePort } from '../../src/core/free-port';

const connections = new WeakMap<Server, Set<Socket>>();

/** Starts a server on this machine, by default on a free port, and returns the port. */
export async function listening(server: Server, port = 0): Promise<number> {
  const open = new Set<Socket>();
  connections.set(server, open);
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** The open connections of a server that was started with {@link listening}. */
export function connectionsOf(server: Server): ReadonlySet<Socket> {
  return connections.get(server) ?? new Set();
}

/** Stops a server and its connections. */
export async function stopped(server: Server): Promise<void> {
  for (const socket of connectionsOf(server)) socket.destroy();
  await new Promise((closed) => server.close(closed));
}

/** A TCP proxy that a test can close, open again, or block. */
export class TcpProxy {
  private server: Server | null = null;
  /** Both ends of each connection. */
  private readonly ends = new Set<Socket>();
  private port = 0;

  /**
   * @param target - of connections from now on
   * @param tap - creates, for each connection, a function that receives what the client sends
   */
  constructor(
    public target: URL,
    private readonly tap?: () => (chunk: Buffer) => void,
  ) {}

  /** The target URL through the proxy. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String(this.port);
    return url.href;
  }

  /** Accepts connections; after {@link close} on the same port. */
  async open(): Promise<void> {
    this.server = createServer((client) => {
      const upstream = connect(Number(this.target.port || 5432), this.target.hostname);
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        from.setNoDelay(true).pipe(to);
        this.ends.add(from);
        from.on('error', () => undefined);
        from.on('close', () => {
          this.ends.delete(from);
          to.destroy();
        });
      }
      if (this.tap) client.on('data', this.tap());
    });
    this.port = await listening(this.server, this.port || (await freePort()));
  }

  /** Closes every connection and accepts no more. */
  async close(): Promise<void> {
    const { server } = this;
    this.server = null;
    if (server) await stopped(server);
  }

  /** Keeps connections open but transfers no data, like an unplugged cable. */
  silence(): void {
    for (const socket of this.ends) {
      socket.unpipe();
      socket.resume();
    }
  }
}
