import type { PauseReason } from '../upstream/account.entity';
import type { UpstreamRefusal } from '../upstream/provider';

/** Why a model or generation failed, as `failure.code` says it. Few, stable; docs/errors.md tells what to do. */
export const failureCodes = {
  PHOTO_UNREACHABLE: 'A photo could not be fetched from its URL.',
  PHOTO_INVALID: 'A photo cannot be used.',
  TOO_FEW_PHOTOS: 'Fewer photos were left than a training needs.',
  UPSTREAM_REJECTED: 'The avatar service refused the request.',
  UPSTREAM_FAILED: 'The avatar service tried and failed.',
  UPSTREAM_CREDITS: "The avatar service's account has no credits left.",
  UPSTREAM_AUTH: "The avatar service does not accept the gateway's key.",
  UPSTREAM_TIMEOUT: 'The avatar service did not finish in time.',
  SUBMISSION_UNKNOWN: 'Whether the avatar service took the request cannot be known.',
  RESULT_UNREACHABLE: 'The finished pictures could not be fetched yet.',
  RESULT_EXPIRED: 'The finished pictures were deleted upstream before they could be fetched.',
  RESULT_UNUSABLE: 'What the avatar service delivered is no picture.',
  MODEL_LOST_UPSTREAM: 'The avatar service no longer knows it.',
  PROVIDER_NOT_CONFIGURED: 'Its avatar service is not configured on this server any more.',
} as const;

/** A code of {@link failureCodes}. */
export type FailureCode = keyof typeof failureCodes;

/** Failures after which the same may be tried again, at the price of another paid call. */
const retryable: ReadonlySet<FailureCode> = new Set<FailureCode>([
  'PHOTO_UNREACHABLE',
  'UPSTREAM_FAILED',
  'UPSTREAM_CREDITS',
  'UPSTREAM_AUTH',
  'UPSTREAM_TIMEOUT',
  'SUBMISSION_UNKNOWN',
  'RESULT_UNREACHABLE',
  'RESULT_EXPIRED',
  'RESULT_UNUSABLE',
  'MODEL_LOST_UPSTREAM',
  'PROVIDER_NOT_CONFIGURED',
]);

/** What a failed row says: a stable code and a sentence that says what to do. */
export interface Failure {
  code: FailureCode;
  message: string;
  retryable: boolean;
}

/** A failure with the code's own sentence, what is known besides, and what to do. */
export function failure(code: FailureCode, detail: string): Failure {
  return { code, message: `${failureCodes[code]} ${detail}`.trim(), retryable: retryable.has(code) };
}

/** A job that the upstream has did not end before its deadline. */
export const timedOut = failure(
  'UPSTREAM_TIMEOUT',
  'If it finishes later, the result is still taken. A retry pays again.',
);

/** The failure that a definite refusal of the upstream means. */
export function refusedFailure(refusal: UpstreamRefusal | undefined, reason: string): Failure {
  switch (refusal) {
    case 'UPSTREAM_CREDITS':
      return failure('UPSTREAM_CREDITS', 'Tell the operator; retry once there are credits again.');
    case 'UPSTREAM_AUTH':
      return failure('UPSTREAM_AUTH', 'Tell the operator; retry once the key is right.');
    case 'PHOTO_UNREACHABLE':
      return failure(
        'PHOTO_UNREACHABLE',
        `${quote(reason)} Retry; if it stays, PUBLIC_URL cannot be reached from outside.`,
      );
    case 'NOT_FOUND':
      return failure('MODEL_LOST_UPSTREAM', 'Retry; if that fails too, train a new model.');
    case 'FORBIDDEN':
    case 'UPSTREAM_REJECTED':
    case undefined:
      return failure('UPSTREAM_REJECTED', quote(reason));
  }
}

/** The failure of a job whose queue deadline has passed. Nothing was paid for it. */
export function neverSubmittedFailure(pauseReason: PauseReason | null): Failure {
  const detail = 'Not submitted before the queue deadline. Nothing was charged.';
  switch (pauseReason) {
    case 'UPSTREAM_CREDITS':
      return failure('UPSTREAM_CREDITS', `${detail} Tell the operator; retry once there are credits again.`);
    case 'UPSTREAM_AUTH':
      return failure('UPSTREAM_AUTH', `${detail} Tell the operator; retry once the key is right.`);
    case 'OPERATOR':
    case null:
      return failure('UPSTREAM_TIMEOUT', `${detail} Retry.`);
  }
}

/** What the upstream gave as its reason, as a sentence; nothing if it gave none. */
export function quote(reason: string): string {
  return reason === '' ? '' : `It said: ${reason.replace(/[.\s]+$/, '')}.`;
}

/** The columns of a failed row. */
export function failureColumns(why: Failure): {
  failureCode: string;
  failureMessage: string;
  failureRetryable: boolean;
} {
  return { failureCode: why.code, failureMessage: why.message, failureRetryable: why.retryable };
}

/** The columns of a row that no longer is failed. */
export const noFailure = { failureCode: null, failureMessage: null, failureRetryable: null } as const;
