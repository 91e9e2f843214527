import { Field, InputType, Int, ObjectType } from 'type-graphql';
import { Money } from '../accounts/money.type';
import { BulkInput, BulkPayload } from '../graphql/bulk.type';

/** What the inputs of `retryModel` and `retryGeneration` have in common. */
@InputType()
export abstract class RetryInput {
  @Field(() => Int, {
    nullable: true,
    description:
      'The `attempt` you saw. If there has been a later one, the answer is NOT_RETRYABLE. A greater number than the latest is INVALID_INPUT. Null: later attempts are not checked.',
  })
  attempt?: number | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Repeating the mutation with the same key never charges twice: it returns the job as it is now. A refused retry does not use the key. Up to 255 characters, preferably a UUID; valid for at least 24 hours. Null: the mutation is not deduplicated.',
  })
  idempotencyKey?: string | null;
}

/** What the inputs of `retryModels` and `retryGenerations` have in common. */
@InputType()
export abstract class BulkRetryInput extends BulkInput {
  @Field(() => Int, {
    description:
      'How many you expect: `matchedCount` of a call with `dryRun`, which ignores this number. If another number matches, nothing is retried (INVALID_INPUT).',
  })
  expectedCount: number;

  @Field(() => String, {
    description:
      'Repeating the mutation with the same key and input never charges twice. Repeat it after a lost answer, and while `hasMore`. Use a new key for later failures. Up to 255 characters, preferably a UUID; valid for at least 24 hours.',
  })
  idempotencyKey: string;
}

/** What the payloads of `retryModels` and `retryGenerations` have in common. */
@ObjectType()
export abstract class BulkRetryPayload extends BulkPayload {
  @Field(() => Money, {
    nullable: true,
    description:
      'The price of all attempts that were made, by repetitions with the same key too; with `dryRun`, of those that would be. Null if the operator has configured no price.',
  })
  cost: Money | null;
}
