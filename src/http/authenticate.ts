import type { IncomingMessage } from 'node:http';
import type { Credentials } from '../auth/authentication';
import { localViewer, type Viewer } from '../core/viewer';

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
  };
}
