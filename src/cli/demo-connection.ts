import { createHash } from 'node:crypto';
import { createClient, type Client } from 'graphql-ws';
import { WebSocket } from 'ws';
import { pause } from '../core/clock';
import type { DemoOperation } from './demo-operations';

export interface ConnectionOptions {
  /** Without a trailing slash. */
  url: string;
  /** A token or API key if the server requires authentication. */
  token?: string;
  /** How long to retry while the server is unavailable, in milliseconds. */
  maxUnavailableMs: number;
  /** Prints a message when the server becomes unavailable or available again. */
  print: (line: string) => void;
}

/** A permanent error. */
export class DemoError extends Error {
  override readonly name = 'DemoError';

  /** @param field - the path of the invalid input, if any: `input.files[2].byteSize` */
  constructor(
    message: string,
    readonly field?: string,
  ) {
    super(message);
  }
}

/** An error of a GraphQL response. */
interface ResponseError {
  message: string;
  extensions: { code: string; field?: string };
}

/** A temporary error: the request can be repeated. */
class Unavailable extends Error {}

const requestMs = 30_000;
const uploadMs = 120_000;
const retryDelayMs = 500;
/** How long to wait for a server that has never answered, in milliseconds: it was probably not started. */
const firstAnswerMs = 5_000;
/** Close codes that refuse the client permanently. */
const permanentCloseCodes: readonly unknown[] = [4400, 4401, 4403, 4406];
/** Codes of temporary errors, for example of a server that is starting or stopping. */
const temporaryCodes: readonly unknown[] = [
  ...['SERVICE_UNAVAILABLE', 'TIMEOUT', 'RATE_LIMITED', 'SUBSCRIBER_TOO_SLOW', 'INTERNAL_SERVER_ERROR'],
];

/**
 * A client that survives restarts of the server: it repeats unanswered requests and resumes interrupted subscriptions.
 * Mutations need an `idempotencyKey`, so that they can be repeated safely.
 */
export class DemoConnection {
  private readonly socket: Client;
  private readonly headers: Record<string, string>;
  private unavailableSinceMs: number | null = null;
  private hasAnswered = false;

