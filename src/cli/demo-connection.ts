import { createHash } from 'node:crypto';
import { createClient, type Client } from 'graphql-ws';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { pause } from '../core/clock';
import { parsed, readAnswer, Refusal, Unavailable, type DemoOperation } from './demo-answers';

/** How a server is reached. */
export interface ConnectionOptions {
  /** Without a slash at the end. */
  url: string;
  /** Shows who is asking, where the server wants to know: `Bearer <token>`. */
  token?: string;
  /** How long the server may be away before it is given up, in milliseconds. */
  patienceMs: number;
  /** Told in words when the server does not answer, and when it does again. */
  say: (line: string) => void;
}

const uploadAnswer = z.object({ message: z.string().optional() });

const requestMs = 30_000;
const uploadMs = 120_000;
const againMs = 500;
/** Close codes by which the server says who may not connect; it would say so again. */
const refusingCloses: readonly unknown[] = [4400, 4401, 4403, 4406];

/**
 * A client that does not mind if the server is killed and started again: it repeats what was not answered, and resumes
 * what was cut off. What it repeats must be safe to repeat; `idempotencyKey` makes mutations so.
 */
export class DemoConnection {
  private readonly socket: Client;
  private readonly headers: Record<string, string>;
  private awaySinceMs: number | null = null;

  constructor(private readonly options: ConnectionOptions) {
    const { url, token } = options;
    this.headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.socket = createClient({
      url: `${url.replace(/^http/, 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: this.headers,
      connectionAckWaitTimeout: requestMs,
      retryAttempts: 0,
      on: { connected: () => this.isBack() },
    });
  }

  /**
   * Sends a query or a mutation until it is answered.
   * @throws Refusal if the answer is an error that would come again; Unavailable when patience is over
   */
  ask<Data>(operation: DemoOperation<Data>, variables: Record<string, unknown>): Promise<Data> {
    return this.untilAnswered(async () => {
      const response = await fetch(`${this.options.url}/graphql`, {
        method: 'POST',
        headers: { ...this.headers, 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify({ query: operation.query, variables }),
        signal: AbortSignal.timeout(requestMs),
      });
      return readAnswer(operation, await jsonOf(response));
    });
  }

  /**
   * Sends the bytes of a photo to where the server said, until they are taken or refused.
   * @returns why they were refused; null if they were taken
   */
  upload(url: string, headers: Record<string, string>, bytes: Buffer): Promise<string | null> {
    return this.untilAnswered(async () => {
      const signal = AbortSignal.timeout(uploadMs);
      const response = await fetch(url, { method: 'PUT', headers, body: new Uint8Array(bytes), signal });
      const { message } = parsed(uploadAnswer, await jsonOf(response));
      return response.ok ? null : (message ?? `the server answers ${response.status}`);
    });
  }

  /**
   * Opens a picture.
   * @throws Refusal if the bytes are others than announced
   */
  download(url: string, { byteSize, sha256 }: { byteSize: number; sha256: string }): Promise<Buffer> {
    return this.untilAnswered(async () => {
      const response = await fetch(url, { signal: AbortSignal.timeout(requestMs) });
      if (!response.ok) throw new Unavailable(`it answers ${response.status}`);
      const bytes = await readUpTo(byteSize, response.body!);
      const isWhole = createHash('sha256').update(bytes).digest('hex') === sha256;
      if (!isWhole) throw new Refusal('A picture has other bytes than its sha256 says.');
      return bytes;
    });
  }

  /**
   * Follows a subscription to its end, over however many sockets that takes: on each it goes on behind the last cursor
   * that came.
   * @param operation - takes `id` and `after`, and answers with a `cursor` in `told`
   * @param signal - ends it early
   * @throws Refusal, Unavailable
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
          const { event } = readAnswer(operation, result);
          after = event.cursor;
          onMessage(event);
        }
      } finally {
        signal.removeEventListener('abort', leave);
      }
    };
    if (!signal.aborted) await this.untilAnswered(once);
  }

  /** Closes the socket. */
  async close(): Promise<void> {
    await this.socket.dispose();
  }

  private async untilAnswered<Result>(work: () => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        const result = await work();
        this.isBack();
        return result;
      } catch (error) {
        this.isAway(asFault(error));
        await pause(againMs);
      }
    }
  }

  private isBack(): void {
    if (this.awaySinceMs === null) return;
    this.awaySinceMs = null;
    this.options.say('The server answers again; going on.');
  }

  private isAway(fault: Error): void {
    if (!(fault instanceof Unavailable)) throw fault;
    const { url, patienceMs, say } = this.options;
    if (this.awaySinceMs === null) {
      this.awaySinceMs = Date.now();
      say(`The server does not answer (${fault.message}). Waiting for it.`);
    }
    if (Date.now() - this.awaySinceMs < patienceMs) return;
    const seconds = Math.round(patienceMs / 1_000);
    throw new Unavailable(
      `${url} did not answer for ${seconds} s (${fault.message}). Is a server running there?`,
    );
  }
}

/** What a call's end means: a refusal, or that the server is away for now. */
function asFault(error: unknown): Error {
  if (error instanceof Refusal || error instanceof Unavailable) return error;
  const { code, reason, message, cause } = error as Record<'code' | 'reason' | 'message' | 'cause', unknown>;
  // A socket's end, as graphql-ws hands it on, has a number for a code.
  if (refusingCloses.includes(code)) {
    return new Refusal(`The server does not let this client in: ${String(reason)}.`);
  }
  if (typeof code === 'number') return new Unavailable(`its socket was closed with ${code}`);
  return new Unavailable(String((cause as { code?: unknown } | undefined)?.code ?? message));
}

/** The JSON of an answer; a proxy's page, or an outage's, is none. */
async function jsonOf(response: Response): Promise<unknown> {
  if (response.status >= 500) throw new Unavailable(`it answers ${response.status}`);
  return response.json();
}

async function readUpTo(most: number, body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > most) throw new Refusal('A picture has more bytes than its byteSize says.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
