import { DomainError } from '../core/errors';

/**
 * Whether a process takes requests:
 * - `serving`: it does
 * - `draining`: it will stop soon. It reports that it is not ready, and closes each connection after a response, so that a
 *   load balancer sends requests elsewhere; requests that arrive nevertheless are served
 * - `stopping`: it refuses new operations, and closes sockets and streams
 */
export class Serving {
  phase: 'serving' | 'draining' | 'stopping' = 'serving';

  /** @throws DomainError SERVICE_UNAVAILABLE while stopping */
  check(): void {
    if (this.phase === 'stopping') throw stoppingError();
  }
}

/** The error for operations that arrive while the process stops. */
export function stoppingError(): DomainError {
  const message = 'The server is stopping. Send the request again.';
  return new DomainError('SERVICE_UNAVAILABLE', message, { details: { retryAfterSeconds: 1 } });
}
