/** What a response says about an error besides its message. */
export interface Extensions extends Record<string, unknown> {
  code: string;
}

/** One invalid value of an input, or one reason why a photo cannot be used. */
export interface Problem {
  code: string;
  message: string;
  /** Field names and list indexes, such as `['input', 'photos', 3, 'url']`. Not for the reasons of an upload. */
  path?: readonly (string | number)[];
}

const temporaryCodes: ReadonlySet<string> = new Set([
  ...['CONNECTION_FAILED', 'NO_ANSWER', 'SERVICE_UNAVAILABLE', 'TIMEOUT'],
  ...['RATE_LIMITED', 'SUBSCRIBER_TOO_SLOW', 'UPLOAD_IN_PROGRESS'],
]);

/** An error with a code. Each code of the API has a subclass of its own. */
export class LikenessError extends Error {
  readonly code: string;
  /** The path of the invalid input as text, such as `input.photos[3].url`; null if none is named. */
  readonly field: string | null;
  /** Every invalid value; empty if the error is not about an input or a photo. */
  readonly problems: readonly Problem[];
  /** All extensions of the response, for example `maximum`, `resetsAt` or `retryAfterSeconds`. */
  readonly details: Extensions;
  /** The key of the failed call. Pass it to the next call with the same input, so that nothing is paid twice. */
  idempotencyKey: string | null = null;

  constructor(message: string, details: Extensions, options?: ErrorOptions) {
    super(message, options);
    this.name = `LikenessError [${details.code}]`;
    this.code = details.code;
    this.field = typeof details.field === 'string' ? details.field : null;
    this.problems = Array.isArray(details.problems) ? (details.problems as Problem[]) : [];
    this.details = details;
  }

  /** Whether the same call can succeed later without a change. The client has repeated it already, if that was safe. */
  get isTemporary(): boolean {
    return temporaryCodes.has(this.code);
  }
}

/** No answer was received: the server is unreachable, the connection broke, or a proxy answered. */
export class ConnectionFailedError extends LikenessError {
  override readonly code = 'CONNECTION_FAILED';

  /** @param closeCode - of a WebSocket that was closed */
  constructor(
    message: string,
    options?: ErrorOptions,
    readonly closeCode: number | null = null,
  ) {
    super(message, { code: 'CONNECTION_FAILED' }, options);
  }
}

/** No answer was received within the time limit. A mutation may have been executed. */
export class NoAnswerError extends LikenessError {
  override readonly code = 'NO_ANSWER';

  constructor(timeoutMs: number) {
    super(`No answer within ${timeoutMs / 1_000} s.`, { code: 'NO_ANSWER' });
  }
}

/** A file can no longer be read, for example because it was moved, changed or deleted since it was chosen. */
export class PhotoUnreadableError extends LikenessError {
  override readonly code = 'PHOTO_UNREADABLE';

  constructor(options?: ErrorOptions) {
    const message = 'The file cannot be read: it may have been moved, changed or deleted. Choose it again.';
    super(message, { code: 'PHOTO_UNREADABLE' }, options);
  }
}

/** The answer is not one of a Likeness server. Check the URL. */
export class UnexpectedAnswerError extends LikenessError {
  override readonly code = 'UNEXPECTED_ANSWER';

  constructor(message: string) {
    super(message, { code: 'UNEXPECTED_ANSWER' });
  }
}

/** The client was closed before the call was answered. */
export class ClientClosedError extends LikenessError {
  override readonly code = 'CLIENT_CLOSED';

  constructor() {
    super('The client was closed.', { code: 'CLIENT_CLOSED' });
  }
}
