import { SocketClient } from './socket-client';
import { until } from './until';

/** The transports of the API. */
export const transports = ['HTTP', 'WebSocket', 'SSE'] as const;

/** One of {@link transports}. */
export type Transport = (typeof transports)[number];

/** A GraphQL operation. */
export interface Operation {
  query: string;
  variables?: Record<string, unknown>;
}

/** The first result: data, or errors in the format of the transport. */
export interface FirstAnswer {
  data?: unknown;
  errors?: { message: string; extensions: Record<string, unknown> & { code: string } }[];
}

/** A client with a token that can use every transport. */
export class Caller {
  private socket: SocketClient | null = null;
  private nextId = 0;

  /** @param url - the current URL of the gateway */
  constructor(
    private readonly url: () => string,
    private readonly token: string,
  ) {}

  /** Sends the operation, returns the first result, and disconnects. */
  ask(transport: Transport, operation: Operation): Promise<FirstAnswer> {
    if (transport === 'HTTP') return this.byHttp(operation);
    return transport === 'SSE' ? this.byStream(operation) : this.bySocket(operation);
  }

  /** Sends it over HTTP, and fails if it is rejected. */
  async take<T>(query: string, variables?: Record<string, unknown>): Promise<T> {
    const { data, errors } = await this.byHttp({ query, variables });
    if (errors) throw new Error(`${query} was rejected: ${JSON.stringify(errors)}`);
    return data as T;
  }

  /** Closes open connections. */
  leave(): void {
    this.socket?.socket.terminate();
    this.socket = null;
  }

  private get headers(): Record<string, string> {
    return { 'content-type': 'application/json', authorization: `Bearer ${this.token}` };
  }

  private async byHttp(operation: Operation): Promise<FirstAnswer> {
    const response = await fetch(`${this.url()}/graphql`, {
      method: 'POST',
      headers: this.headers,
      body: JSON.stringify(operation),
    });
    return (await response.json()) as FirstAnswer;
  }

  private async byStream(operation: Operation): Promise<FirstAnswer> {
    const response = await fetch(`${this.url()}/graphql/stream`, {
      method: 'POST',
      headers: this.headers,
      body: JSON.stringify(operation),
    });
    let text = '';
    for await (const chunk of response.body!) {
      text += Buffer.from(chunk as Uint8Array).toString();
      const found = /^event: next\ndata: (.*)\n\n/m.exec(text);
      if (!found) continue;
      // Leaving the loop closes the stream.
      return JSON.parse(found[1]!) as FirstAnswer;
    }
    throw new Error(`No result was received: ${response.status} ${text}`);
  }

  private async bySocket(operation: Operation): Promise<FirstAnswer> {
    this.socket ??= await SocketClient.greeted(this.url(), { authorization: `Bearer ${this.token}` });
    const { socket } = this;
    const id = String((this.nextId += 1));
    socket.send({ type: 'subscribe', id, payload: operation });
    await until(() => socket.of(id).length > 0 || socket.closed !== null);
    const [first] = socket.of(id);
    if (!first) throw new Error(`The socket was closed: ${JSON.stringify(socket.closed)}`);
    if (first.type === 'next') {
      socket.send({ type: 'complete', id });
      return first.payload as FirstAnswer;
    }
    return { errors: first.payload as FirstAnswer['errors'] };
  }
}
