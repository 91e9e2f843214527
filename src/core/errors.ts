/**
 * Every code of a {@link DomainError}: the HTTP status for routes other than GraphQL, and what it means, which is also
 * its description in the schema. A published code never changes its meaning. docs/errors.md lists all codes.
 */
export const errorCodes = {
  INVALID_INPUT: {
    httpStatus: 400,
    description: 'A value is missing, has the wrong type, or is out of range.',
  },
  TOO_FEW_PHOTOS: { httpStatus: 400, description: 'A training was requested with too few photos.' },
  TOO_MANY_PHOTOS: { httpStatus: 400, description: 'A training was requested with too many photos.' },
  PHOTO_INVALID: { httpStatus: 422, description: 'A photo cannot be used.' },
  PHOTO_NOT_READY: {
    httpStatus: 409,
    description: 'A photo has not been uploaded yet, or is still being fetched.',
  },
  PHOTO_TOO_LARGE: { httpStatus: 413, description: 'A photo has too many bytes.' },
  PHOTO_TYPE_UNSUPPORTED: { httpStatus: 415, description: 'A photo is not JPEG, PNG, WebP, AVIF or HEIC.' },
  NOT_FOUND: { httpStatus: 404, description: 'No object has this id, or it belongs to another owner.' },
  MODEL_NOT_READY: { httpStatus: 409, description: 'Avatars were requested from a model that is not READY.' },
  PROVIDER_NOT_CONFIGURED: {
    httpStatus: 409,
    description: 'The avatar service of the model or generation is no longer configured on this server.',
  },
  NOT_CANCELLABLE: { httpStatus: 409, description: 'The model or generation has ended.' },
  NOT_RETRYABLE: { httpStatus: 409, description: 'The model or generation cannot be retried now.' },
  IDEMPOTENCY_KEY_REUSED: {
    httpStatus: 409,
    description: 'The `idempotencyKey` was used with another input.',
  },
  INVALID_CURSOR: {
    httpStatus: 400,
    description: 'The cursor does not belong to this list, subscription or job.',
  },
  CONSENT_REQUIRED: {
    httpStatus: 400,
    description: 'The server requires a consent, and none, or one for another text, was given.',
  },
  UPLOAD_URL_EXPIRED: { httpStatus: 410, description: 'The upload URL has expired.' },
  UPLOAD_IN_PROGRESS: { httpStatus: 409, description: 'Another upload to the same URL is in progress.' },
  INVALID_SIGNATURE: { httpStatus: 403, description: 'A signed URL was changed or has expired.' },
  UNAUTHENTICATED: { httpStatus: 401, description: 'Credentials are missing, invalid or expired.' },
  FORBIDDEN: { httpStatus: 403, description: 'The credentials or the origin do not permit the request.' },
  QUOTA_EXCEEDED: { httpStatus: 429, description: 'A quota is used up.' },
  RATE_LIMITED: {
    httpStatus: 429,
    description: 'There are too many requests at this time. Wait for `retryAfterSeconds`.',
  },
  UPSTREAM_CREDITS: {
    httpStatus: 402,
    description:
      'The account at the avatar service has no credits. No request fails with it: jobs wait, and their `failure` may have it.',
  },
  REQUEST_TOO_LARGE: { httpStatus: 413, description: 'The request has too many bytes.' },
  QUERY_TOO_COMPLEX: {
    httpStatus: 400,
    description:
      'The query exceeds a limit of the server: `extensions` has its name as `limit`, its value as `maximum`, and the value of the query as `given`; the message says what to change.',
  },
  PERSISTED_QUERY_NOT_FOUND: {
    httpStatus: 404,
    description: 'The server does not have the query with this hash. Send the hash with the query.',
  },
  QUERY_NOT_ALLOWED: { httpStatus: 403, description: 'The server accepts only the queries in its list.' },
  TIMEOUT: { httpStatus: 503, description: 'The operation took too long. A mutation may still complete.' },
  SERVICE_UNAVAILABLE: {
    httpStatus: 503,
    description: 'A part of the server is unavailable. Retry in a few seconds.',
  },
  SUBSCRIBER_TOO_SLOW: {
    httpStatus: 503,
    description: 'A subscription was read more slowly than its events arrived.',
  },
  INTERNAL_SERVER_ERROR: {
    httpStatus: 500,
    description: 'A bug. The message has the id of the request in the log of the server.',
  },
} as const satisfies Record<string, { httpStatus: number; description: string }>;

/** A stable code of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;

/** A problem of one input value. */
export interface InputProblem {
  readonly code: ErrorCode;
  /** The path of the value, such as `input.photoIds[3]`. */
  readonly field: string;
  /** The problem and the remedy, without the value. */
  readonly message: string;
}

/** Optional properties of a {@link DomainError}. */
export interface DomainErrorOptions {
  /** The path of the invalid input, such as `input.photoIds[3]`. */
  field?: string;
  /**
   * All problems of the input, the first of which the error describes.
   * @defaultValue the problem of `field`
   */
  problems?: readonly InputProblem[];
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
  /** Empty unless the error has a field. */
  readonly problems: readonly InputProblem[];
  readonly details?: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: DomainErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = 'DomainError';
    this.code = code;
    this.field = options.field;
    this.problems =
      options.problems ?? (options.field === undefined ? [] : [{ code, field: options.field, message }]);
    this.details = options.details;
  }

  /** The same error with fields that are relative to a part of the input: `id` for `input.id`, within `input`. */
  relativeTo(part: string): DomainError {
    const { code, message, details, cause } = this;
    const within = (field: string): string =>
      field.startsWith(`${part}.`) ? field.slice(part.length + 1) : field;
    const problems = this.problems.map((problem) => ({ ...problem, field: within(problem.field) }));
    const field = this.field === undefined ? undefined : within(this.field);
    return new DomainError(code, message, { field, problems, details, cause });
  }

  /** The HTTP status for routes that are not GraphQL. */
  get httpStatus(): number {
    return errorCodes[this.code].httpStatus;
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

/** The code of a system call's error (`ENOENT`) or of a PostgreSQL error (`28P01`). */
export function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined;
}

/** Whether a file could not be written because the disk, a quota or the limit on the sizes of files is reached. */
export function isDiskFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(codeOf(error) ?? '');
}

/** Whether a statement failed since it did not get a lock in time: SQLSTATE 55P03. */
export function isLockTimeout(error: unknown): boolean {
  return error instanceof Error && codeOf(error.cause) === '55P03';
}

/** Whether the error is a DomainError SERVICE_UNAVAILABLE. */
export function isServiceUnavailable(error: unknown): boolean {
  return error instanceof DomainError && error.code === 'SERVICE_UNAVAILABLE';
}
