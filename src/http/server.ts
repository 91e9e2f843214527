import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { DomainError } from '../core/errors';
import { newId } from '../core/ids';
import type { Logger } from '../core/logger';
import { answerError, answerJson, rawAnswer, type Headers } from './answers';
import type { Connections } from './connections';
import { endSoon } from './end-soon';
import type { Exchange, Route } from './exchange';
import type { Origins } from './origins';
import { Router } from './router';

/** Takes requests that want to become WebSockets. */
export interface UpgradeHandler {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** What {@link HttpServer} needs. */
export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly routes: readonly Route[];
  /** Null where there are no WebSockets: in a process that only works. */
  readonly sockets: UpgradeHandler | null;
  readonly origins: Origins;
  readonly connections: Connections;
  /** Whether clients come by https, through a proxy: browsers are then told to stay with it. */
  readonly isHttps: boolean;
  readonly logger: Logger;
}

/**
 * Bounds of connections. Milliseconds.
 * - `headers`: from the first byte of a request to the end of its headers
 * - `request`: to the end of its body; 25 MB take 200 s at 1 Mbit/s
 * - `idle`: no byte in either direction; streams are pinged more often
 * - `keepAlive`: between requests; longer than the 60 s of common load balancers, so that they close first
 */
const bounds = {
  headers: 10_000,
  request: 300_000,
  idle: 120_000,
  keepAlive: 65_000,
} as const;

/** For every answer; a route that needs others overrides them. */
const securityHeaders: Headers = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

/** A client's own id for a request is kept if it cannot confuse a log. */
const requestIdPattern = /^[A-Za-z0-9._-]{8,64}$/;

/** The one port of the gateway. */
export class HttpServer {
  private readonly server: Server;
  private readonly router: Router;
  private readonly open = new Set<ServerResponse>();
  private starting: Promise<{ port: number; url: string }> | null = null;
  private stopping: Promise<void> | null = null;

