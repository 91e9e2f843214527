import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { DomainError } from '../core/errors';
import { newId } from '../core/ids';
import type { Logger } from '../core/logger';
import { currentTraceparent, isTracing, traced, type Span } from '../core/tracing';
import { listenError } from './address-check';
import { AnswerLines } from './answer-lines';
import type { Connections } from './connection-limits';
import type { Origins } from './origins';
import { sendError, sendJson, refuseSocket, securityHeaders, setHeaders } from './responses';
import { Router, type Exchange, type Route } from './router';
import { ServerExchange } from './server-exchange';
import { stoppingError, type Serving } from './serving';

/** A request that was answered, or whose client has left. */
export interface AnsweredRequest {
  /** As sent by the client. */
  readonly method: string;
  /** The pattern of the path; null for an unknown path. */
  readonly route: string | null;
  readonly status: number;
  readonly ms: number;
}

/** Handles HTTP upgrade requests. */
export interface UpgradeHandler {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

export interface HttpServerOptions {
  readonly host: string;
  /** 0: a free port. */
  readonly port: number;
  /** The beginning of the names of the settings of host and port. @defaultValue empty */
  readonly settingPrefix?: string;
  readonly routes: readonly Route[];
  /** Null in processes that only run workers. */
  readonly sockets: UpgradeHandler | null;
  readonly origins: Origins;
  readonly connections: Connections;
  readonly serving: Serving;
  /** Called before a request is refused for its Host header or its path. Never rejects. */
  readonly onRefused?: (path: string, reason: 'host' | 'path') => Promise<void>;
  /** Called at the end of each request. @defaultValue none */
  readonly onAnswered?: (answered: AnsweredRequest) => void;
  /** Whether clients use HTTPS through a proxy; enables Strict-Transport-Security. */
  readonly isHttps: boolean;
  readonly logger: Logger;
  /** The share of answers that have a log line, of those that are neither errors nor slow. @defaultValue 1 */
  readonly answerSample?: number;
}

/**
 * Timeouts of connections, in milliseconds.
 * - `headers`: from the first byte of a request to the end of its headers
 * - `request`: to the end of its body; 25 MB take 200 s at 1 Mbit/s
 * - `idle`: without a byte in either direction; longer than the ping interval of streams
 * - `keepAlive`: between requests; longer than the 60 s of common load balancers, so that they close first
 */
const bounds = {
  headers: 10_000,
  request: 300_000,
  idle: 120_000,
  keepAlive: 65_000,
} as const;

/** Request ids of clients that are safe to log. */
const requestIdPattern = /^[A-Za-z0-9._-]{8,64}$/;
/** The form of the request ids that the gateway makes. */
const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The HTTP server of the gateway. */
export class HttpServer {
  private readonly server: Server;
  private readonly router: Router;
  private readonly answerLines: AnswerLines;
  private readonly open = new Set<ServerResponse>();
  private starting: Promise<{ port: number; url: string }> | null = null;
  private stopping: Promise<void> | null = null;

