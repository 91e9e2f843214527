import type { IncomingMessage } from 'node:http';
import { localViewer, type Viewer } from '../core/viewer';

/** The credentials of a request, not yet verified. */
export interface Credentials {
  /** All `Authorization` headers: `Bearer …`. */
  readonly authorization?: readonly string[];
  /** All `X-Likeness-Owner` headers: the user that the holder of an API key acts for. */
  readonly onBehalfOf?: readonly string[];
  /** The payload of a WebSocket's `connection_init`: browsers cannot send headers there. */
  readonly connectionParams?: unknown;
  readonly remoteAddress: string;
}

/**
 * Authenticates a caller, once per request or WebSocket `connection_init`.
 * @throws DomainError UNAUTHENTICATED or FORBIDDEN: 401 or 403 over HTTP, close code 4403 with the message as its reason
 * on a WebSocket. Other errors are outages, after which the client may retry.
 */
export type Authenticate = (credentials: Credentials) => Promise<Viewer>;

/** AUTH=none: every caller is the local viewer. */
export const authenticateLocally: Authenticate = () => Promise.resolve(localViewer);

/** Reads the credentials of a request, or of a WebSocket's upgrade request and its `connection_init`. */
export function credentialsOf(request: IncomingMessage, connectionParams?: unknown): Credentials {
  return {
    // All of them: `headers` has only the first of several, and drops the others without a word.
    authorization: request.headersDistinct.authorization,
    onBehalfOf: request.headersDistinct['x-likeness-owner'],
    connectionParams,
    remoteAddress: request.socket.remoteAddress ?? '',
  };
}
