import { randomUUID, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
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
import { allow, originOf, readJson, type Route, routeOf } from './routes';
import type { FaultEffect, SandboxService } from './service';
import type { SandboxCounts, SandboxStore } from './store';

/** Executed paid calls, and calls received since the start. */
export interface SandboxReading extends SandboxCounts {
  /** Calls that reached an operation, including refused ones. */
  calls: Record<Operation, number>;
  /** Calls refused with 429. */
  limited: number;
}

export interface ServerDeps {
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

  constructor(private readonly deps: ServerDeps) {}

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
    route: Route,
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

/** The state of the window after a call. */
export interface WindowReading {
  readonly isOver: boolean;
  readonly limit: number;
  readonly available: number;
  /** Whole seconds until the next window, at least one. */
  readonly resetSeconds: number;
}

/** Counts calls in windows of fixed length, as Picsart's quota does. */
export class RequestWindow {
  private startedAtMs = -Infinity;
  private used = 0;

  constructor(
    private readonly limit: number,
    private readonly windowMs: number,
  ) {}

  /** Counts one call. */
  take(nowMs: number): WindowReading {
    if (nowMs - this.startedAtMs >= this.windowMs) {
      this.startedAtMs = nowMs;
      this.used = 0;
    }
    const isOver = this.used >= this.limit;
    if (!isOver) this.used += 1;
    return {
      isOver,
      limit: this.limit,
      available: this.limit - this.used,
      resetSeconds: Math.max(1, Math.ceil((this.startedAtMs + this.windowMs - nowMs) / 1_000)),
    };
  }
}
