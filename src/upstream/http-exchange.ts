import { setMaxListeners } from 'node:events';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { Agent, buildConnector, Client, type Dispatcher } from 'undici';

/** One call over HTTP. */
export interface ExchangeRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** From the start of connecting to the last byte of the answer, in milliseconds; not an idle time. */
  readonly timeoutMs: number;
  /** The most bytes of body taken, as sent and again after inflation. */
  readonly maxBytes: number;
  /** Ends the call early. */
  readonly signal: AbortSignal;
}

/** Why the body of an answer ends before its end. */
export type CutReason = 'too-large' | 'timeout' | 'aborted' | 'reset' | 'encoding';

/** What came back. A 3xx is an answer like any other: redirects are never followed. */
export interface ExchangeAnswer {
  readonly status: number;
  /** By lower-case name; the values of a repeated header are joined by comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** Inflated; only its beginning where `cut` is set. */
  readonly body: Buffer;
  /** Null if the body is whole. */
  readonly cut: CutReason | null;
}

const problems = {
  timeout: 'did not answer in time',
  aborted: 'was given up before an answer came',
  unreachable: 'could not be reached',
  reset: 'ended the connection without an answer',
} as const;

/** No status line came back. The message names no URL. */
export class ExchangeError extends Error {
  /**
   * @param sent - false only if not a byte of the request can have left: no connection, TLS included, was ever made
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
 * Bounded HTTP calls: a deadline over all, a limit on bytes, no redirects, and certainty about what was sent.
 *
 * The deadline is an own timer that is raced against the call, so it holds even where an abort fails to reach a body
 * that is being read (nodejs/undici #4627).
 */
export class HttpExchange {
  private readonly pool: Agent;

  /** @param connections - the most connections that GETs keep open to one origin; further calls wait for one */
  constructor(connections: number) {
    this.pool = new Agent({ ...limits, connections, connect: connector(noRule) });
  }

  /**
   * Asks, on a pooled connection. May be written twice, where a pooled connection turns out to be dead.
   * @throws ExchangeError
   */
  async get(request: ExchangeRequest): Promise<ExchangeAnswer> {
    // Which connection a pooled request is on is not known here: only a failed connect tells that nothing was sent.
    return new Exchange('GET', request, () => true).run(this.pool);
  }

  /**
   * Sends JSON at most once, whatever happens: on a connection of its own, so that it is never written to an idle one
   * that is dead already, and with a connector that will not connect a second time.
   * @throws ExchangeError
   */
  async postOnce(request: ExchangeRequest & { readonly body: string }): Promise<ExchangeAnswer> {
    let connected = false;
    let over = false;
    const startedAt = Date.now();
    const mayConnect = (): boolean => {
      // A process that was suspended meanwhile may come here before its timers: the call counts as ended elsewhere.
      const isLate = Date.now() - startedAt >= Math.min(request.timeoutMs, maxConnectMs);
      if (connected || over || isLate) return false;
      connected = true;
      return true;
    };
    const client = new Client(request.url.origin, { ...limits, connect: connector(mayConnect) });
    try {
      return await new Exchange('POST', request, () => connected).run(client);
    } finally {
      over = true;
      void client.destroy();
    }
  }