  constructor(private readonly options: HttpServerOptions) {
    this.router = new Router(options.routes);
    this.answerLines = new AnswerLines(options.logger, options.answerSample);
    this.server = createServer({
      headersTimeout: bounds.headers,
      requestTimeout: bounds.request,
      keepAliveTimeout: bounds.keepAlive,
      connectionsCheckingInterval: 2_000,
    });
    this.admitConnections(options.connections);
    this.server.setTimeout(bounds.idle);
    this.server.on('request', (request, response) => void this.handle(request, response, false));
    this.server.on('checkContinue', (request, response) => void this.handle(request, response, true));
    this.server.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head));
    this.server.on('clientError', (error, socket) => this.refuseMalformed(error, socket));
  }

  /**
   * Starts listening. Further calls return the result of the first.
   * @returns the port and the local URL
   * @throws Error if the port is in use or not permitted
   */
  start(): Promise<{ port: number; url: string }> {
    this.starting ??= this.listen();
    return this.starting;
  }

  /**
   * Stops accepting connections, waits at most `graceMs` for running requests, then closes their connections. Streams and
   * WebSockets must be closed by their handlers. Resolves when all connections are closed.
   */
  stop(graceMs: number): Promise<void> {
    this.options.serving.phase = 'stopping';
    return (this.stopping ??= this.drain(graceMs));
  }

  /** Passes only admitted connections to Node's own listener, which starts reading. */
  private admitConnections(connections: Connections): void {
    const [serve] = this.server.listeners('connection');
    this.server.removeAllListeners('connection');
    this.server.on('connection', (socket) => {
      if (connections.admit(socket)) serve!.call(this.server, socket);
    });
  }

  private async listen(): Promise<{ port: number; url: string }> {
    const { host, port, settingPrefix } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (cause) => {
        void listenError(cause, host, port, settingPrefix).then(reject);
      });
      this.server.listen(port, host, resolve);
    });
    const { port: taken } = this.server.address() as AddressInfo;
    return { port: taken, url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}` };
  }

  private async drain(graceMs: number): Promise<void> {
    if (!this.starting) return;
    await this.starting.catch(() => undefined);
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const response of this.open) lastOfItsConnection(response);
    const timer = setTimeout(() => this.server.closeAllConnections(), graceMs);
    await closed;
    clearTimeout(timer);
  }

  private async handle(
    request: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
  ): Promise<void> {
    const exchange = this.begin(request, response, expectsContinue);
    try {
      await this.answer(exchange);
    } catch (error) {
      sendError(exchange, error);
    }
  }

  private begin(
    request: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
  ): ServerExchange {
    const { logger, origins, isHttps } = this.options;
    const given = request.headers['x-request-id'];
    const requestId = typeof given === 'string' && requestIdPattern.test(given) ? given : newId();
    const url = request.url ?? '';
    const pathEnd = url.includes('?') ? url.indexOf('?') : url.length;
    const [path, query] = [url.slice(0, pathEnd), url.slice(pathEnd + 1)];
    setHeaders(response, securityHeaders);
    setHeaders(response, origins.corsHeaders(request.headers));
    response.setHeader('x-request-id', requestId);
    if (isHttps) response.setHeader('strict-transport-security', 'max-age=31536000');
    if (this.options.serving.phase !== 'serving') lastOfItsConnection(response);
    this.open.add(response);
    return new ServerExchange(request, response, { path, query, requestId, expectsContinue, logger });
  }

  private async answer(exchange: ServerExchange): Promise<void> {
    const { request, response, path } = exchange;
    const method = request.method ?? '';
    const match = this.router.find(method, path);
    this.logWhenDone(exchange, match);
    if (!isTracing()) return this.dispatch(exchange, match);
    const { traceparent } = request.headers;
    const caller = typeof traceparent === 'string' ? traceparent : null;
    const route = match.route?.path;
    const attributes = {
      'http.request.method': method.slice(0, 10),
      'http.route': route,
      // A client may have chosen another text, and the log has the trace of each request.
      'likeness.request_id': uuidPattern.test(exchange.requestId) ? exchange.requestId : undefined,
    };
    const work = async (span: Span): Promise<void> => {
      exchange.notes.traceId = currentTraceparent()?.split('-')[1];
      try {
        await this.dispatch(exchange, match);
      } finally {
        span.set({ 'http.response.status_code': response.statusCode });
      }
    };
    return traced(`${method.slice(0, 10)} ${route ?? 'unknown'}`, attributes, work, {
      kind: 'server',
      caller,
    });
  }

  private async dispatch(exchange: ServerExchange, match: ReturnType<Router['find']>): Promise<void> {
    const { request, response, path } = exchange;
    const method = request.method ?? '';
    if (!this.options.origins.isHostKnown(request.headers.host))
      return this.refuse(path, 'host', unknownHost());
    if (match.route) {
      exchange.params = match.params;
      await match.route.handle(exchange);
    } else if (match.allowed.length === 0) {
      await this.refuse(path, 'path', new DomainError('NOT_FOUND', 'Not found.'));
    } else if (method === 'OPTIONS') {
      const headers = this.options.origins.preflightHeaders(request.headers, match.allowed);
      response.writeHead(204, { allow: match.allowed.join(', '), ...headers }).end();
    } else {
      await this.options.onRefused?.(path, 'path');
      const message = `Method ${method} not allowed. Use ${match.allowed.join(' or ')}.`;
      sendJson(response, 405, { code: 'INVALID_INPUT', message }, { allow: match.allowed.join(', ') });
    }
  }

  private async refuse(path: string, reason: 'host' | 'path', error: DomainError): Promise<never> {
    await this.options.onRefused?.(path, reason);
    throw error;
  }

  private logWhenDone(exchange: Exchange, { route }: ReturnType<Router['find']>): void {
    const { request, response } = exchange;
    const startedMs = performance.now();
    const level = route?.isQuiet === true ? 'debug' : 'info';
    response.once('close', () => {
      this.open.delete(response);
      if (this.stopping) this.server.closeIdleConnections();
      const ms = performance.now() - startedMs;
      const { method = '' } = request;
      this.options.onAnswered?.({ method, route: route?.path ?? null, status: response.statusCode, ms });
      const isError = isFailed(exchange);
      this.answerLines.write(level, 'request', { ms, isError }, () => lineOf(exchange, ms));
    });
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    if (this.stopping) {
      refuseSocket(socket, 503, 'SERVICE_UNAVAILABLE', stoppingError().message);
    } else if (!this.options.origins.isHostKnown(request.headers.host)) {
      refuseSocket(socket, 403, 'FORBIDDEN', unknownHost().message);
    } else if (!this.options.sockets) {
      refuseSocket(socket, 404, 'NOT_FOUND', 'This process runs workers only (ROLE=worker).');
    } else {
      this.options.sockets.upgrade(request, socket, head);
    }
  }

  /** Responds to malformed HTTP, slow requests and oversized headers. */
  private refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
    const isAnswered = [...this.open].some((response) => response.socket === socket && response.headersSent);
    if (error.code === 'ECONNRESET' || !socket.writable || isAnswered) {
      socket.destroy();
    } else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
      refuseSocket(socket, 408, 'TIMEOUT', 'The request was not received in time. Retry.');
    } else if (error.code === 'HPE_HEADER_OVERFLOW') {
      refuseSocket(socket, 431, 'REQUEST_TOO_LARGE', 'The headers are larger than 16 kB.');
    } else {
      refuseSocket(socket, 400, 'INVALID_INPUT', 'Malformed HTTP request.');
    }
  }
}

/** Whether the answer is an error, has errors, or was not sent completely. */
function isFailed({ response, notes }: Exchange): boolean {
  return response.statusCode >= 400 || notes.codes !== undefined || !response.writableFinished;
}

/** The log line of a request. */
function lineOf({ request, response, path, requestId, notes }: Exchange, ms: number): object {
  return {
    requestId,
    method: request.method,
    path: path.slice(0, 200),
    status: response.statusCode,
    ms: Math.round(ms),
    ...notes,
    ...(!response.writableFinished && { aborted: true }),
  };
}

function lastOfItsConnection(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close');
}

function unknownHost(): DomainError {
  return new DomainError(
    'FORBIDDEN',
    'This gateway runs without authentication (AUTH=none) and accepts only loopback host names. ' +
      'Use http://localhost, or set PUBLIC_URL to this host.',
  );
}
