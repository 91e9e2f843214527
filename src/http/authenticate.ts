import type { IncomingMessage } from 'node:http';
import { localViewer, type Viewer } from '../core/viewer';

/** The credentials of a caller, as they were sent. */
export interface Credentials {
  /** Every header `Authorization`: `Bearer …`. */
  readonly authorization?: readonly string[];
  /** Every header `X-Likeness-Owner`: the user that the holder of an API key acts for. */
  readonly onBehalfOf?: readonly string[];
  /** The payload of a WebSocket's `connection_init`: browsers cannot send headers there. */
  readonly connectionParams?: unknown;
  readonly remoteAddress: string;
}

/**
 * Tells who is asking. Called once a request, and once a socket at its `connection_init`.
 * @throws DomainError UNAUTHENTICATED or FORBIDDEN: 401 or 403 over HTTP, the close code 4403 with the
 * message as its reason on a socket.
 * Other errors are outages: the caller is told to come again.
 */
export type Authenticate = (credentials: Credentials) => Promise<Viewer>;

/** AUTH=none: whoever reaches the port is the one local viewer. */
export const authenticateLocally: Authenticate = () => Promise.resolve(localViewer);

/** What a request, or a socket's first request and its `connection_init`, says of the caller. */
export function credentialsOf(request: IncomingMessage, connectionParams?: unknown): Credentials {
  return {
    // All of them: `headers` has only the first of several, and drops the others without a word.
    authorization: request.headersDistinct.authorization,
    onBehalfOf: request.headersDistinct['x-likeness-owner'],
    connectionParams,
    remoteAddress: request.socket.remoteAddress ?? '',
  };
}
