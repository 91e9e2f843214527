import { setMaxListeners } from 'node:events';
import type { LookupFunction } from 'node:net';
import { Agent, buildConnector, Client, type Dispatcher } from 'undici';
import { elapsedSince } from '../core/clock';
import { decompressed, joined, type CutReason, type ExchangeAnswer } from './exchange-answer';

/** An HTTP call. */
export interface ExchangeRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Maximum duration from the start of connecting to the last byte of the answer, in milliseconds; not an idle
   * timeout.
   */
  readonly timeoutMs: number;
  /** Maximum size of the body, both as received and decompressed. */
  readonly maxBytes: number;
  /** Aborts the call. */
  readonly signal: AbortSignal;
}

/** A POST. */
export interface PostRequest extends ExchangeRequest {
  readonly body: string;
  /** @defaultValue the system's resolver */
  readonly lookup?: LookupFunction;
}

const problems = {
  timeout: 'did not answer in time',
  aborted: 'was aborted before it answered',
  unreachable: 'could not be reached',
  reset: 'closed the connection without an answer',
} as const;

/** No status line was received. The message contains no URL. */
export class ExchangeError extends Error {
  /**
   * @param sent - false only if no byte of the request can have been sent: no connection, including TLS, was
   * established
   */
  constructor(
    readonly sent: boolean,
    readonly reason: keyof typeof problems,
    cause?: unknown,
  ) {
    super(problems[reason], { cause });
    this.name = 'ExchangeError';
  }
}

/**
 * Bounded HTTP calls: an overall deadline, a limit of bytes, no redirects, and certainty about whether the request
 * was sent.
 *
 * The deadline is a separate timer, so that it works even if an abort does not reach a body that is being read
 * (nodejs/undici #4627).
 */
export class HttpExchange {
  private readonly pool: Agent;

  /**
   * @param connections - maximum number of connections to one origin that GETs keep open; further calls wait for
   * one
   */
  constructor(connections: number) {
    this.pool = new Agent({ ...limits, connections, connect: connector() });
  }

  /**
   * Makes a GET on a pooled connection. It may be sent twice if the connection turns out to be closed.
   * @throws ExchangeError
   */
  async get(request: ExchangeRequest): Promise<ExchangeAnswer> {
    // The connection of a pooled request is unknown here: only a failed connect proves that nothing was sent.
    return new Exchange('GET', request, () => true).run(this.pool);
  }

  /**
   * Sends JSON at most once: on a new connection, so that it is never written to a closed idle one, with a
   * connector that does not connect a second time.
   * @throws ExchangeError
   */
  async postOnce(request: PostRequest): Promise<ExchangeAnswer> {
    let connected = false;
    let over = false;
    const elapsedMs = elapsedSince();
    const mayConnect = (): boolean => {
      // A process that was suspended may resume here before its timers run: the lease of the call may have ended.
      const isLate = elapsedMs() >= Math.min(request.timeoutMs, maxConnectMs);
      if (connected || over || isLate) return false;
      connected = true;
      return true;
    };
    const client = new Client(request.url.origin, {
      ...limits,
      connect: connector(mayConnect, request.lookup),
    });
    try {
      return await new Exchange('POST', request, () => connected).run(client);
    } finally {
      over = true;
      void client.destroy();
    }
  }

  /** Closes the pooled connections; calls on them end as `reset`. */
  async stop(): Promise<void> {
    await this.pool.destroy();
  }
}

const limits = {
  pipelining: 1,
  maxHeaderSize: 16_384,
  // The call's own deadline covers these phases.
  headersTimeout: 0,
  bodyTimeout: 0,
} as const;

/** Maximum duration of connecting, including TLS, in milliseconds. */
const connectTimeoutMs = 10_000;
/**
 * A connection that took longer was made by a process that was suspended, in milliseconds. This limits the time
 * between the start of a paid call and its arrival, from which grace periods are measured.
 */
const maxConnectMs = 2 * connectTimeoutMs;

/** A timer that fires this much too late indicates that the process was suspended, in milliseconds. */
const maxTimerDelayMs = 200;
/** How long such a process reads data received in the meantime before it aborts the call, in milliseconds. */
const lastReadMs = 1_000;

/** The reason why a connection is closed: its call has ended. A constant, since making an error is slow. */
const over = new Error('The call has ended.');

