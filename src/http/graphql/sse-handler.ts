import { once } from 'node:events';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { OperationTypeNode, type ExecutionResult } from 'graphql';
import { withinMs } from '../../core/clock';
import { DomainError } from '../../core/errors';
import type { Viewer } from '../../core/viewer';
import { answerJson, refusalOf } from '../answers';
import { credentialsOf, type Authenticate } from '../authenticate';
import { createContext } from '../context';
import type { Exchange, Route } from '../exchange';
import { names } from '../media-types';
import type { Origins } from '../origins';
import type { RateGate } from '../rate-gate';
import type { Sessions } from '../sessions';
import { mutationByGet, readJsonBody, readParameters } from './graphql-body';
import { isPrepared, type Operations, type PreparedOperation } from './operations';

/** Bounds of one stream, in milliseconds. */
export interface SseLimits {
  /** Between pings. */
  readonly pingMs: number;
  /** How long a client may take to read what it was sent. */
  readonly slowestReadMs: number;
}

/** The bounds unless said otherwise. */
const sseLimits: SseLimits = { pingMs: 12_000, slowestReadMs: 12_000 };

/** What {@link SseHandler} needs. */
export interface SseHandlerOptions {
  readonly path: string;
  readonly operations: Operations;
  readonly authenticate: Authenticate;
  readonly sessions: Sessions;
  readonly origins: Origins;
  readonly limits?: Partial<SseLimits>;
  /** \@defaultValue no limit */
  readonly rates?: RateGate;
}

/**
 * Operations over server-sent events, in the "distinct connections mode" of graphql-sse's protocol: one stream an
 * operation, `next` for each result, `complete` at its end. Written here and not taken from graphql-sse, whose handler
 * keeps what a client does not read in memory without bound. A stream that ends without `complete` was cut off, and
 * may be asked for again with the last cursor.
 */
export class SseHandler {
  readonly route: Route;
  private readonly limits: SseLimits;
  private readonly open = new Set<EventStream>();

  constructor(private readonly options: SseHandlerOptions) {
    this.limits = { ...sseLimits, ...options.limits };
    this.route = {
      methods: ['GET', 'POST'],
      path: options.path,
      handle: (exchange) => this.handle(exchange),
    };
  }

  /** Ends every stream, without `complete`. */
  stop(): void {
    for (const stream of this.open) stream.end();
  }

  private async handle(exchange: Exchange): Promise<void> {
    const { request, response, requestId } = exchange;
    const { operations, authenticate, rates } = this.options;
    this.check(request.headers);
    rates?.countAddress(exchange);
    const viewer = await operations.inTime(authenticate(credentialsOf(request)));
    rates?.countOwner(viewer, exchange);
    const given = request.method === 'POST' ? await readJsonBody(exchange) : readParameters(exchange);
    const prepared = operations.prepare(given);
    const isMutation = isPrepared(prepared) && prepared.kind === OperationTypeNode.MUTATION;
    if (request.method === 'GET' && isMutation) {
      answerJson(response, 405, refusalOf(mutationByGet()).body, { allow: 'POST' });
      return;
    }
    const stream = new EventStream(response, this.limits);
    this.open.add(stream);
    try {
      if (isPrepared(prepared)) await this.run(prepared, viewer, stream, requestId);
      else await stream.next({ errors: operations.formatErrors(prepared, requestId) });
      await stream.complete();
    } finally {
      stream.end();
      this.open.delete(stream);
    }
  }

  private check(headers: IncomingHttpHeaders): void {
    if (this.options.origins.isForeign(headers)) {
      throw new DomainError('FORBIDDEN', 'Origin not allowed. Add it to CORS_ORIGINS.');
    }
    const { accept = '*/*' } = headers;
    if (!names(accept, 'text/event-stream') && !names(accept, '*/*')) {
      throw new DomainError('INVALID_INPUT', 'Accept text/event-stream here; /graphql answers with JSON.');
    }
  }

  private async run(
    { kind, args }: PreparedOperation,
    viewer: Viewer,
    stream: EventStream,
    requestId: string,
  ): Promise<void> {
    const { operations, sessions } = this.options;
    const context = createContext(viewer, requestId);
    const send = (result: ExecutionResult): Promise<void> =>
      stream.next(operations.format(result, requestId));
    if (kind !== OperationTypeNode.SUBSCRIPTION) {
      await send(await operations.execute({ ...args, contextValue: context }));
      return;
    }
    const results = await operations.subscribe(args, context);
    if (!(Symbol.asyncIterator in results)) {
      await send(results);
      return;
    }
    // Whatever ends the stream lets go of the source at once, also while it waits for an event.
    stream.onEnd(() => void results.return?.().catch(() => undefined));
    const endSession = sessions.begin(viewer, () => void this.expire(stream, requestId));
    try {
      for await (const result of results) {
        await send(result);
        if (stream.isOver) break;
      }
    } catch (error) {
      await stream.next({ errors: operations.formatErrors([error], requestId) });
    } finally {
      endSession();
    }
  }

  private async expire(stream: EventStream, requestId: string): Promise<void> {
    const error = new DomainError('UNAUTHENTICATED', 'Your credentials have expired. Sign in again.');
    await stream.next({ errors: this.options.operations.formatErrors([error], requestId) });
    await stream.complete();
    stream.end();
  }
}

/** One answer that goes on. Nothing is kept for a client that does not read: it is cut off. */
class EventStream {
  private readonly ping: NodeJS.Timeout;

  constructor(
    private readonly response: ServerResponse,
    private readonly limits: SseLimits,
  ) {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      // Proxies of nginx's kind would wait for the end.
      'x-accel-buffering': 'no',
    });
    // Some browsers take the headers for sent only when a byte follows.
    response.write(':\n\n');
    this.ping = setInterval(() => {
      if (!response.writableNeedDrain) response.write(':\n\n');
    }, limits.pingMs);
    this.onEnd(() => clearInterval(this.ping));
  }

  next(result: unknown): Promise<void> {
    return this.write(`event: next\ndata: ${JSON.stringify(result)}\n\n`);
  }

  complete(): Promise<void> {
    return this.write('event: complete\ndata:\n\n');
  }

  /** Nothing more can be told. A source that always has more must not be read on: no pause would ever come. */
  get isOver(): boolean {
    return this.response.closed || this.response.writableEnded;
  }

  /** Told once, however the stream ends. */
  onEnd(listener: () => void): void {
    if (this.response.closed) listener();
    else this.response.once('close', listener);
  }

  end(): void {
    if (!this.response.writableEnded) this.response.end();
  }

  /** Returns when the client has taken it; cuts the stream off if it does not. */
  private async write(text: string): Promise<void> {
    const { response } = this;
    if (this.isOver || response.write(text)) return;
    const settled = new AbortController();
    const events = ['drain', 'close'].map((event) => once(response, event, { signal: settled.signal }));
    const late = (): Error => new Error('The stream was not read.');
    try {
      await withinMs(this.limits.slowestReadMs, Promise.race(events), late);
    } catch {
      response.destroy();
    } finally {
      settled.abort();
    }
  }
}
