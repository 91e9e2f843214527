import { LikenessError, type Extensions } from './errors.ts';

/** The request has a wrong form. */
export class BadRequestError extends LikenessError {
  declare readonly code: 'BAD_REQUEST';
}

/** Show the consent text of `details.version`, and send the consent. */
export class ConsentRequiredError extends LikenessError {
  declare readonly code: 'CONSENT_REQUIRED';
}

/** The token or key may not do this. */
export class ForbiddenError extends LikenessError {
  declare readonly code: 'FORBIDDEN';
}

/** The document has a syntax error. */
export class GraphqlParseFailedError extends LikenessError {
  declare readonly code: 'GRAPHQL_PARSE_FAILED';
}

/** The document does not match the schema. */
export class GraphqlValidationFailedError extends LikenessError {
  declare readonly code: 'GRAPHQL_VALIDATION_FAILED';
}

/** The key was used with another input. */
export class IdempotencyKeyReusedError extends LikenessError {
  declare readonly code: 'IDEMPOTENCY_KEY_REUSED';
}

/** A bug of the server; the message has the id of the request. */
export class InternalServerError extends LikenessError {
  declare readonly code: 'INTERNAL_SERVER_ERROR';
}

/** `after` or `before` is not a cursor of this list or subscription. */
export class InvalidCursorError extends LikenessError {
  declare readonly code: 'INVALID_CURSOR';
}

/** A value is missing, has the wrong type, or is out of bounds; see `problems`. */
export class InvalidInputError extends LikenessError {
  declare readonly code: 'INVALID_INPUT';
}

/** A signed URL was changed or has expired. */
export class InvalidSignatureError extends LikenessError {
  declare readonly code: 'INVALID_SIGNATURE';
}

/** The model is not READY. */
export class ModelNotReadyError extends LikenessError {
  declare readonly code: 'MODEL_NOT_READY';
}

/** The job has ended. */
export class NotCancellableError extends LikenessError {
  declare readonly code: 'NOT_CANCELLABLE';
}

/** No object has this id, or it belongs to another owner. */
export class NotFoundError extends LikenessError {
  declare readonly code: 'NOT_FOUND';
}

/** The job cannot be retried now, or has been retried since. */
export class NotRetryableError extends LikenessError {
  declare readonly code: 'NOT_RETRYABLE';
}

/** The document has no operation of this name. */
export class OperationResolutionFailureError extends LikenessError {
  declare readonly code: 'OPERATION_RESOLUTION_FAILURE';
}

/** The server does not know this hash. */
export class PersistedQueryNotFoundError extends LikenessError {
  declare readonly code: 'PERSISTED_QUERY_NOT_FOUND';
}

/** The photo cannot be used; `problems` has the reasons. */
export class PhotoInvalidError extends LikenessError {
  declare readonly code: 'PHOTO_INVALID';
}

/** A photo has not been uploaded yet, or is being fetched. */
export class PhotoNotReadyError extends LikenessError {
  declare readonly code: 'PHOTO_NOT_READY';
}

/** The photo has more than `details.maximum` bytes. */
export class PhotoTooLargeError extends LikenessError {
  declare readonly code: 'PHOTO_TOO_LARGE';
}

/** The photo has a format that is not supported. */
export class PhotoTypeUnsupportedError extends LikenessError {
  declare readonly code: 'PHOTO_TYPE_UNSUPPORTED';
}

/** The avatar service is no longer configured. */
export class ProviderNotConfiguredError extends LikenessError {
  declare readonly code: 'PROVIDER_NOT_CONFIGURED';
}

/** The document is not in the allow-list of the server. */
export class QueryNotAllowedError extends LikenessError {
  declare readonly code: 'QUERY_NOT_ALLOWED';
}

/** The document exceeds a limit: `details.limit`, `maximum`, `given`. */
export class QueryTooComplexError extends LikenessError {
  declare readonly code: 'QUERY_TOO_COMPLEX';
}

/** A quota or spending limit is used up: `details.quota`, `limit`, `used`, `resetsAt`. */
export class QuotaExceededError extends LikenessError {
  declare readonly code: 'QUOTA_EXCEEDED';
}

/** Too many operations; see `details.retryAfterSeconds`. */
export class RateLimitedError extends LikenessError {
  declare readonly code: 'RATE_LIMITED';
}

/** The request is too large. */
export class RequestTooLargeError extends LikenessError {
  declare readonly code: 'REQUEST_TOO_LARGE';
}

