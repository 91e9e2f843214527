import { createClient as createStreamClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { Fault } from './client';

/** How a subscription ended. */
export type FeedEnd =
  | { how: 'complete' }
  | { how: 'errors'; errors: readonly Fault[] }
  /** The connection ended; for WebSocket with the code and reason of its close. */
  | { how: 'cut'; code?: number; reason?: string };

/** The transport of a subscription. */
export type Transport = 'WebSocket' | 'SSE';

/** The errors of official clients. */
interface Result {
  data?: Record<string, unknown> | null;
  errors?: readonly unknown[];
}

/** How long a test waits for an event, in milliseconds. */
const patienceMs = 20_000;

/** Collects the results of a subscription; `T` is the type of its one field. */
export class Feed<T> {
  readonly messages: T[] = [];
  end: FeedEnd | null = null;
  private changed: () => void = () => undefined;

  private constructor(private readonly release: () => void) {}

  /** Subscribes with the official client of the transport. */
  static open<T>(transport: Transport, url: string, payload: { query: string; variables?: object }): Feed<T> {
    return transport === 'SSE' ? Feed.stream(url, payload) : Feed.socket(url, payload);
  }

  /** Breaks the connection without a close, like a network failure. */
  drop(): void {
    this.release();
  }

  /** Waits until the messages are as expected, and returns them. */
  async until(holds: (messages: readonly T[]) => boolean): Promise<T[]> {
    await this.wait(() => holds(this.messages));
    return [...this.messages];
  }

  /** Waits for the end and returns it. */
  async ended(): Promise<FeedEnd> {
    await this.wait(() => this.end !== null);
    return this.end!;
  }

  private static socket<T>(url: string, payload: { query: string; variables?: object }): Feed<T> {
    let socket: WebSocket | undefined;
    const client = createSocketClient({
      url: `${url.replace(/^http/, 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      lazyCloseTimeout: 0,
      on: { connected: (connected) => (socket = connected as WebSocket) },
    });
    const feed = new Feed<T>(() => socket?.terminate());
    feed.take(client.subscribe.bind(client), payload);
    return feed;
  }

  private static stream<T>(url: string, payload: { query: string; variables?: object }): Feed<T> {
    const client = createStreamClient({ url: `${url}/graphql/stream`, retryAttempts: 0 });
    const feed = new Feed<T>(() => {
      client.dispose();
      feed.over({ how: 'cut' });
    });
    feed.take(client.subscribe.bind(client), payload);
    return feed;
  }

  private take(
    subscribe: (
      payload: { query: string; variables?: Record<string, unknown> },
      sink: { next(result: Result): void; error(error: unknown): void; complete(): void },
    ) => unknown,
    payload: { query: string; variables?: object },
  ): void {
    subscribe(payload as { query: string }, {
      next: ({ data, errors }) => {
        if (errors) this.over({ how: 'errors', errors: errors as Fault[] });
        else this.add(Object.values(data!)[0] as T);
      },
      error: (error) => this.over(endOf(error)),
      complete: () => this.over({ how: 'complete' }),
    });
  }

  private add(message: T): void {
    this.messages.push(message);
    this.changed();
  }

  private over(end: FeedEnd): void {
    this.end ??= end;
    this.changed();
  }

  private async wait(holds: () => boolean): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while (!holds()) {
      const leftMs = deadline - Date.now();
      if (leftMs <= 0)
        throw new Error(`No matching event was received: ${JSON.stringify([this.messages, this.end])}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

function endOf(error: unknown): FeedEnd {
  if (Array.isArray(error)) return { how: 'errors', errors: error as Fault[] };
  const { code, reason } = error as { code?: unknown; reason?: unknown };
  return typeof code === 'number' ? { how: 'cut', code, reason: String(reason) } : { how: 'cut' };
}
