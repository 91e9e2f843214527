import { createServer, type Server, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { connectionsOf, listening, stopped } from './servers';

/** A received HTTP request. */
export interface SeenRequest {
  method: string;
  path: string;
  /** By lower-case name. */
  headers: Record<string, string>;
  body: string;
  /** Numbers connections from 1, so that a test can distinguish new from reused ones. */
  connection: number;
}

/** How the server handles one request. */
export type Script = (socket: Socket, request: SeenRequest) => void;

/**
 * A server that sends scripted responses, byte for byte, one script per request. A request without a script is
 * answered with 599, so that a missing script is noticed.
 */
export class FakeUpstream {
  readonly requests: SeenRequest[] = [];
  private readonly scripts: Script[] = [];
  private connections = 0;
  private port = 0;

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => {
      this.serve(socket, ++this.connections);
    });
  }

  static async start(): Promise<FakeUpstream> {
    const upstream = new FakeUpstream(createServer({ noDelay: true }));
    upstream.port = await listening(upstream.server);
    return upstream;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The number of connections since the start. */
  get connectionCount(): number {
    return this.connections;
  }

  /** The number of open connections. */
  get openCount(): number {
    return connectionsOf(this.server).size;
  }

  /** The scripts of the next requests, in order. */
  next(...scripts: Script[]): void {
    this.scripts.push(...scripts);
  }

  /** Clears recorded requests and pending scripts. */
  reset(): void {
    this.requests.length = 0;
    this.scripts.length = 0;
  }

  stop(): Promise<void> {
    return stopped(this.server);
  }

  private serve(socket: Socket, connection: number): void {
    socket.on('error', () => undefined);
    let read = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      read = Buffer.concat([read, chunk]);
      const request = parse(read, connection);
      if (!request) return;
      read = Buffer.alloc(0);
      this.requests.push(request);
      (this.scripts.shift() ?? answer(599))(socket, request);
    });
  }
}

/** Null until the request is complete. */
function parse(read: Buffer, connection: number): SeenRequest | null {
  const end = read.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [line = '', ...fields] = read.subarray(0, end).toString('latin1').split('\r\n');
  const headers = Object.fromEntries(
    fields.map((field) => [
      field.slice(0, field.indexOf(':')).toLowerCase(),
      field.slice(field.indexOf(':') + 1).trim(),
    ]),
  );
  const body = read.subarray(end + 4);
  if (body.length < Number(headers['content-length'] ?? 0)) return null;
  const [method = '', path = ''] = line.split(' ');
  return { method, path, headers, body: body.toString('utf8'), connection };
}

function head(status: number, headers: Record<string, string | number>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Said\r\n${lines.join('')}\r\n`;
}

/** A complete response; an object is sent as JSON. */
export function answer(
  status: number,
  body: object | string | Buffer = '',
  headers: Record<string, string | number> = {},
): Script {
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return (socket) => {
    socket.write(
      head(status, { 'content-type': 'application/json', 'content-length': bytes.length, ...headers }),
    );
    socket.write(bytes);
  };
}

/** A compressed response to a request without Accept-Encoding. */
export function gzipped(status: number, body: string): Script {
  return answer(status, gzipSync(body), { 'content-encoding': 'gzip' });
}

/** Raw bytes, then the end of the connection. */
export function raw(text: string): Script {
  return (socket) => socket.end(text);
}

/** A truncated JSON response, then the end of the connection. */
export function truncated(status: number, body: object): Script {
  const text = JSON.stringify(body);
  return raw(head(status, { 'content-length': text.length }) + text.slice(0, text.length / 2));
}

/** The head, then the body one byte at a time: never idle, never complete. */
export function dripped(status: number, body: object, everyMs: number): Script {
  const text = JSON.stringify(body);
  return (socket) => {
    socket.write(head(status, { 'content-length': text.length }));
    let sent = 0;
    const timer = setInterval(() => {
      if (sent === text.length) clearInterval(timer);
      else socket.write(text[sent++]!);
    }, everyMs);
    socket.on('close', () => {
      clearInterval(timer);
    });
  };
}

/** An endless body. */
export function endless(): Script {
  return (socket) => {
    socket.write(head(200, { 'content-type': 'application/json' }));
    const chunk = Buffer.alloc(64_000, ' ');
    const more = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', more);
    more();
  };
}

/** Accepts the request and never responds. */
export function silence(): Script {
  return () => undefined;
}

/** Accepts the request and resets the connection. */
export function reset(): Script {
  return (socket) => socket.resetAndDestroy();
}
