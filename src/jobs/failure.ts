import type { PauseReason } from '../upstream/account.entity';
import type { UpstreamRefusal } from '../upstream/provider';

/** The codes of `failure.code`, with their first sentence. They are stable; docs/errors.md describes each. */
export const failureCodes = {
  PHOTO_UNREACHABLE: 'A photo could not be fetched from its URL.',
  PHOTO_INVALID: 'A photo cannot be used.',
  TOO_FEW_PHOTOS: 'Too few usable photos are left for a training.',
  UPSTREAM_REJECTED: 'The avatar service refused the request.',
  UPSTREAM_FAILED: 'The avatar service failed to produce a result.',
  UPSTREAM_CREDITS: 'The gateway’s account at the avatar service has no credits left.',
  UPSTREAM_AUTH: 'The avatar service does not accept the gateway’s key.',
  UPSTREAM_TIMEOUT: 'The avatar service did not finish in time.',
  SUBMISSION_UNKNOWN:
    'It is still unknown after the grace period whether the avatar service accepted the request; it may have been charged once. See the status UNCERTAIN.',
  RESULT_UNREACHABLE: 'The finished pictures could not be fetched yet.',
  RESULT_EXPIRED: 'The avatar service deleted the finished pictures before they could be fetched.',
  RESULT_UNUSABLE: 'The avatar service returned a result that is not a picture.',
  MODEL_LOST_UPSTREAM: 'The avatar service no longer has this model or generation.',
  PROVIDER_NOT_CONFIGURED: 'Its avatar service is no longer configured on this server.',
} as const;

/** A code of {@link failureCodes}. */
export type FailureCode = keyof typeof failureCodes;

/** Failures that a retry may resolve. A retry is another paid call. */
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

/** The failure of a row: a stable code and a message that states what to do. */
export interface JobFailure {
  code: FailureCode;
  message: string;
  retryable: boolean;
}

/** A failure whose message is the sentence of its code followed by a detail. */
export function failure(code: FailureCode, detail: string): JobFailure {
  return { code, message: `${failureCodes[code]} ${detail}`.trim(), retryable: retryable.has(code) };
}

/** A submitted job did not end before its deadline. */
export const timedOut = failure(
  'UPSTREAM_TIMEOUT',
  'If it finishes later, its result is still stored. A retry is charged again.',
);

/** What to do about a refusal of the account. */
const accountAdvice = {
  UPSTREAM_CREDITS: 'Contact the operator; retry after credits have been added.',
  UPSTREAM_AUTH: 'Contact the operator; retry after the key has been corrected.',
} as const;

/** The failure that corresponds to a refusal by the upstream. */
export function refusedFailure(refusal: UpstreamRefusal | undefined, reason: string): JobFailure {
  switch (refusal) {
    case 'UPSTREAM_CREDITS':
    case 'UPSTREAM_AUTH':
      return failure(refusal, accountAdvice[refusal]);
    case 'PHOTO_UNREACHABLE':
      return failure(
        'PHOTO_UNREACHABLE',
        `${quote(reason)} Retry. If this persists, PUBLIC_URL is not reachable from outside.`,
      );
    case 'NOT_FOUND':
      return failure('MODEL_LOST_UPSTREAM', 'Retry. If that fails too, train a new model.');
    case 'FORBIDDEN':
    case 'UPSTREAM_REJECTED':
    case undefined:
      return failure('UPSTREAM_REJECTED', quote(reason));
  }
}

/** The failure of a job whose queue deadline has passed. It was not submitted, so nothing was charged. */
export function neverSubmittedFailure(pauseReason: PauseReason | null): JobFailure {
  const detail = 'Not submitted before the queue deadline. Nothing was charged.';
  return pauseReason === null || pauseReason === 'OPERATOR'
    ? failure('UPSTREAM_TIMEOUT', `${detail} Retry.`)
    : failure(pauseReason, `${detail} ${accountAdvice[pauseReason]}`);
}

/** The reason that the upstream gave, as a sentence; empty if it gave none. */
export function quote(reason: string): string {
  return reason === '' ? '' : `It said: ${reason.replace(/[.\s]+$/, '')}.`;
}

/** The columns of a failed row. */
export function failureColumns(why: JobFailure): {
  failureCode: string;
  failureMessage: string;
  failureRetryable: boolean;
} {
  return { failureCode: why.code, failureMessage: why.message, failureRetryable: why.retryable };
}

/** The failure columns of a row that has not failed. */
export const noFailure = { failureCode: null, failureMessage: null, failureRetryable: null } as const;
