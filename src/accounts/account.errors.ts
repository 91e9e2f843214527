import { DomainError } from '../core/errors';

/**
 * The refusal of who does not show well enough who they are.
 * @param why - what was wrong and what to do; never what was shown
 */
export function unauthenticated(why: string, cause?: unknown): DomainError {
  return new DomainError('UNAUTHENTICATED', why, { cause });
}

/** The refusal of who is known but may not. */
export function forbidden(why: string, details?: Record<string, unknown>): DomainError {
  return new DomainError('FORBIDDEN', why, { details });
}