  /** Closes the pooled connections; calls on them end as reset. */
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

/** Milliseconds that making a connection may take, TLS included, within the call's own limit. */
const connectTimeoutMs = 10_000;
/**
 * A connection that took longer was made by a process that was suspended meanwhile, in milliseconds. Bounds the time
 * between the beginning of a paid call and its arrival, which grace periods are measured from.
 */
const maxConnectMs = 2 * connectTimeoutMs;

/** A time limit that ends a call by so much too late ends it in a process that was suspended, in milliseconds. */
const maxTimerDelayMs = 200;
/** How long such a process reads what has come in meanwhile before it gives the call up, in milliseconds. */
const lastReadMs = 1_000;

/** The connection was never made. */
class ConnectError extends Error {}

const noRule = (): boolean => true;

/** Connects, and tells every failure to do so apart from all later ones. */
function connector(mayUse: () => boolean): buildConnector.connector {
  const connect = buildConnector({ timeout: connectTimeoutMs });
  return (options, callback) => {
    connect(options, (error, socket) => {
      if (error) {
        callback(new ConnectError(error.message, { cause: error }), null);
      } else if (mayUse()) {
        callback(null, socket);
      } else {
        socket.destroy();
        callback(new Error('The request may not be written any more.'), null);
      }
    });
  };
}

/** One call under way, with what has come of its answer. */
class Exchange {
  private status: number | null = null;
  private headers: Readonly<Record<string, string>> = {};
  private readonly chunks: Buffer[] = [];

  constructor(
    private readonly method: 'GET' | 'POST',
    private readonly request: ExchangeRequest & { readonly body?: string },
    private readonly maySent: () => boolean,
  ) {}

  async run(dispatcher: Dispatcher): Promise<ExchangeAnswer> {
    const { signal, timeoutMs } = this.request;
    if (signal.aborted) throw new ExchangeError(false, 'aborted');
    const cancel = new AbortController();
    const reading = this.read(dispatcher, cancel.signal);
    const startedAt = Date.now();
    let lastRead: NodeJS.Timeout | undefined;
    let giveUp: (reason: 'timeout' | 'aborted') => void = () => undefined;
    const late = new Promise<'timeout' | 'aborted'>((resolve) => {
      giveUp = (reason) => {
        // After a suspension timers come before what the kernel has received meanwhile, which may be a paid id.
        const isOverdue = Date.now() - startedAt - timeoutMs > maxTimerDelayMs;
        lastRead ??= setTimeout(() => resolve(reason), isOverdue ? lastReadMs : 0);
      };
    });
    const onAbort = (): void => {
      giveUp('aborted');
    };
    const timer = setTimeout(() => {
      giveUp('timeout');
    }, timeoutMs);
    // Many calls may share a signal; each takes its listener away again.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await this.answer(await Promise.race([reading, late]));
    } finally {
      clearTimeout(lastRead);
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      cancel.abort();
    }
  }

  /** Reads into this object; returns how that ended and does not throw. */
  private async read(dispatcher: Dispatcher, signal: AbortSignal): Promise<CutReason | Error | null> {
    const { url, headers, body, maxBytes } = this.request;
    try {
      const response = await dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: this.method,
        headers,
        body,
        signal,
        reset: this.method === 'POST',
      });
      this.headers = joined(response.headers);
      this.status = response.statusCode;
      let size = 0;
      for await (const chunk of response.body as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > maxBytes) return 'too-large';
        this.chunks.push(chunk);
      }
      return null;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
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
      ...(await inflated(raw, this.headers, this.request.maxBytes)),
    };
  }

  private failure(end: CutReason | Error | null): ExchangeError {
    if (end instanceof ConnectError) return new ExchangeError(false, 'unreachable', end.cause);
    const sent = this.maySent();
    if (end === 'timeout' || end === 'aborted') return new ExchangeError(sent, end);
    return new ExchangeError(sent, 'reset', end);
  }
}

function joined(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) result[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return result;
}

const inflaters = new Map([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
]);

/** Inflates what was compressed although nobody asked for it, never to more than the limit. */
async function inflated(
  raw: Buffer,
  headers: Readonly<Record<string, string>>,
  maxBytes: number,
): Promise<Pick<ExchangeAnswer, 'body' | 'cut'>> {
  const encoding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity' || encoding === '') return { body: raw, cut: null };
  const inflater = inflaters.get(encoding);
  if (!inflater) return { body: raw, cut: 'encoding' };
  try {
    return { body: await inflater(raw, { maxOutputLength: maxBytes }), cut: null };
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    return { body: raw, cut: isTooLarge ? 'too-large' : 'encoding' };
  }
}
