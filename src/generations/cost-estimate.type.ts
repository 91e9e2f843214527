import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { Money } from '../accounts/money.type';
import type { ErrorCode as DomainErrorCode } from '../core/errors';
import { OneOf } from '../graphql/build-schema';
import { ErrorCode } from '../graphql/error-code.type';
import { TrainModelInput } from '../models/model.type';
import { GenerateAvatarsInput, GenerateInstantAvatarsInput } from './generation.type';

@OneOf()
@InputType({
  description: 'The request to estimate: the same input as for the mutation. Give exactly one of the fields.',
})
export class EstimateCostInput {
  @Field(() => TrainModelInput, { nullable: true, description: 'The input of `trainModel`.' })
  trainModel?: TrainModelInput | null;

  @Field(() => GenerateAvatarsInput, { nullable: true, description: 'The input of `generateAvatars`.' })
  generateAvatars?: GenerateAvatarsInput | null;

  @Field(() => GenerateInstantAvatarsInput, {
    nullable: true,
    description: 'The input of `generateInstantAvatars`.',
  })
  generateInstantAvatars?: GenerateInstantAvatarsInput | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The global id of a model or generation to retry; of a PARTIAL generation, with `missingOnly`.',
  })
  retry?: string | null;
}

@ObjectType({ description: 'What a request would cost.' })
export class CostEstimate {
  @Field(() => Money, {
    nullable: true,
    description:
      'The price of the attempt, also if the request would be refused; zero for a repeated `idempotencyKey`. Null if the operator has configured no price, or if there is no such job to retry.',
  })
  total: Money | null;

  @Field(() => ErrorCode, {
    nullable: true,
    description:
      'Why the request would be refused now, for example QUOTA_EXCEEDED. Null if it would be accepted.',
  })
  refusal: DomainErrorCode | null;
}
