import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { OneOf } from '../graphql/build-schema';
import { BulkInput, BulkPayload, selectedIdsDescription } from '../graphql/bulk.type';
import { BulkRetryInput, BulkRetryPayload } from '../jobs/retry.input';
import { AvatarModelFilter } from './model-list.input';

@OneOf()
@InputType({ description: 'Which models. Give exactly one of the fields.' })
export class ModelSelectionInput {
  @Field(() => [ID], { nullable: true, description: selectedIdsDescription })
  ids?: string[] | null;

  @Field(() => AvatarModelFilter, {
    nullable: true,
    description: 'Your models that match; with `{}` all of them.',
  })
  filter?: AvatarModelFilter | null;
}

@InputType()
export class CancelModelsInput extends BulkInput {
  @Field(() => ModelSelectionInput, {
    description:
      'Which models. Of those that a filter matches, only those that have not ended are cancelled.',
  })
  select: ModelSelectionInput;
}

@ObjectType()
export class CancelModelsPayload extends BulkPayload {}

@InputType()
export class RetryModelsInput extends BulkRetryInput {
  @Field(() => ModelSelectionInput, {
    description:
      'Which models. Of those that a filter matches, only those that FAILED with `failure.retryable` are retried. At most 10,000.',
  })
  select: ModelSelectionInput;
}

@ObjectType()
export class RetryModelsPayload extends BulkRetryPayload {}

@InputType()
export class DeleteModelsInput extends BulkInput {
  @Field(() => ModelSelectionInput, { description: 'Which models.' })
  select: ModelSelectionInput;
}

@ObjectType()
export class DeleteModelsPayload extends BulkPayload {}
