import { once } from 'node:events';
import { WebSocket, type ClientOptions } from 'ws';
import type { GraphQLFault } from './tiny-gateway';
import { until } from './until';

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
