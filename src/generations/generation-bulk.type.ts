import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { OneOf } from '../graphql/build-schema';
import { BulkInput, BulkPayload, selectedIdsDescription } from '../graphql/bulk.type';
import { BulkRetryInput, BulkRetryPayload } from '../jobs/retry.input';
import { GenerationFilter } from './generation-list.input';

@OneOf()
@InputType({ description: 'Which generations. Give exactly one of the fields.' })
export class GenerationSelectionInput {
  @Field(() => [ID], { nullable: true, description: selectedIdsDescription })
  ids?: string[] | null;

  @Field(() => GenerationFilter, {
    nullable: true,
    description: 'Your generations that match; with `{}` all of them.',
  })
  filter?: GenerationFilter | null;
}

@InputType()
export class CancelGenerationsInput extends BulkInput {
  @Field(() => GenerationSelectionInput, {
    description:
      'Which generations. Of those that a filter matches, only those that have not ended are cancelled.',
  })
  select: GenerationSelectionInput;
}

@ObjectType()
export class CancelGenerationsPayload extends BulkPayload {}

@InputType()
export class RetryGenerationsInput extends BulkRetryInput {
  @Field(() => GenerationSelectionInput, {
    description:
      'Which generations. Of those that a filter matches, only those that FAILED with `failure.retryable` are retried. At most 10,000.',
  })
  select: GenerationSelectionInput;
}

@ObjectType()
export class RetryGenerationsPayload extends BulkRetryPayload {}

@InputType()
export class DeleteGenerationsInput extends BulkInput {
  @Field(() => GenerationSelectionInput, { description: 'Which generations.' })
  select: GenerationSelectionInput;
}

@ObjectType()
export class DeleteGenerationsPayload extends BulkPayload {}
