import { createClient as createStreamClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { GraphQLFault } from './graphql-client';

/** The transports of subscriptions. */
export type StreamTransport = 'WebSocket' | 'SSE';

/** How a subscription ended. */
export type FeedEnd =
  | { how: 'complete' }
  | { how: 'errors'; errors: readonly GraphQLFault[] }
  /** The connection ended; for WebSocket with the code and reason of its close. */
  | { how: 'cut'; code?: number; reason?: string };

/** Options of a {@link Feed}. */
export interface FeedOptions<T> {
  /** @defaultValue no authentication */
  token?: string | null;
  /** Called with each message. */
  onMessage?: (message: T) => void;
  /** Called with each message with `isEstimate`. */
  onEstimate?: (message: T) => void;
}

/** A socket that is terminated while it connects emits an error after graphql-ws has removed its own handlers. */
class TerminableSocket extends WebSocket {
  constructor(url: string, protocols: string) {
    super(url, protocols);
    this.on('error', () => undefined);
  }
}

/** The errors of official clients. */
interface Result {
  data?: Record<string, unknown> | null;
  errors?: readonly unknown[];
}

/** The maximum delay of a timer, which makes a longer one fire at once. */
const maxTimerMs = 2 ** 31 - 1;

/** Collects the results of a subscription; `T` is the type of its one field. */
export class Feed<T> {
  readonly messages: T[] = [];
  /** Messages with `isEstimate`, which are not among the others. */
  readonly estimates: T[] = [];
  end: FeedEnd | null = null;
  private changed: () => void = () => undefined;

  private constructor(
    private readonly options: FeedOptions<T>,
    private readonly release: () => void,
  ) {}

  /** Subscribes with the official client of the transport. */
  static open<T>(
    transport: StreamTransport,
    url: string,
    payload: { query: string; variables?: object },
    options: FeedOptions<T> = {},
  ): Feed<T> {
    const headers = options.token == null ? undefined : { authorization: `Bearer ${options.token}` };
    if (transport === 'SSE') {
      const client = createStreamClient({ url: `${url}/graphql/stream`, retryAttempts: 0, headers });
      const feed = new Feed<T>(options, () => {
        client.dispose();
        feed.over({ how: 'cut' });
      });
      return feed.start(client.subscribe.bind(client), payload);
    }
    const client = createSocketClient({
      url: `${url.replace(/^http/, 'ws')}/graphql`,
      webSocketImpl: TerminableSocket,
      retryAttempts: 0,
      lazyCloseTimeout: 0,
      connectionParams: headers,
      onNonLazyError: () => undefined,
    });
    return new Feed<T>(options, () => client.terminate()).start(client.subscribe.bind(client), payload);
  }

  /** Breaks the connection without a close, like a network failure. */
  drop(): void {
    this.release();
  }

  /** Waits until the messages are as expected, and returns them. */
  async until(holds: (messages: readonly T[]) => boolean, limitMs?: number): Promise<T[]> {
    await this.wait(() => holds(this.messages), limitMs);
    return [...this.messages];
  }

  /** Waits for the end and returns it. */
  async ended(limitMs?: number): Promise<FeedEnd> {
    await this.wait(() => this.end !== null, limitMs);
    return this.end!;
  }

  private start(
    subscribe: (
      payload: { query: string; variables?: Record<string, unknown> },
      sink: { next(result: Result): void; error(error: unknown): void; complete(): void },
    ) => unknown,
    payload: { query: string; variables?: object },
  ): this {
    subscribe(payload as { query: string }, {
      next: ({ data, errors }) => {
        if (errors) this.over({ how: 'errors', errors: errors as GraphQLFault[] });
        else this.add(Object.values(data!)[0] as T);
      },
      error: (error) => this.over(endOf(error)),
      complete: () => this.over({ how: 'complete' }),
    });
    return this;
  }

  private add(message: T): void {
    if (isEstimate(message)) {
      this.estimates.push(message);
      this.options.onEstimate?.(message);
      this.changed();
      return;
    }
    this.messages.push(message);
    this.options.onMessage?.(message);
    this.changed();
  }

  private over(end: FeedEnd): void {
    this.end ??= end;
    this.changed();
  }

  private async wait(holds: () => boolean, limitMs = 60_000): Promise<void> {
    const deadline = Date.now() + limitMs;
    while (!holds()) {
      const leftMs = Math.min(deadline - Date.now(), maxTimerMs);
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

function isEstimate(message: unknown): boolean {
  return (message as { isEstimate?: boolean } | null)?.isEstimate === true;
}

function endOf(error: unknown): FeedEnd {
  if (Array.isArray(error)) return { how: 'errors', errors: error as GraphQLFault[] };
  const { code, reason } = error as { code?: unknown; reason?: unknown };
  return typeof code === 'number' ? { how: 'cut', code, reason: String(reason) } : { how: 'cut' };
}
