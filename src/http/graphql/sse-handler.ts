import { once } from 'node:events';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { OperationTypeNode, type ExecutionResult } from 'graphql';
import { withinMs } from '../../core/clock';
import { DomainError } from '../../core/errors';
import { ownerHash } from '../../core/owner-hash';
import type { Viewer } from '../../core/viewer';
import { createContext } from '../../graphql/context';
import { names } from '../media-types';
import { sendJson, errorBody } from '../responses';
import type { Exchange, Route } from '../router';
import { stoppingError } from '../serving';
import { mutationByGet, readOperationJson } from './graphql-request';
import { spreadOf } from './open-streams';
import { isOpen } from './open-subscription';
import { isMutation, isPrepared, type PreparedOperation } from './prepared-operation';
import { authenticateRequest, signalOf, type TransportOptions } from './transport';

/** Limits of a stream, in milliseconds. */
export interface SseLimits {
  /** Ping interval. */
  readonly pingMs: number;
  /** Maximum time that a client may take to read sent data. */
  readonly maxReadMs: number;
}

/** Default limits. */
const defaultLimits: SseLimits = { pingMs: 12_000, maxReadMs: 12_000 };

/** The latest time at which clients of a stopping server are asked to connect again, in milliseconds; as for WebSockets. */
const maxRetryMs = 3_000;

export interface SseHandlerOptions extends TransportOptions {
  readonly limits?: Partial<SseLimits>;
}

/**
 * Operations over server-sent events, in the "distinct connections mode" of the graphql-sse protocol: one stream per
 * operation, `next` for each result, `complete` at its end. graphql-sse's own handler is not used because it buffers
 * unread data without limit. A stream that ends without `complete` was interrupted; the client can resume with its last
 * cursor.
 */
export class SseHandler {
  readonly route: Route;
  private readonly limits: SseLimits;
  private readonly open = new Set<EventStream>();
  private isStopping = false;

  constructor(private readonly options: SseHandlerOptions) {
    this.limits = { ...defaultLimits, ...options.limits };
    this.route = {
      methods: ['GET', 'POST'],
      path: options.path,
      handle: (exchange) => this.handle(exchange),
    };
  }

  /**
   * Ends every stream without `complete`, at different times within {@link spreadOf}. The field `retry` makes `EventSource`
   * connect again after a random delay.
   */
  stop(graceMs: number): void {
    this.isStopping = true;
    const spreadMs = spreadOf(this.open.size, graceMs);
    for (const stream of this.open) {
      const timer = setTimeout(() => stream.interrupt(), Math.random() * spreadMs);
      stream.onEnd(() => clearTimeout(timer));
    }
  }

  private async handle(exchange: Exchange): Promise<void> {
    const { request, response } = exchange;
    const { operations, origins, sessions } = this.options;
    origins.check(request.headers);
    checkAccept(request.headers);
    const viewer = await authenticateRequest(exchange, this.options);
    const prepared = operations.prepare(resumed(await readOperationJson(exchange), request.headers));
    sessions.check(viewer);
    if (request.method === 'GET' && isMutation(prepared)) {
      sendJson(response, 405, errorBody(mutationByGet()), { allow: 'POST' });
      return;
    }
    if (this.isStopping) throw stoppingError();
    const stream = new EventStream(response, this.limits);
    this.open.add(stream);
    try {
      if (isPrepared(prepared)) await this.run(prepared, viewer, stream, exchange);
      else await stream.next(this.textOf(prepared, exchange));
      await stream.complete();
    } finally {
      stream.end();
      this.open.delete(stream);
    }
  }

  private async run(
    { kind, args }: PreparedOperation,
    viewer: Viewer,
    stream: EventStream,
    exchange: Exchange,
  ): Promise<void> {
    const { requestId, notes } = exchange;
    const { operations, sessions } = this.options;
    notes.owner = ownerHash(viewer.owner);
    const context = createContext(viewer, requestId, { notes });
    const send = (result: ExecutionResult): Promise<void> | undefined =>
      stream.next(operations.results.textOf(result, requestId));
    if (kind !== OperationTypeNode.SUBSCRIPTION) {
      await send(await operations.respondAfterWait(args, context, stream.signal));
      return;
    }
    let endSession: (() => void) | undefined;
    try {
      // Before the subscription is opened, which counts a use of a client token.
      endSession = sessions.begin(viewer, (error) => void this.endWith(error, stream, exchange));
      const opened = await operations.subscribe(args, context);
      if (!isOpen(opened)) {
        await send(opened);
        return;
      }
      // The end of the stream releases the source immediately, also while it waits for an event.
      stream.onEnd(() => opened.stop());
      const sendEvent = (result: ExecutionResult): Promise<void> | undefined => {
        operations.streams.sent('sse');
        return send(result);
      };
      await operations.streams.follow('sse', opened.deliver({ send: sendEvent }));
    } catch (error) {
      await stream.next(this.textOf([error], exchange));
    } finally {
      endSession?.();
    }
  }

