import { Field, ObjectType } from 'type-graphql';

/** Why a model or generation failed, as clients see it. */
@ObjectType({ description: 'Why a model or generation failed, and what can be done.' })
export class Failure {
  @Field(() => String, {
    description:
      'Stable, for your program: PHOTO_UNREACHABLE, PHOTO_INVALID, TOO_FEW_PHOTOS, UPSTREAM_REJECTED, UPSTREAM_FAILED, UPSTREAM_CREDITS, UPSTREAM_AUTH, UPSTREAM_TIMEOUT, SUBMISSION_UNKNOWN, RESULT_UNREACHABLE, RESULT_EXPIRED, RESULT_UNUSABLE, MODEL_LOST_UPSTREAM or PROVIDER_NOT_CONFIGURED.',
  })
  code: string;

  @Field(() => String, { description: 'For your user: what happened and what to do.' })
  message: string;

  @Field(() => Boolean, {
    description:
      'Whether `retryModel` or `retryGeneration` may help. A retry is a new attempt and is paid for again.',
  })
  retryable: boolean;
}

/** The failure of a row, if it has one. */
export function failureOf(row: {
  failureCode: string | null;
  failureMessage: string | null;
  failureRetryable: boolean | null;
}): Failure | null {
  if (row.failureCode === null) return null;
  return {
    code: row.failureCode,
    message: row.failureMessage ?? '',
    retryable: row.failureRetryable ?? false,
  };
}
