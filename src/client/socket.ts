import { createClient, type Client as Sockets } from 'graphql-ws/client';
import { errorOf } from './error-classes.ts';
import { ConnectionFailedError, type Extensions, type LikenessError } from './errors.ts';
import type { Transport } from './http.ts';

/** A subscription with its variables. */
export interface Subscription {
  query: string;
  variables: Record<string, unknown>;
}

/** Options of the socket. */
export interface SocketOptions {
  /** A WebSocket class, for Node before 22: that of the package ws. */
  webSocketImpl?: unknown;
  /** After this time without a message, the connection is checked, in milliseconds. */
  keepAliveMs: number;
}

/** The socket that all subscriptions of a client share. It is opened with the first one. */
export class Socket {
  /** Whether the server has accepted the credentials since the last renewal. */
  wasAccepted = false;
  private sockets: Sockets | null = null;
  private current: WebSocketLike | null = null;
  private subscriptions = 0;

  constructor(
    readonly transport: Transport,
    private readonly options: SocketOptions,
  ) {}

  /** Closes the connection. */
  async close(): Promise<void> {
    // graphql-ws waits for a connection that is being opened.
    if (this.current?.readyState === 0) this.current.close();
    try {
      await this.sockets?.dispose();
    } catch {
      // It could not be opened.
    }
  }

  /** The results of a subscription until it ends or its connection is lost. Aborting the signal ends them. */
  async *results(payload: Subscription, signal: AbortSignal): AsyncGenerator<Record<string, unknown>> {
    const pending: Record<string, unknown>[] = [];
    const state = { hasEnded: false, error: undefined as unknown, wake: (): void => undefined };
    const finish = (error?: unknown): void => {
      if (!state.hasEnded) Object.assign(state, { hasEnded: true, error });
      state.wake();
    };
    this.sockets ??= this.create();
    this.subscriptions++;
    const dispose = this.sockets.subscribe(payload, {
      next: (result) => {
        pending.push(result as Record<string, unknown>);
        state.wake();
      },
      error: finish,
      complete: finish,
    });
    const leave = (): void => finish();
    signal.addEventListener('abort', leave);
    try {
      while (!signal.aborted) {
        const next = pending.shift();
        if (next) yield next;
        else if (state.error !== undefined) throw asError(state.error);
        else if (state.hasEnded) return;
        else await new Promise<void>((resolve) => (state.wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', leave);
      this.subscriptions--;
      dispose();
    }
  }

  private create(): Sockets {
    const { url, timeoutMs, headers, onAnswer } = this.transport;
    const { webSocketImpl, keepAliveMs } = this.options;
    let limit: ReturnType<typeof setTimeout> | undefined;
    const settle = (): void => clearTimeout(limit);
    const within = (ms: number, otherwise: () => void): void => {
      settle();
      limit = setTimeout(otherwise, ms);
    };
    const sockets = createClient({
      url: `${url.replace(/^http/, 'ws')}/graphql`,
      // `terminate` of a socket that is not open yet would end a Node process: ws emits an error that graphql-ws ignores.
      webSocketImpl: observed(webSocketImpl, {
        onCreate: (socket) => {
          this.current = socket;
          within(timeoutMs, () => socket.close());
        },
        isUsed: () => this.subscriptions > 0,
      }),
      connectionParams: headers,
      // A later subscription often follows at once.
      lazyCloseTimeout: 1_000,
      keepAlive: keepAliveMs,
      retryAttempts: 0,
      on: {
        connected: () => {
          settle();
          this.wasAccepted = true;
          onAnswer();
        },
        ping: (isReceived) => {
          if (!isReceived) within(timeoutMs, () => sockets.terminate());
        },
        pong: settle,
        error: settle,
        closed: settle,
      },
    });
    return sockets;
  }
}

interface WebSocketLike {
  /** 0 while it is being opened. */
  readonly readyState: number;
  onclose: CloseListener | null;
  close(code?: number, reason?: string): void;
}
type CloseListener = (event: { code: number; reason: string }) => void;
type WebSocketClass = new (url: string, protocol: string) => WebSocketLike;

interface SocketObserver {
  /** Called with each new socket. */
  onCreate: (socket: WebSocketLike) => void;
  /** Whether there is a subscription. */
  isUsed: () => boolean;
}

/** A WebSocket class that is observed; undefined without one, which graphql-ws reports. */
function observed(given: unknown, { onCreate, isUsed }: SocketObserver): unknown {
  const base = (given ?? (globalThis as { WebSocket?: unknown }).WebSocket) as WebSocketClass | undefined;
  if (base === undefined) return undefined;
  return class extends base {
    private isUnused = false;

    constructor(url: string, protocol: string) {
      super(url, protocol);
      onCreate(this);
    }

    /** After a normal closure by the server, graphql-ws would connect again at once, each time: it is a lost connection. */
    override set onclose(listener: CloseListener | null) {
      super.onclose =
        listener &&
        (({ code, reason }) => listener({ code: code === 1000 && !this.isUnused ? 1005 : code, reason }));
    }

    /** Also called by the package ws when the server closes. */
    override close(...reason: [number?, string?]): void {
      this.isUnused ||= !isUsed();
      super.close(...reason);
    }
  };
}

/** The error that graphql-ws passes on: errors of the server, an event of the socket, or an error of its own. */
function asError(error: unknown): unknown {
  if (Array.isArray(error)) {
    const [{ message, extensions }] = error as [{ message: string; extensions: Extensions }];
    return errorOf(message, extensions);
  }
  const { code, reason } = error as { code?: unknown; reason?: unknown };
  if (typeof code === 'number') return closeError(code, String(reason));
  return error instanceof Error ? error : new ConnectionFailedError('The WebSocket could not be opened.');
}

function closeError(code: number, reason: string): LikenessError {
  switch (code) {
    case 4400:
    case 4406:
      return errorOf(reason, { code: 'BAD_REQUEST' });
    case 4401:
    case 4403:
      return errorOf(reason, { code: 'UNAUTHENTICATED' });
    default:
      return new ConnectionFailedError(`The WebSocket was closed with code ${code}.`, {}, code);
  }
}
