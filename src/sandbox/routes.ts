import type { IncomingMessage } from 'node:http';
import { isPaid, type Operation } from './faults';
import { ErrorReply, type Reply } from './replies';
import type { FaultEffect, SandboxService } from './service';

/** The maximum size of a request body. */
const maxBodyBytes = 256_000;

/** A request of an operation. */
export interface Call {
  /** The groups of the route's pattern. */
  readonly ids: readonly string[];
  /** The parsed body of a POST. */
  readonly body: unknown;
  /** The origin of the results' URLs. */
  readonly origin: string;
  readonly effect: FaultEffect;
}

/** An operation at a path. */
export interface OperationRoute {
  readonly operation: Operation;
  readonly method: 'GET' | 'POST';
  readonly pattern: RegExp;
  readonly run: (service: SandboxService, call: Call) => Reply | Promise<Reply>;
}

const route = (operation: Operation, pattern: RegExp, run: OperationRoute['run']): OperationRoute => {
  return { operation, method: isPaid(operation) ? 'POST' : 'GET', pattern, run };
};

/** Picsart's avatar operations, the balance, and result pictures, which need no key. */
const routes: readonly OperationRoute[] = [
  route('train', /^\/v1\/avatars\/models$/, (service, { body, effect }) => service.train(body, effect)),
  route('model', /^\/v1\/avatars\/models\/([^/]+)$/, (service, { ids: [id = ''] }) => service.model(id)),
  route(
    'generate',
    /^\/v1\/avatars\/models\/([^/]+)\/inferences$/,
    (service, { ids: [id = ''], body, effect }) => service.generate(id, body, effect),
  ),
  route(
    'inference',
    /^\/v1\/avatars\/models\/([^/]+)\/inferences\/([^/]+)$/,
    (service, { ids: [modelId = '', id = ''], origin }) => service.inference(modelId, id, origin),
  ),
  route('instant', /^\/v1\/avatars\/instant$/, (service, { body, effect }) => service.instant(body, effect)),
  route('inference', /^\/v1\/avatars\/instant\/([^/]+)$/, (service, { ids: [id = ''], origin }) =>
    service.inference(null, id, origin),
  ),
  route('balance', /^\/v1\/balance$/, (service) => service.balance()),
  route(
    'result',
    /^\/results\/([\w-]+)\/(\d{1,4})\.jpg$/,
    (service, { ids: [token = '', index = ''], effect }) =>
      service.result(token, Number(index), effect.signal),
  ),
];

/**
 * The route of a path and the groups of its pattern.
 * @throws ErrorReply 404 or 405
 */
export function routeOf(
  path: string,
  method: string | undefined,
): { route: OperationRoute; ids: readonly string[] } {
  for (const candidate of routes) {
    const match = candidate.pattern.exec(path);
    if (!match) continue;
    allow(method, candidate.method);
    return { route: candidate, ids: match.slice(1) };
  }
  throw new ErrorReply(404, 'Not found.');
}

/** @throws ErrorReply 405 for a method that is not allowed */
export function allow(method: string | undefined, allowed: string): void {
  if (method !== allowed) throw new ErrorReply(405, `Only ${allowed} is allowed here.`, { allow: allowed });
}

/**
 * Reads and parses the body of a request.
 * @throws ErrorReply 400, 413 or 415
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new ErrorReply(415, 'Content-Type must be application/json.');
  }
  const chunks: Buffer[] = [];
  let size = 0;
  // The connection must stay open until the error response is sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes)
      throw new ErrorReply(413, `The body is larger than ${maxBodyBytes} bytes.`, { connection: 'close' });
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new ErrorReply(400, 'The body is not valid JSON.');
  }
}

/** Result URLs use the host name of the request, since the sandbox may be reachable under several names. */
export function originOf(request: IncomingMessage): string {
  const host = request.headers.host ?? '';
  const { localAddress = '127.0.0.1', localPort = 80 } = request.socket;
  return /^[\w.:[\]-]+$/.test(host) ? `http://${host}` : `http://${localAddress}:${localPort}`;
}