  private textOf(errors: readonly unknown[], exchange: Exchange): string {
    return JSON.stringify({ errors: this.options.operations.results.refuse(errors, exchange) });
  }

  private async endWith(error: DomainError, stream: EventStream, exchange: Exchange): Promise<void> {
    await stream.next(this.textOf([error], exchange));
    await stream.complete();
    stream.end();
  }
}

function checkAccept({ accept = '*/*' }: IncomingHttpHeaders): void {
  if (names(accept, 'text/event-stream') || names(accept, '*/*')) return;
  throw new DomainError(
    'INVALID_INPUT',
    'The Accept header must include text/event-stream. For JSON, use /graphql.',
  );
}

/**
 * With the header `Last-Event-ID`, which browsers send when they connect again, the variable `after` has its value.
 * Operations that do not declare that variable ignore it.
 */
function resumed(given: unknown, headers: IncomingHttpHeaders): unknown {
  const after = headers['last-event-id'];
  if (typeof after !== 'string' || after === '' || typeof given !== 'object' || given === null) return given;
  const { variables } = given as { variables?: unknown };
  // Variables of another form are refused as such.
  if (typeof (variables ?? {}) !== 'object' || Array.isArray(variables)) return given;
  return { ...given, variables: { ...(variables as object | null), after } };
}

let latest: { text: string; id: string | null } = { text: '', id: null };

/** The `cursor` of an event, if it was selected. Subscribers share the text of an event, which is parsed once. */
function eventId(text: string): string | null {
  if (latest.text !== text) latest = { text, id: text.includes('"cursor":"') ? cursorIn(text) : null };
  return latest.id;
}

function cursorIn(text: string): string | null {
  const { data } = JSON.parse(text) as { data?: object | null };
  const [field] = Object.values(data ?? {}) as unknown[];
  const { cursor } = (field ?? {}) as { cursor?: unknown };
  return typeof cursor === 'string' && /^[!-~]+$/.test(cursor) ? cursor : null;
}

/** A response stream. Does not buffer for a client that does not read, but disconnects it. */
class EventStream {
  private readonly ping: NodeJS.Timeout;

  constructor(
    private readonly response: ServerResponse,
    private readonly limits: SseLimits,
  ) {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      // Prevents buffering by nginx and similar proxies.
      'x-accel-buffering': 'no',
    });
    // Some browsers process the headers only when a byte follows.
    response.write(':\n\n');
    this.ping = setInterval(() => {
      if (!response.writableNeedDrain) response.write(':\n\n');
    }, limits.pingMs);
    this.onEnd(() => clearInterval(this.ping));
  }

  /** @returns a promise if the client has to read before more is sent */
  next(text: string): Promise<void> | undefined {
    const id = eventId(text);
    return this.write(`event: next\n${id === null ? '' : `id: ${id}\n`}data: ${text}\n\n`);
  }

  complete(): Promise<void> | undefined {
    return this.write('event: complete\ndata:\n\n');
  }

  /** Whether nothing more can be sent. The caller must then stop reading the source. */
  get isOver(): boolean {
    return this.response.closed || this.response.writableEnded;
  }

  /** Aborted when the stream ends. */
  get signal(): AbortSignal {
    return signalOf(this.response);
  }

  /** Calls `listener` once when the stream ends for any reason. */
  onEnd(listener: () => void): void {
    if (this.response.closed) listener();
    else this.response.once('close', listener);
  }

  end(): void {
    if (!this.response.writableEnded) this.response.end();
  }

  /** Ends it and asks the client to connect again after a random delay. */
  interrupt(): void {
    void this.write(`retry: ${Math.ceil(Math.random() * maxRetryMs)}\n\n`);
    this.end();
  }

  private write(text: string): Promise<void> | undefined {
    return this.isOver || this.response.write(text) ? undefined : this.drained();
  }

  /** Resolves when the client has read the data; disconnects it if it is too slow. */
  private async drained(): Promise<void> {
    const { response } = this;
    const settled = new AbortController();
    const events = ['drain', 'close'].map((event) => once(response, event, { signal: settled.signal }));
    const late = (): Error => new Error('The stream was not read.');
    try {
      await withinMs(this.limits.maxReadMs, Promise.race(events), late);
    } catch {
      response.destroy();
    } finally {
      settled.abort();
    }
  }
}