  constructor(private readonly options: ConnectionOptions) {
    const { url, token } = options;
    this.headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.socket = createClient({
      url: `${url.replace(/^http/, 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: this.headers,
      connectionAckWaitTimeout: requestMs,
      retryAttempts: 0,
      on: { connected: () => this.onAvailable() },
    });
  }

  /**
   * Sends a query or mutation until it is answered.
   * @throws DemoError on a permanent error; Unavailable after the time limit
   */
  request<Data>(operation: DemoOperation<Data>, variables: Record<string, unknown>): Promise<Data> {
    return this.retryUntilAnswered(async () => {
      const response = await fetch(`${this.options.url}/graphql`, {
        method: 'POST',
        headers: { ...this.headers, 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify({ query: operation.query, variables }),
        signal: AbortSignal.timeout(requestMs),
      });
      return dataOf(operation, await jsonOf(response));
    });
  }

  /**
   * Uploads a photo to its URL until it is accepted or refused.
   * @returns the reason of the refusal; null if it was accepted
   */
  upload(url: string, headers: Record<string, string>, bytes: Buffer): Promise<string | null> {
    return this.retryUntilAnswered(async () => {
      const signal = AbortSignal.timeout(uploadMs);
      const response = await fetch(url, { method: 'PUT', headers, body: new Uint8Array(bytes), signal });
      const { message } = (await jsonOf(response)) as { message?: string };
      return response.ok ? null : (message ?? `HTTP status ${response.status}`);
    });
  }

  /**
   * Downloads an image.
   * @throws DemoError if the content does not match its announced size and hash
   */
  download(url: string, { byteSize, sha256 }: { byteSize: number; sha256: string }): Promise<Buffer> {
    return this.retryUntilAnswered(async () => {
      const response = await fetch(url, { signal: AbortSignal.timeout(requestMs) });
      if (!response.ok) throw new Unavailable(`HTTP status ${response.status}`);
      const bytes = await readUpTo(byteSize, response.body!);
      const isWhole = createHash('sha256').update(bytes).digest('hex') === sha256;
      if (!isWhole) throw new DemoError('The content of an image does not match its sha256.');
      return bytes;
    });
  }

  /**
   * Follows a subscription to its end. After a disconnect it resumes with the last cursor.
   * @param operation - takes `id` and `after`, and returns a `cursor` in `event`
   * @param signal - ends the subscription
   * @throws DemoError, Unavailable
   */
  async follow<Message extends { cursor: string }>(
    operation: DemoOperation<{ event: Message }>,
    id: string,
    onMessage: (message: Message) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let after: string | null = null;
    const once = async (): Promise<void> => {
      const results = this.socket.iterate({ query: operation.query, variables: { id, after } });
      const leave = (): void => void results.return?.();
      signal.addEventListener('abort', leave);
      try {
        for await (const result of results) {
          const { event } = dataOf(operation, result);
          after = event.cursor;
          onMessage(event);
        }
      } finally {
        signal.removeEventListener('abort', leave);
      }
    };
    if (!signal.aborted) await this.retryUntilAnswered(once);
  }

  /** Closes the socket. */
  async close(): Promise<void> {
    await this.socket.dispose();
  }

  private async retryUntilAnswered<Result>(work: () => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        const result = await work();
        this.onAvailable();
        return result;
      } catch (error) {
        this.onUnavailable(asFault(error));
        await pause(retryDelayMs);
      }
    }
  }

  private onAvailable(): void {
    this.hasAnswered = true;
    if (this.unavailableSinceMs === null) return;
    this.unavailableSinceMs = null;
    this.options.print('The server is available again; continuing.');
  }

  private onUnavailable(fault: Error): void {
    if (!(fault instanceof Unavailable)) throw fault;
    const { url, print } = this.options;
    const patienceMs = this.options.maxUnavailableMs;
    const maxUnavailableMs = this.hasAnswered ? patienceMs : Math.min(patienceMs, firstAnswerMs);
    if (this.unavailableSinceMs === null) {
      this.unavailableSinceMs = Date.now();
      print(`The server is unavailable (${fault.message}). Retrying.`);
    }
    if (Date.now() - this.unavailableSinceMs < maxUnavailableMs) return;
    const seconds = Math.round(maxUnavailableMs / 1_000);
    throw new Unavailable(
      `${url} was unavailable for ${seconds} s (${fault.message}). Start a server there with npm start, or give its address: --url.`,
    );
  }
}

/**
 * The data of a GraphQL response.
 * @throws DemoError or Unavailable, depending on the code of the first error
 */
function dataOf<Data>(_operation: DemoOperation<Data>, response: unknown): Data {
  const { data, errors } = response as { data?: Data | null; errors?: ResponseError[] };
  const [error] = errors ?? [];
  if (error) throw errorOf(error);
  if (!data) throw new DemoError('This is not the response of a Likeness server.');
  return data;
}

function errorOf({ message, extensions: { code, field } }: ResponseError): Error {
  if (code === 'UNAUTHENTICATED')
    return new DemoError(`${code}: ${message} Give the demo a key or token: --token, or LIKENESS_TOKEN.`);
  return temporaryCodes.includes(code)
    ? new Unavailable(`${code}: ${message}`)
    : new DemoError(message, field);
}

/** Converts an error to a permanent or a temporary one. */
function asFault(error: unknown): Error {
  if (error instanceof DemoError || error instanceof Unavailable) return error;
  const { code, reason, message, cause } = error as Record<'code' | 'reason' | 'message' | 'cause', unknown>;
  // Close events, which graphql-ws passes on as errors, have a numeric code.
  if (permanentCloseCodes.includes(code)) {
    return new DemoError(`The server refused the connection: ${String(reason)}.`);
  }
  if (typeof code === 'number') return new Unavailable(`socket closed with code ${code}`);
  return new Unavailable(String((cause as { code?: unknown } | undefined)?.code ?? message));
}

/** Parses the JSON of a response. Server errors may have another type, for example from a proxy. */
async function jsonOf(response: Response): Promise<unknown> {
  if (response.status >= 500) throw new Unavailable(`HTTP status ${response.status}`);
  return response.json();
}

async function readUpTo(maxBytes: number, body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new DemoError('An image is larger than its byteSize.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
