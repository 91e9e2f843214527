import type { IncomingMessage } from 'node:http';
import type { Operation } from './faults';
import { Refusal, type Reply } from './replies';
import type { FaultEffect, SandboxService } from './service';

/** The maximum size of a request body. */
const maxBodyBytes = 256_000;

/** An operation at a path. */
export interface Route {
  readonly operation: Operation;
  readonly method: 'GET' | 'POST';
  readonly pattern: RegExp;
  /** @param ids - the groups of the pattern */
  readonly run: (
    service: SandboxService,
    request: IncomingMessage,
    ids: readonly string[],
    effect: FaultEffect,
  ) => Reply | Promise<Reply>;
}

/** Picsart's avatar operations, the balance, and result pictures, which need no key. */
const routes: readonly Route[] = [
  {
    operation: 'train',
    method: 'POST',
    pattern: /^\/v1\/avatars\/models$/,
    run: async (service, request, _, effect) => service.train(await readJson(request), effect),
  },
  {
    operation: 'model',
    method: 'GET',
    pattern: /^\/v1\/avatars\/models\/([^/]+)$/,
    run: (service, _, [id = '']) => service.model(id),
  },
  {
    operation: 'generate',
    method: 'POST',
    pattern: /^\/v1\/avatars\/models\/([^/]+)\/inferences$/,
    run: async (service, request, [id = ''], effect) => service.generate(id, await readJson(request), effect),
  },
  {
    operation: 'inference',
    method: 'GET',
    pattern: /^\/v1\/avatars\/models\/([^/]+)\/inferences\/([^/]+)$/,
    run: (service, request, [modelId = '', id = '']) => service.inference(modelId, id, originOf(request)),
  },
  {
    operation: 'instant',
    method: 'POST',
    pattern: /^\/v1\/avatars\/instant$/,
    run: async (service, request, _, effect) => service.instant(await readJson(request), effect),
  },
  {
    operation: 'inference',
    method: 'GET',
    pattern: /^\/v1\/avatars\/instant\/([^/]+)$/,
    run: (service, request, [id = '']) => service.inference(null, id, originOf(request)),
  },
  {
    operation: 'balance',
    method: 'GET',
    pattern: /^\/v1\/balance$/,
    run: (service) => service.balance(),
  },
  {
    operation: 'result',
    method: 'GET',
    pattern: /^\/results\/([\w-]+)\/(\d{1,4})\.jpg$/,
    run: (service, _, [token = '', index = '']) => service.result(token, Number(index)),
  },
];

/**
 * The route of a path and the groups of its pattern.
 * @throws Refusal 404 or 405
 */
export function routeOf(path: string, method: string | undefined): { route: Route; ids: readonly string[] } {
  for (const route of routes) {
    const match = route.pattern.exec(path);
    if (!match) continue;
    allow(method, route.method);
    return { route, ids: match.slice(1) };
  }
  throw new Refusal(404, 'Not found.');
}

/** @throws Refusal 405 for a method that is not allowed */
export function allow(method: string | undefined, allowed: string): void {
  if (method !== allowed) throw new Refusal(405, `Only ${allowed} is allowed here.`, { allow: allowed });
}

/**
 * Reads and parses the body of a request.
 * @throws Refusal 400, 413 or 415
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new Refusal(415, 'Content-Type must be application/json.');
  }
  const chunks: Buffer[] = [];
  let size = 0;
  // The connection must stay open until the error response is sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes)
      throw new Refusal(413, `The body is larger than ${maxBodyBytes} bytes.`, { connection: 'close' });
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal(400, 'The body is not valid JSON.');
  }
}

/** Result URLs use the host name of the request, since the sandbox may be reachable under several names. */
function originOf(request: IncomingMessage): string {
  const host = request.headers.host ?? '';
  const { localAddress = '127.0.0.1', localPort = 80 } = request.socket;
  return /^[\w.:[\]-]+$/.test(host) ? `http://${host}` : `http://${localAddress}:${localPort}`;
}
