import { randomUUID, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { codeOf } from '../core/errors';
import type { Logger } from '../core/logger';
import {
  executes,
  FaultError,
  type FaultQueue,
  isPaid,
  type Operation,
  operations,
  effectOf,
  parseFault,
} from './faults';
import { misbehave } from './misbehaviour';
import { ErrorReply, type Reply, send } from './replies';
import type { RequestWindow, WindowReading } from './request-window';
import { allow, originOf, readJson, type OperationRoute, routeOf } from './routes';
import type { FaultEffect, SandboxService } from './service';
import type { SandboxCounts, SandboxStore } from './store';

/** Executed paid calls, and calls received since the start. */
export interface SandboxReading extends SandboxCounts {
  /** Calls that reached an operation, including refused ones. */
  calls: Record<Operation, number>;
  /** Calls refused with 429. */
  limited: number;
}

interface SandboxServerDeps {
  readonly service: SandboxService;
  readonly store: SandboxStore;
  readonly faults: FaultQueue;
  readonly window: RequestWindow;
  readonly apiKey: string;
  readonly logger: Logger;
}

/** Handles HTTP requests: authentication, rate limit, routing, and faults. */
export class SandboxServer {
  private readonly calls = Object.fromEntries(operations.map((operation) => [operation, 0])) as Record<
    Operation,
    number
  >;
  private limited = 0;

  constructor(private readonly deps: SandboxServerDeps) {}

  /** Answers one request; never throws. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const headers: Record<string, string> = { 'X-Picsart-Correlation-Id': randomUUID() };
    try {
      await this.answer(request, response, headers);
    } catch (error) {
      if (response.headersSent || response.destroyed) response.destroy();
      else send(response, this.errorReplyOf(error).reply, headers);
    }
  }

  private async answer(
    request: IncomingMessage,
    response: ServerResponse,
    headers: Record<string, string>,
  ): Promise<void> {
    const path = (request.url ?? '/').split('?')[0]!;
    if (path === '/') {
      send(response, { status: 200, body: about }, headers);
    } else if (path.startsWith('/sandbox/')) {
      send(response, await this.administer(request, path), headers);
    } else {
      if (!path.startsWith('/results/')) this.admit(request, headers);
      await this.perform(request, response, path, headers);
    }
  }

  /** Runs an operation and responds, both subject to a pending fault. */
  private async perform(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    headers: Record<string, string>,
  ): Promise<void> {
    const { route, ids } = routeOf(path, request.method);
    this.calls[route.operation] += 1;
    const fault = this.deps.faults.take(route.operation);
    const earlierId = fault?.kind === 'duplicate-id' ? this.latestId(route.operation) : undefined;
    const disconnected = new AbortController();
    response.on('close', () => {
      disconnected.abort();
    });
    const effect = { outcome: effectOf(fault), signal: disconnected.signal };
    const isSkipped = fault !== undefined && isPaid(route.operation) && !executes(fault);
    const reply = isSkipped ? null : await this.replyOf(route, request, ids, effect);
    headers['X-Picsart-Credit-Available'] = String(this.deps.store.credits);
    if (fault) misbehave(response, fault, reply, headers, earlierId);
    else if (reply) send(response, reply, headers);
  }

  private async replyOf(
    route: OperationRoute,
    request: IncomingMessage,
    ids: readonly string[],
    effect: FaultEffect,
  ): Promise<Reply> {
    try {
      const body = isPaid(route.operation) ? await readJson(request) : null;
      return await route.run(this.deps.service, { ids, body, origin: originOf(request), effect });
    } catch (error) {
      return this.errorReplyOf(error).reply;
    }
  }

  /** Checks the key, the rate limit and the Accept header, in this order. */
  private admit(request: IncomingMessage, headers: Record<string, string>): void {
    this.checkKey(request);
    const reading = this.deps.window.take(Date.now());
    Object.assign(headers, limitHeaders(reading));
    headers['X-Picsart-Credit-Available'] = String(this.deps.store.credits);
    if (reading.isOver) {
      this.limited += 1;
      throw new ErrorReply(429, 'The rate limit is reached.');
    }
    if (!/application\/(\*|json)|\*\/\*/i.test(request.headers.accept ?? '')) {
      throw new ErrorReply(406, 'Accept must be application/json.');
    }
  }

  private checkKey(request: IncomingMessage): void {
    const given = Buffer.from(String(request.headers['x-picsart-api-key'] ?? ''));
    const wanted = Buffer.from(this.deps.apiKey);
    if (given.length === wanted.length && timingSafeEqual(given, wanted)) return;
    throw new ErrorReply(401, 'The API key is missing or wrong.');
  }

  /** Reading counts needs no key; changing faults does. */
  private async administer(request: IncomingMessage, path: string): Promise<Reply> {
    if (path === '/sandbox/counts') {
      allow(request.method, 'GET');
      return { status: 200, body: this.reading() };
    }
    if (path !== '/sandbox/faults') throw new ErrorReply(404, 'Not found.');
    this.checkKey(request);
    if (request.method === 'GET') return { status: 200, body: { ok: true } };
    if (request.method === 'DELETE') {
      this.deps.faults.clear();
    } else {
      allow(request.method, 'POST');
      this.deps.faults.add(parseFault(await readJson(request)));
    }
    return { status: 200, body: { ok: true } };
  }

  private reading(): SandboxReading {
    return { ...this.deps.store.counts, calls: { ...this.calls }, limited: this.limited };
  }

  /** The id that a `duplicate-id` fault returns. */
  private latestId(operation: Operation): string | undefined {
    const { models, generations } = this.deps.store;
    return [...(operation === 'train' ? models : generations).keys()].at(-1);
  }

  private errorReplyOf(error: unknown): ErrorReply {
    if (error instanceof ErrorReply) return error;
    if (error instanceof FaultError) return new ErrorReply(422, error.message);
    this.deps.logger.error({ err: error }, 'sandbox request failed');
    return new ErrorReply(500, 'Internal sandbox error.');
  }
}

const about = {
  name: 'Likeness sandbox',
  what: 'A test double that speaks the wire format of Picsart AI Avatar. It does not use AI: pictures are made by image filters.',
  counts: '/sandbox/counts',
  faults: '/sandbox/faults',
};

function limitHeaders({ limit, available, resetSeconds }: WindowReading): Record<string, string> {
  return {
    'X-Picsart-Ratelimit-Limit': String(limit),
    'X-Picsart-Ratelimit-Available': String(available),
    'X-Picsart-Ratelimit-Reset-Time': String(resetSeconds),
  };
}

/**
 * Creates a server that listens.
 * @param port - 0 for any free port
 * @returns null if the port is taken
 */
export async function listen(host: string, port: number, onRequest: RequestListener): Promise<Server | null> {
  const server = createServer(onRequest);
  try {
    server.listen(port, host);
    await once(server, 'listening');
    return server;
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE') return null;
    throw error;
  }
}

/** The port on which a server listens. */
export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** The URL of a server for callers on this machine. */
export function urlOf(host: string, port: number): string {
  const everywhere = new Map([
    ['0.0.0.0', '127.0.0.1'],
    ['::', '::1'],
  ]);
  const name = everywhere.get(host) ?? host;
  return `http://${isIPv6(name) ? `[${name}]` : name}:${port}`;
}

/** Closes a server and all its connections, including those with unanswered requests. */
export async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
