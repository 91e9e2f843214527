import { unauthenticated, type DomainError } from '../core/errors';

/** The error for a client token that is unknown, has expired or was revoked. */
export function invalidToken(): DomainError {
  return unauthenticated(
    'The client token is not valid: it is unknown, has expired or was revoked. Get another one.',
  );
}
