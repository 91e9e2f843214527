import { Field, ObjectType } from 'type-graphql';
import { createCodeEnum } from '../graphql/code-enum';
import { PlainFields } from '../graphql/plain-fields';
import { failureCodes } from './failure';

const FailureCode = createCodeEnum('FailureCode', 'Why a model or generation failed.', failureCodes);

/** Why a model or generation failed, as clients see it. */
@PlainFields()
@ObjectType({ description: 'Why a model or generation failed, and what can be done.' })
export class Failure {
  @Field(() => FailureCode.type, { description: 'A stable code, for your program.' })
  code: string;

  @Field(() => String, { description: 'A message for your user: what happened and what to do.' })
  message: string;

  @Field(() => Boolean, {
    description:
      'Whether `retryModel` or `retryGeneration` may help; `canRetry` says whether one is possible now. A retry is a new attempt and is charged again.',
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
    code: FailureCode.read(row.failureCode),
    message: row.failureMessage ?? '',
    retryable: row.failureRetryable ?? false,
  };
}