  constructor(private readonly options: HttpServerOptions) {
    this.router = new Router(options.routes);
    this.server = createServer({
      headersTimeout: bounds.headers,
      requestTimeout: bounds.request,
      keepAliveTimeout: bounds.keepAlive,
      connectionsCheckingInterval: 2_000,
    });
    this.admitConnections(options.connections);
    this.server.setTimeout(bounds.idle);
    this.server.on('request', (request, response) => void this.take(request, response, false));
    this.server.on('checkContinue', (request, response) => void this.take(request, response, true));
    this.server.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head));
    this.server.on('clientError', (error, socket) => this.refuseGarbage(error, socket));
  }

  /**
   * Listens. A second call gives the first one's result.
   * @returns the port, and the address under which this machine reaches it
   * @throws Error if the port is taken or may not be used
   */
  start(): Promise<{ port: number; url: string }> {
    this.starting ??= this.listen();
    return this.starting;
  }

  /**
   * Takes no new connections, lets requests under way finish for at most `graceMs`, then cuts them off. Streams and
   * sockets must be closed by those who hold them. Returns when the last connection is gone.
   */
  stop(graceMs: number): Promise<void> {
    this.stopping ??= this.drain(graceMs);
    return this.stopping;
  }

  /** Node's own listener, which begins to read, gets only what is admitted. */
  private admitConnections(connections: Connections): void {
    const [serve] = this.server.listeners('connection');
    this.server.removeAllListeners('connection');
    this.server.on('connection', (socket) => {
      if (connections.admit(socket)) serve!.call(this.server, socket);
    });
  }

  private async listen(): Promise<{ port: number; url: string }> {
    const { host, port } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (cause) => {
        reject(
          new Error(`Port ${port} of ${host} cannot be used; set PORT or HOST to another one.`, { cause }),
        );
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

  private async take(
    request: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
  ): Promise<void> {
    const exchange = this.begin(request, response, expectsContinue);
    try {
      await this.answer(exchange);
    } catch (error) {
      answerError(exchange, error);
    }
  }

  private begin(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Exchange {
    const { logger, origins, isHttps } = this.options;
    const given = request.headers['x-request-id'];
    const requestId = typeof given === 'string' && requestIdPattern.test(given) ? given : newId();
    const [path = '', query] = (request.url ?? '').split(/\?(.*)/s, 2);
    setHeaders(response, {
      ...securityHeaders,
      ...origins.corsHeaders(request.headers),
      'x-request-id': requestId,
    });
    if (isHttps) response.setHeader('strict-transport-security', 'max-age=31536000');
    if (this.stopping) lastOfItsConnection(response);
    this.open.add(response);
    return {
      request,
      response,
      path,
      query: new URLSearchParams(query),
      params: {},
      requestId,
      logger: logger.child({ requestId }),
      expectsContinue,
    };
  }

  private async answer(exchange: Exchange): Promise<void> {
    const { request, response, path } = exchange;
    const method = request.method ?? '';
    const match = this.router.find(method, path);
    this.logWhenDone(exchange, match.route?.isQuiet === true);
    if (!this.options.origins.isHostKnown(request.headers.host)) throw unknownHost();
    if (match.route) {
      await match.route.handle({ ...exchange, params: match.params });
    } else if (match.allowed.length === 0) {
      throw new DomainError('NOT_FOUND', 'Not found.');
    } else if (method === 'OPTIONS') {
      const headers = this.options.origins.preflightHeaders(request.headers, match.allowed);
      response.writeHead(204, { allow: match.allowed.join(', '), ...headers }).end();
    } else {
      const message = `This address answers ${match.allowed.join(' and ')}, not ${method}.`;
      answerJson(response, 405, { code: 'INVALID_INPUT', message }, { allow: match.allowed.join(', ') });
    }
  }

  private logWhenDone({ request, response, path, logger }: Exchange, isQuiet: boolean): void {
    const startedMs = performance.now();
    response.once('close', () => {
      this.open.delete(response);
      if (this.stopping) this.server.closeIdleConnections();
      const facts = {
        method: request.method,
        path: path.slice(0, 200),
        status: response.statusCode,
        ms: Math.round(performance.now() - startedMs),
        ...(!response.writableFinished && { aborted: true }),
      };
      if (isQuiet) logger.debug(facts, 'request');
      else logger.info(facts, 'request');
    });
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    if (this.stopping) {
      endSoon(socket, rawAnswer(503, 'SERVICE_UNAVAILABLE', 'The server is stopping; connect again.'));
    } else if (!this.options.origins.isHostKnown(request.headers.host)) {
      endSoon(socket, rawAnswer(403, 'FORBIDDEN', unknownHost().message));
    } else if (!this.options.sockets) {
      endSoon(socket, rawAnswer(404, 'NOT_FOUND', 'This process only works; ask one that answers clients.'));
    } else {
      this.options.sockets.upgrade(request, socket, head);
    }
  }

  /** What is no HTTP, or comes too slowly, or has too large headers. */
  private refuseGarbage(error: NodeJS.ErrnoException, socket: Duplex): void {
    const isAnswered = [...this.open].some((response) => response.socket === socket && response.headersSent);
    if (error.code === 'ECONNRESET' || !socket.writable || isAnswered) {
      socket.destroy();
    } else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
      endSoon(socket, rawAnswer(408, 'TIMEOUT', 'The request did not come in time. Send it again.'));
    } else if (error.code === 'HPE_HEADER_OVERFLOW') {
      endSoon(socket, rawAnswer(431, 'REQUEST_TOO_LARGE', 'The headers are larger than 16 kB.'));
    } else {
      endSoon(socket, rawAnswer(400, 'INVALID_INPUT', 'This is no HTTP request.'));
    }
  }
}

function setHeaders(response: ServerResponse, headers: Headers): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

function lastOfItsConnection(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close');
}

function unknownHost(): DomainError {
  return new DomainError(
    'FORBIDDEN',
    'This gateway asks nobody who they are (AUTH=none), so it answers only to names of its own machine. ' +
      'Use http://localhost, or name the host in PUBLIC_URL.',
  );
}
