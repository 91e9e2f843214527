import { DomainError } from '../core/errors';

/**
 * The error for missing or invalid credentials.
 * @param why - the problem and the remedy; must not contain the credentials
 */
export function unauthenticated(why: string, cause?: unknown): DomainError {
  return new DomainError('UNAUTHENTICATED', why, { cause });
}

/** The error for authenticated callers without the required permission. */
export function forbidden(why: string, details?: Record<string, unknown>): DomainError {
  return new DomainError('FORBIDDEN', why, { details });
}
