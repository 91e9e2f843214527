import { CombinedError } from '@urql/core';
import { LikenessError } from '../../../src/client/index.ts';

/** An error as people read it: what is wrong, and what to do. */
export interface Problem {
  /** `extensions.code` of the server, or OFFLINE if no answer came. */
  readonly code: string;
  readonly message: string;
  readonly advice: string | null;
  /** Whether the same request may succeed later: the order is kept and sent again. */
  readonly isTemporary: boolean;
  /**
   * Whether the mutation itself has refused the order, after it has looked up the key: the order has ended. All other
   * refusals say nothing about an earlier attempt whose answer was lost.
   */
  readonly isFinal: boolean;
}

/** What to do, by code, where the server's message does not say it. */
const advice: Readonly<Record<string, string>> = {
  OFFLINE: 'Check your connection. What you ordered is kept, and goes on as soon as the server answers.',
  UNAUTHENTICATED: 'Sign in again with a valid key.',
  FORBIDDEN: 'Your key does not permit this. Ask the operator for a key with the scope it needs.',
  QUOTA_EXCEEDED: 'Your account page shows your limits and when they are reset.',
  RATE_LIMITED: 'Wait a moment. It is sent again by itself.',
  SERVICE_UNAVAILABLE: 'The server is busy. It is sent again by itself.',
  TIMEOUT: 'The server took too long. It is sent again by itself; nothing is paid twice.',
  INTERNAL_SERVER_ERROR: 'Try again. If it stays, report the id in the message to the operator.',
  PHOTO_INVALID: 'Replace the photos that are marked.',
  PHOTO_NOT_READY: 'Wait until all photos are checked.',
  TOO_FEW_PHOTOS: 'Add more photos.',
  TOO_MANY_PHOTOS: 'Remove some photos.',
  CONSENT_REQUIRED: 'Confirm that the person in the photos agrees.',
  NOT_FOUND: 'It may have been deleted.',
  ORDER_EXPIRED:
    'It was not sent again, since it may have been charged. Look for it in your models and avatars before you order again.',
  ORDER_NOT_KEPT:
    'Permit this site to store data, or delete data of this site. If you order all the same, do not close or reload the page before the order is confirmed: it could be charged twice. To do so, press the button again.',
  UPLOAD_URL_EXPIRED: 'Add the photo again.',
  QUERY_NOT_ALLOWED: 'The operator permits only listed operations. Ask for those of the studio to be added.',
};

const temporaryCodes = new Set([
  'OFFLINE',
  'RATE_LIMITED',
  'SERVICE_UNAVAILABLE',
  'TIMEOUT',
  'INTERNAL_SERVER_ERROR',
]);

const finalCodes = new Set([
  ...['INVALID_INPUT', 'CONSENT_REQUIRED', 'IDEMPOTENCY_KEY_REUSED', 'QUOTA_EXCEEDED'],
  ...['TOO_FEW_PHOTOS', 'TOO_MANY_PHOTOS', 'PHOTO_INVALID', 'PHOTO_NOT_READY'],
  ...['PHOTO_TOO_LARGE', 'PHOTO_TYPE_UNSUPPORTED'],
  ...['NOT_FOUND', 'MODEL_NOT_READY', 'NOT_RETRYABLE', 'PROVIDER_NOT_CONFIGURED'],
]);

export function problemOf(code: string, message: string): Problem {
  return {
    code,
    message,
    advice: advice[code] ?? null,
    isTemporary: temporaryCodes.has(code),
    isFinal: finalCodes.has(code),
  };
}

const offlineProblem = problemOf('OFFLINE', 'The server cannot be reached.');

/** The problem of a result, or of a call of the client module. */
export function readProblem(error: unknown): Problem {
  if (error instanceof CombinedError) {
    const [first] = error.graphQLErrors;
    if (!first) return readProblem(error.networkError);
    const { code } = first.extensions as { code?: unknown };
    return problemOf(typeof code === 'string' ? code : 'INTERNAL_SERVER_ERROR', first.message);
  }
  const isAnswered = error instanceof LikenessError && !noAnswerCodes.has(error.code);
  return isAnswered ? problemOf(error.code, error.message) : offlineProblem;
}

const noAnswerCodes: ReadonlySet<string> = new Set(['CONNECTION_FAILED', 'NO_ANSWER', 'CLIENT_CLOSED']);
