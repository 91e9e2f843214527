import type { IncomingMessage } from 'node:http';
import { localViewer, type Viewer } from '../core/viewer';

/** What a caller shows of itself. */
export interface Credentials {
  /** The header, as it was sent: `Bearer …`. */
  readonly authorization?: string;
  /** The header `X-Likeness-Owner`: whom the holder of an API key speaks for. */
  readonly onBehalfOf?: string;
  /** The payload of a WebSocket's `connection_init`: browsers cannot send headers there. */
  readonly connectionParams?: unknown;
  readonly remoteAddress: string;
}

/**
 * Tells who is asking. Called once a request, and once a socket at its `connection_init`.
 * @throws DomainError UNAUTHENTICATED or FORBIDDEN: 401 or 403 over HTTP, the close code 4403 on a socket.
 * Other errors are outages: the caller is told to come again.
 */
export type Authenticate = (credentials: Credentials) => Promise<Viewer>;

/** AUTH=none: whoever reaches the port is the one local viewer. */
export const authenticateLocally: Authenticate = () => Promise.resolve(localViewer);

/** What a request, or a socket's first request and its `connection_init`, says of the caller. */
export function credentialsOf(request: IncomingMessage, connectionParams?: unknown): Credentials {
  return {
    authorization: request.headers.authorization,
    // Sent twice it is no name any more, joined by what no name may hold, so that nobody adds a second one unseen.
    onBehalfOf: request.headersDistinct['x-likeness-owner']?.join('\n'),
    connectionParams,
    remoteAddress: request.socket.remoteAddress ?? '',
  };
}
