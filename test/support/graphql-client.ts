import { Feed, type StreamTransport } from './feed';
import { SocketClient } from './raw-client';
import { until } from './until';

/** The transports of the API. */
export const transports = ['HTTP', 'WebSocket', 'SSE'] as const;

/** One of {@link transports}. */
export type Transport = (typeof transports)[number];

/** A GraphQL operation. */
export interface Operation {
  query: string;
  variables?: object;
}

/** An error of the API. */
export interface GraphQLFault {
  message: string;
  path?: unknown[];
  extensions: Record<string, unknown> & { code: string; field?: string };
}

/** The first result of an operation. */
export interface Result {
  data?: unknown;
  errors?: GraphQLFault[];
}

/** A response over HTTP. */
export interface HttpResult extends Result {
  data?: Record<string, unknown> | null;
  status: number;
  ms: number;
}

/** A rejected operation. */
export class ApiError extends Error {
  readonly code: string;

  constructor(query: string, errors: readonly GraphQLFault[]) {
    super(`${query} was rejected: ${JSON.stringify(errors)}`);
    this.code = errors[0]!.extensions.code;
  }
}

/** Sends a body to the GraphQL endpoint of a gateway, and measures the time. */
export async function postOperation(
  gatewayUrl: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): Promise<HttpResult> {
  const startedMs = performance.now();
  const response = await fetch(`${gatewayUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    signal,
  });
  const result = (await response.json()) as Result;
  return { status: response.status, ms: performance.now() - startedMs, ...result } as HttpResult;
}

/** Options of a {@link GraphQLClient}. */
export interface ClientOptions {
  /** The owner whose token it is. */
  owner?: string;
  /** A JSON Web Token or an API key. @defaultValue no authentication */
  token?: string | null;
  /** Headers of each HTTP request. */
  headers?: Readonly<Record<string, string>>;
  /** The time limit of a request over HTTP. @defaultValue none */
  timeoutMs?: number;
}

/** A client that can use every transport. */
export class GraphQLClient {
  private socket: SocketClient | null = null;
  private nextId = 0;

  /** @param url - the current URL of the gateway */
  constructor(
    protected readonly url: () => string,
    private readonly settings: ClientOptions = {},
  ) {}

  /** The name of the owner, if the client was created with it. */
  get name(): string {
    return this.settings.owner!;
  }

  get token(): string | null {
    return this.settings.token ?? null;
  }

  /** Sends a query or mutation over HTTP and returns the whole response. */
  post(query: string, variables?: object): Promise<HttpResult> {
    return this.byHttp({ query, variables });
  }

  /**
   * Sends a query or mutation over HTTP.
   * @throws ApiError if it is rejected
   */
  async request<T>(query: string, variables?: object): Promise<T> {
    const { data, errors } = await this.post(query, variables);
    if (errors) throw new ApiError(query, errors);
    return data as T;
  }

  /** The only error of a query or mutation that must be rejected. */
  async refusal(query: string, variables?: object): Promise<GraphQLFault> {
    const { errors } = await this.post(query, variables);
    if (errors?.length !== 1)
      throw new Error(`Expected exactly one error: ${JSON.stringify(errors ?? null)}`);
    return errors[0]!;
  }

  /** Sends an operation and returns its first result; ends a subscription. */
  async execute(transport: Transport, operation: Operation): Promise<Result> {
    if (transport === 'SSE') return this.byStream(operation);
    if (transport === 'WebSocket') return this.bySocket(operation);
    const { status: _status, ms: _ms, ...result } = await this.byHttp(operation);
    return result;
  }

  /** Subscribes with the official client of the transport. */
  subscribe<T>(query: string, variables: object, transport: StreamTransport = 'WebSocket'): Feed<T> {
    return Feed.open<T>(transport, this.url(), { query, variables }, { token: this.token });
  }

  /** Opens an authenticated WebSocket. */
  connect(): Promise<SocketClient> {
    const { token } = this;
    return SocketClient.greeted(
      this.url(),
      token === null ? undefined : { authorization: `Bearer ${token}` },
    );
  }

  /** Closes open connections. */
  close(): void {
    this.socket?.socket.terminate();
    this.socket = null;
  }

  private get headers(): Record<string, string> {
    const { token } = this;
    return { ...(token !== null && { authorization: `Bearer ${token}` }), ...this.settings.headers };
  }

  private byHttp(operation: Operation): Promise<HttpResult> {
    const { timeoutMs } = this.settings;
    const signal = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    return postOperation(this.url(), operation, this.headers, signal);
  }

  private async byStream(operation: Operation): Promise<Result> {
    const response = await fetch(`${this.url()}/graphql/stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...this.headers },
      body: JSON.stringify(operation),
    });
    let text = '';
    for await (const chunk of response.body!) {
      text += Buffer.from(chunk as Uint8Array).toString();
      const event = /^event: next\n(?:id: .*\n)?data: (.*)\n\n/m.exec(text);
      // Leaving the loop closes the stream.
      if (event) return JSON.parse(event[1]!) as Result;
    }
    throw new Error(`No result was received: ${response.status} ${text}`);
  }

  private async bySocket(operation: Operation): Promise<Result> {
    this.socket ??= await this.connect();
    const { socket } = this;
    const id = String((this.nextId += 1));
    socket.send({ type: 'subscribe', id, payload: operation });
    await until(() => socket.of(id).length > 0 || socket.closed !== null);
    const [first] = socket.of(id);
    if (!first) throw new Error(`The socket was closed: ${JSON.stringify(socket.closed)}`);
    if (first.type !== 'next') return { errors: first.payload as GraphQLFault[] };
    socket.send({ type: 'complete', id });
    return first.payload as Result;
  }
}
