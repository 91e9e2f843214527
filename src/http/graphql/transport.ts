import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Credentials } from '../../auth/authentication';
import type { Viewer } from '../../core/viewer';
import type { Origins } from '../origins';
import type { RateGate } from '../rate-gate';
import type { Exchange } from '../router';
import type { Sessions } from '../sessions';
import type { Operations } from './operations';

/**
 * Authenticates a caller, once per request or WebSocket `connection_init`.
 * @throws DomainError UNAUTHENTICATED or FORBIDDEN: 401 or 403 over HTTP, close code 4403 with the message as its reason
 * on a WebSocket. Other errors are outages, after which the client may retry.
 */
export type Authenticate = (credentials: Credentials) => Viewer | Promise<Viewer>;

/** Options of the GraphQL transports: HTTP, SSE and WebSocket. */
export interface TransportOptions {
  readonly path: string;
  readonly operations: Operations;
  readonly authenticate: Authenticate;
  readonly origins: Origins;
  readonly sessions: Sessions;
  /** @defaultValue no limit */
  readonly rates?: RateGate;
}

/**
 * Authenticates the caller of a request and counts one operation against the rate limits.
 * @throws DomainError RATE_LIMITED, or an error of {@link Authenticate}
 */
export async function authenticateRequest(
  exchange: Exchange,
  { operations, authenticate, rates }: TransportOptions,
): Promise<Viewer> {
  rates?.countAddress(exchange);
  const verifying = authenticate(credentialsOf(exchange.request));
  const viewer = verifying instanceof Promise ? await operations.inTime(verifying) : verifying;
  rates?.countOwner(viewer, exchange);
  return viewer;
}

/** A signal that is aborted when the connection of a response is closed, or the response is complete. */
export function signalOf(response: ServerResponse): AbortSignal {
  const closing = new AbortController();
  if (response.closed) closing.abort();
  else response.once('close', () => closing.abort());
  return closing.signal;
}

/** Reads the credentials of a request, or of a WebSocket's upgrade request and its `connection_init`. */
export function credentialsOf(request: IncomingMessage, connectionParams?: unknown): Credentials {
  return {
    authorization: valuesOf(request, 'authorization'),
    onBehalfOf: valuesOf(request, 'x-likeness-owner'),
    connectionParams,
  };
}

/** All values of a header, of which `headers` has only the first one; undefined without the header. */
function valuesOf(request: IncomingMessage, name: string): readonly string[] | undefined {
  // `headersDistinct` is made when it is read first.
  return request.headers[name] === undefined ? undefined : request.headersDistinct[name];
}
