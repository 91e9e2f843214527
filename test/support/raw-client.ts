import { once } from 'node:events';
import {
  request,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { connect, type Socket } from 'node:net';
import { WebSocket, type ClientOptions } from 'ws';
import type { GraphQLFault } from './graphql-client';
import { until } from './until';

/** A response. */
export interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** Sends a request with arbitrary headers, some of which `fetch` does not allow. */
export function send(url: string, options: RequestOptions = {}, body?: string | Buffer): Promise<RawAnswer> {
  return sendHeaders(url, options)(body);
}

/** Sends the headers of a request. The returned function sends the body and returns the response. */
export function sendHeaders(
  url: string,
  options: RequestOptions = {},
): (body?: string | Buffer) => Promise<RawAnswer> {
  const outgoing = request(url, { agent: false, ...options });
  // The promise of the response is rejected with the error; without a response it concerns no test.
  outgoing.on('error', () => undefined);
  outgoing.flushHeaders();
  return (body) => {
    outgoing.end(body);
    return answerTo(outgoing);
  };
}

async function answerTo(outgoing: ClientRequest): Promise<RawAnswer> {
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: Buffer.concat(chunks).toString(),
  };
}

/** A raw connection that sends arbitrary bytes and collects the response. */
export class RawConnection {
  text = '';
  isClosed = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => (this.text += chunk.toString('latin1')));
    socket.on('close', () => (this.isClosed = true));
    socket.on('error', () => undefined);
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  /** Waits for the end of the connection and returns all received bytes. */
  async rest(): Promise<string> {
    if (!this.isClosed) await once(this.socket, 'close');
    return this.text;
  }
}

/** A received message. */
export interface Message {
  type: string;
  id?: string;
  payload?: GraphQLFault[] | { data?: Record<string, unknown> | null; errors?: GraphQLFault[] };
}

/** A low-level WebSocket client: it sends arbitrary frames and records the received ones. */
export class SocketClient {
  readonly messages: Message[] = [];
  closed: { code: number; reason: string } | null = null;

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => this.messages.push(JSON.parse(data.toString()) as Message));
    socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }));
    socket.on('error', () => undefined);
  }

  /** Connects, by default with the right subprotocol. */
  static async open(
    url: string,
    protocol: string | string[] = 'graphql-transport-ws',
    options?: ClientOptions,
  ): Promise<SocketClient> {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/graphql`, protocol, options);
    const client = new SocketClient(socket);
    await once(socket, 'open');
    return client;
  }

  /** Connects and sends connection_init. */
  static async greeted(url: string, payload?: unknown): Promise<SocketClient> {
    const client = await SocketClient.open(url);
    client.send({ type: 'connection_init', payload });
    await until(
      () => client.messages.some(({ type }) => type === 'connection_ack') || client.closed !== null,
    );
    return client;
  }

  send(message: unknown): void {
    this.socket.send(
      typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message),
    );
  }

  subscribe(id: string, query: string, variables?: unknown): void {
    this.send({ type: 'subscribe', id, payload: { query, variables } });
  }

  /** The messages of an operation: `next:…`, then `complete` or `error`. */
  of(id: string): Message[] {
    return this.messages.filter((message) => message.id === id);
  }

  /** Waits until the operation has ended, and returns its messages. */
  async ended(id: string): Promise<Message[]> {
    await until(() => this.of(id).some(({ type }) => type === 'complete' || type === 'error'));
    return this.of(id);
  }

  /** Waits until the server has closed the socket. */
  async end(): Promise<{ code: number; reason: string }> {
    await until(() => this.closed !== null);
    return this.closed!;
  }
}

/** The status and JSON of the response. */
export interface UploadResult {
  status: number;
  body: Record<string, unknown>;
}

/** Uploads a photo. */
export async function put(url: string, bytes: Buffer): Promise<UploadResult> {
  const response = await fetch(url, { method: 'PUT', body: new Uint8Array(bytes) });
  return { status: response.status, body: (await response.json()) as UploadResult['body'] };
}

/** A PUT whose body the test writes; without a length unless given. */
export function putInPieces(
  url: string,
  length?: number,
): { write: (bytes: Buffer) => void; end: () => void; cut: () => void; answer: Promise<UploadResult> } {
  const sending = request(url, {
    method: 'PUT',
    headers: length === undefined ? {} : { 'content-length': length },
  });
  const answer = new Promise<UploadResult>((resolve, reject) => {
    sending.on('error', reject).on('response', (response) => {
      const chunks: Buffer[] = [];
      response
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .on('end', () =>
          resolve({
            status: response.statusCode!,
            body: JSON.parse(Buffer.concat(chunks).toString()) as UploadResult['body'],
          }),
        );
    });
  });
  return {
    write: (bytes) => void sending.write(bytes),
    end: () => sending.end(),
    cut: () => sending.destroy(),
    answer,
  };
}
