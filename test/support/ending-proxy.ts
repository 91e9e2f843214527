import { connect, createServer, type Server, type Socket } from 'node:net';
import { listening, stopped } from './servers';
import { rowsAt } from './test-server';

/** The header of a message: its type and its length without the type. */
const headerBytes = 5;

/**
 * A proxy to a PostgreSQL that ends sessions as soon as they are connected. What the server then sends, that the session is
 * ready and that it is ended, arrives at once, as at a busy process.
 */
export class EndingProxy {
  /** Whether sessions that begin are ended. */
  ends = false;
  /** How many were ended. */
  ended = 0;
  private readonly server: Server;
  private port = 0;

  private constructor(private readonly target: string) {
    this.server = createServer((client) => this.pass(client));
  }

  static async start(target: string): Promise<EndingProxy> {
    const proxy = new EndingProxy(target);
    proxy.port = await listening(proxy.server);
    return proxy;
  }

  /** The target URL through the proxy. */
  get url(): string {
    const url = new URL(this.target);
    url.host = `127.0.0.1:${this.port}`;
    return url.href;
  }

  stop(): Promise<void> {
    return stopped(this.server);
  }

  private pass(client: Socket): void {
    const { hostname, port } = new URL(this.target);
    const database = connect(Number(port), hostname);
    for (const [one, other] of [
      [client, database],
      [database, client],
    ] as const)
      one.on('error', () => undefined).on('close', () => other.destroy());
    client.pipe(database);
    if (this.ends) this.endWhenReady(database, client);
    else database.pipe(client);
  }

  /** Passes what the server sends until the session is ready, and the rest when the session has ended. */
  private endWhenReady(database: Socket, client: Socket): void {
    let begin = Buffer.alloc(0);
    const held: Buffer[] = [];
    database.on('data', (chunk: Buffer) => {
      begin = Buffer.concat([begin, chunk]);
      const isFirst = held.length === 0;
      if (isFirst && !('Z' in messagesOf(begin))) {
        client.write(chunk);
        return;
      }
      held.push(chunk);
      const pid = messagesOf(begin).K?.readInt32BE(headerBytes);
      if (isFirst) void rowsAt(this.target, 'SELECT pg_terminate_backend($1)', [pid]);
    });
    database.on('end', () => {
      if (held.length > 0) this.ended += 1;
      client.end(Buffer.concat(held));
    });
  }
}

/** The last message of each type: `K` has the process id, `Z` says that the session is ready. */
function messagesOf(bytes: Buffer): Record<string, Buffer> {
  const messages: Record<string, Buffer> = {};
  for (let at = 0; at + headerBytes <= bytes.length;) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    messages[String.fromCharCode(bytes[at]!)] = bytes.subarray(at, end);
    at = end;
  }
  return messages;
}