/** The server is temporarily unable to answer. */
export class ServiceUnavailableError extends LikenessError {
  declare readonly code: 'SERVICE_UNAVAILABLE';
}

/** Events arrived faster than they were read. */
export class SubscriberTooSlowError extends LikenessError {
  declare readonly code: 'SUBSCRIBER_TOO_SLOW';
}

/** The server stopped the operation after its time limit. */
export class TimeoutError extends LikenessError {
  declare readonly code: 'TIMEOUT';
}

/** Fewer photos than `details.minimum`. */
export class TooFewPhotosError extends LikenessError {
  declare readonly code: 'TOO_FEW_PHOTOS';
}

/** More photos than `details.maximum`. */
export class TooManyPhotosError extends LikenessError {
  declare readonly code: 'TOO_MANY_PHOTOS';
}

/** The token or key is missing, invalid or has expired. */
export class UnauthenticatedError extends LikenessError {
  declare readonly code: 'UNAUTHENTICATED';
}

/** Another upload to the same URL is in progress. */
export class UploadInProgressError extends LikenessError {
  declare readonly code: 'UPLOAD_IN_PROGRESS';
}

/** The upload URL has expired, or the bucket refuses it. */
export class UploadUrlExpiredError extends LikenessError {
  declare readonly code: 'UPLOAD_URL_EXPIRED';
}

/** The account at the avatar service has no credits. */
export class UpstreamCreditsError extends LikenessError {
  declare readonly code: 'UPSTREAM_CREDITS';
}

const classes = {
  BAD_REQUEST: BadRequestError,
  CONSENT_REQUIRED: ConsentRequiredError,
  FORBIDDEN: ForbiddenError,
  GRAPHQL_PARSE_FAILED: GraphqlParseFailedError,
  GRAPHQL_VALIDATION_FAILED: GraphqlValidationFailedError,
  IDEMPOTENCY_KEY_REUSED: IdempotencyKeyReusedError,
  INTERNAL_SERVER_ERROR: InternalServerError,
  INVALID_CURSOR: InvalidCursorError,
  INVALID_INPUT: InvalidInputError,
  INVALID_SIGNATURE: InvalidSignatureError,
  MODEL_NOT_READY: ModelNotReadyError,
  NOT_CANCELLABLE: NotCancellableError,
  NOT_FOUND: NotFoundError,
  NOT_RETRYABLE: NotRetryableError,
  OPERATION_RESOLUTION_FAILURE: OperationResolutionFailureError,
  PERSISTED_QUERY_NOT_FOUND: PersistedQueryNotFoundError,
  PHOTO_INVALID: PhotoInvalidError,
  PHOTO_NOT_READY: PhotoNotReadyError,
  PHOTO_TOO_LARGE: PhotoTooLargeError,
  PHOTO_TYPE_UNSUPPORTED: PhotoTypeUnsupportedError,
  PROVIDER_NOT_CONFIGURED: ProviderNotConfiguredError,
  QUERY_NOT_ALLOWED: QueryNotAllowedError,
  QUERY_TOO_COMPLEX: QueryTooComplexError,
  QUOTA_EXCEEDED: QuotaExceededError,
  RATE_LIMITED: RateLimitedError,
  REQUEST_TOO_LARGE: RequestTooLargeError,
  SERVICE_UNAVAILABLE: ServiceUnavailableError,
  SUBSCRIBER_TOO_SLOW: SubscriberTooSlowError,
  TIMEOUT: TimeoutError,
  TOO_FEW_PHOTOS: TooFewPhotosError,
  TOO_MANY_PHOTOS: TooManyPhotosError,
  UNAUTHENTICATED: UnauthenticatedError,
  UPLOAD_IN_PROGRESS: UploadInProgressError,
  UPLOAD_URL_EXPIRED: UploadUrlExpiredError,
  UPSTREAM_CREDITS: UpstreamCreditsError,
};

/** The codes of the API, see docs/errors.md. More will be added. */
export type ErrorCode = keyof typeof classes;

/** Every code that has a class. */
export const errorCodes = Object.keys(classes) as readonly ErrorCode[];

/** The error of a response, of the class of its code; a {@link LikenessError} for a code that this version does not know. */
export function errorOf(message: string, extensions: Extensions): LikenessError {
  const { code } = extensions;
  return Object.hasOwn(classes, code)
    ? new classes[code as ErrorCode](message, extensions)
    : new LikenessError(message, extensions);
}
