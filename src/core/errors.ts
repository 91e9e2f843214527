/**
 * Every value of `extensions.code`, with the HTTP status for routes other than GraphQL. A published code never changes
 * its meaning. docs/errors.md lists all codes.
 */
export const errorCodes = {
  INVALID_INPUT: 400,
  TOO_FEW_PHOTOS: 400,
  TOO_MANY_PHOTOS: 400,
  PHOTO_INVALID: 422,
  PHOTO_NOT_READY: 409,
  PHOTO_TOO_LARGE: 413,
  PHOTO_TYPE_UNSUPPORTED: 415,
  NOT_FOUND: 404,
  MODEL_NOT_READY: 409,
  PROVIDER_NOT_CONFIGURED: 409,
  NOT_CANCELLABLE: 409,
  NOT_RETRYABLE: 409,
  IDEMPOTENCY_KEY_REUSED: 409,
  INVALID_CURSOR: 400,
  CONSENT_REQUIRED: 400,
  UPLOAD_URL_EXPIRED: 410,
  UPLOAD_IN_PROGRESS: 409,
  INVALID_SIGNATURE: 403,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  QUOTA_EXCEEDED: 429,
  RATE_LIMITED: 429,
  UPSTREAM_CREDITS: 402,
  REQUEST_TOO_LARGE: 413,
  QUERY_TOO_COMPLEX: 400,
  PERSISTED_QUERY_NOT_FOUND: 404,
  QUERY_NOT_ALLOWED: 403,
  TIMEOUT: 503,
  SERVICE_UNAVAILABLE: 503,
  SUBSCRIBER_TOO_SLOW: 503,
  INTERNAL_SERVER_ERROR: 500,
} as const;

/** A stable code of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;

/** Optional properties of a {@link DomainError}. */
export interface DomainErrorOptions {
  /** The path of the invalid input, such as `input.photoIds[3]`. */
  field?: string;
  /** Machine-readable details as plain JSON, such as `{ given: 4, minimum: 5 }`. Must not contain secrets. */
  details?: Record<string, unknown>;
  cause?: unknown;
}

/**
 * An expected error. Its message is returned to the client unchanged: it describes the problem and the remedy and must
 * not contain secrets, signed URLs or data of other owners. All other errors are masked as internal errors.
 */
export class DomainError extends Error {
  readonly code: ErrorCode;
  readonly field?: string;
  readonly details?: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: DomainErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = 'DomainError';
    this.code = code;
    this.field = options.field;
    this.details = options.details;
  }

  /** The same error with a field that is relative to a part of the input: `id` for `input.id`, within `input`. */
  relativeTo(part: string): DomainError {
    const { code, message, details, cause } = this;
    const field = this.field?.startsWith(`${part}.`) ? this.field.slice(part.length + 1) : this.field;
    return new DomainError(code, message, { field, details, cause });
  }

  /** The HTTP status for routes that are not GraphQL. */
  get httpStatus(): number {
    return errorCodes[this.code];
  }
}

/** The error for unknown ids and for ids of other owners, so that a caller cannot detect which ids exist. */
export function notFound(what: string, field = 'id'): DomainError {
  const message = `There is no ${what} with this id. Check the id; the ${what} may have been deleted.`;
  return new DomainError('NOT_FOUND', message, { field });
}

/** Maximum length of client or upstream text in an error message, in characters. */
const maxExcerptLength = 200;

/** Shortens a text for an error message or a log: its beginning and end, joined by `…`. */
export function excerpt(text: string, maxLength: number = maxExcerptLength): string {
  if (text.length <= maxLength) return text;
  const tailLength = Math.floor(maxLength / 3);
  return `${text.slice(0, maxLength - tailLength - 1)}…${text.slice(-tailLength)}`;
}

/** The maximum number of causes of an error that are inspected. */
const maxInspectedCauses = 20;

/** Whether an error or one of its causes is EMFILE (process limit) or ENFILE (system limit): no file descriptor is left. */
export function isOutOfDescriptors(error: unknown): boolean {
  const pending = [error];
  for (let inspected = 0; inspected < maxInspectedCauses && pending.length > 0; inspected += 1) {
    const next = pending.shift();
    if (!(next instanceof Error)) continue;
    const { code, cause, errors, originalError } = next as Error & Partial<Record<string, unknown>>;
    if (code === 'EMFILE' || code === 'ENFILE') return true;
    pending.push(
      cause,
      originalError,
      ...(Array.isArray(errors) ? (errors as unknown[]).slice(0, maxInspectedCauses) : []),
    );
  }
  return false;
}

/** The client's error when the process has no file descriptor left. */
export function outOfDescriptors(cause: unknown): DomainError {
  return new DomainError(
    'SERVICE_UNAVAILABLE',
    'The server has too many open connections and files. Retry in a few seconds.',
    { cause },
  );
}

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