/** The connection was not established. */
class ConnectError extends Error {}

/** A connector that marks connection errors, to distinguish them from later ones. */
function connector(mayUse: () => boolean = () => true, lookup?: LookupFunction): buildConnector.connector {
  const connect = buildConnector({ timeout: connectTimeoutMs, ...(lookup && { lookup }) });
  return (options, callback) => {
    connect(options, (error, socket) => {
      if (error) {
        callback(new ConnectError(error.message, { cause: error }), null);
      } else if (mayUse()) {
        callback(null, socket);
      } else {
        socket.destroy();
        callback(new Error('The request must no longer be sent.'), null);
      }
    });
  };
}

/**
 * A call in progress, with the received part of its answer. It handles undici's events itself, because a stream and an
 * AbortSignal for each call cost more than the call.
 */
class Exchange implements Dispatcher.DispatchHandler {
  private status: number | null = null;
  private headers: Readonly<Record<string, string>> = {};
  private readonly chunks: Buffer[] = [];
  private size = 0;
  private controller: Dispatcher.DispatchController | null = null;
  private isOver = false;
  private readonly end: Promise<CutReason | Error | null>;
  private resolve: (end: CutReason | Error | null) => void = () => undefined;

  constructor(
    private readonly method: 'GET' | 'POST',
    private readonly request: ExchangeRequest & { readonly body?: string },
    private readonly maySent: () => boolean,
  ) {
    this.end = new Promise((resolve) => (this.resolve = resolve));
  }

  async run(dispatcher: Dispatcher): Promise<ExchangeAnswer> {
    const { signal, timeoutMs } = this.request;
    if (signal.aborted) throw new ExchangeError(false, 'aborted');
    this.dispatch(dispatcher);
    const elapsedMs = elapsedSince();
    let lastRead: NodeJS.Timeout | undefined;
    const giveUp = (reason: 'timeout' | 'aborted'): void => {
      // After a suspension timers run before data in the kernel's buffers are read, which may contain a paid id.
      const isOverdue = elapsedMs() - timeoutMs > maxTimerDelayMs;
      lastRead ??= setTimeout(() => this.resolve(reason), isOverdue ? lastReadMs : 0);
    };
    const onAbort = (): void => {
      giveUp('aborted');
    };
    const timer = setTimeout(() => {
      giveUp('timeout');
    }, timeoutMs);
    // Many calls may share a signal; each removes its listener.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await this.answer(await this.end);
    } finally {
      clearTimeout(lastRead);
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      this.isOver = true;
      this.controller?.abort(over);
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // The call may have ended while it waited for a connection.
    if (this.isOver) controller.abort(over);
    else this.controller = controller;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Parameters<typeof joined>[0],
  ): void {
    if (status < 200) return;
    this.headers = joined(headers);
    this.status = status;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.size += chunk.length;
    const excess = Math.max(0, this.size - this.request.maxBytes);
    if (excess < chunk.length) this.chunks.push(chunk.subarray(0, chunk.length - excess));
    if (excess > 0) this.resolve('too-large');
  }

  onResponseEnd(): void {
    this.controller = null;
    this.resolve(null);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.controller = null;
    this.resolve(error);
  }

  private dispatch(dispatcher: Dispatcher): void {
    const { url, headers, body } = this.request;
    try {
      dispatcher.dispatch(
        {
          origin: url.origin,
          path: url.pathname + url.search,
          method: this.method,
          headers,
          body,
          reset: this.method === 'POST',
        },
        this,
      );
    } catch (error) {
      this.resolve(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private async answer(end: CutReason | Error | null): Promise<ExchangeAnswer> {
    if (this.status === null) throw this.failure(end);
    const raw = Buffer.concat(this.chunks);
    const cut = end instanceof Error ? 'reset' : end;
    if (cut) return { status: this.status, headers: this.headers, body: raw, cut };
    return {
      status: this.status,
      headers: this.headers,
      ...(await decompressed(raw, this.headers, this.request.maxBytes)),
    };
  }

  private failure(end: CutReason | Error | null): ExchangeError {
    if (end instanceof ConnectError) return new ExchangeError(false, 'unreachable', end.cause);
    const sent = this.maySent();
    if (end === 'timeout' || end === 'aborted') return new ExchangeError(sent, end);
    return new ExchangeError(sent, 'reset', end);
  }
}
