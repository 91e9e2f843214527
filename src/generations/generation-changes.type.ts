import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { DeletionPayload } from '../graphql/node';
import { RetryInput } from '../jobs/retry.input';
import { Generation } from './generation.type';

/** What the inputs of mutations of one generation have in common. */
@InputType()
abstract class GenerationInput {
  @Field(() => ID, { description: 'The global id of the generation.' })
  id: string;
}

/** What the payloads of mutations that change a generation have in common. */
@ObjectType()
abstract class GenerationPayload {
  @Field(() => Generation, { description: 'The generation after the change.' })
  generation: Generation;
}

@InputType()
export class CancelGenerationInput extends GenerationInput {}

@ObjectType()
export class CancelGenerationPayload extends GenerationPayload {}

@InputType()
export class RetryGenerationInput extends RetryInput {
  @Field(() => ID, { description: 'The global id of the generation.' })
  id: string;

  @Field(() => Boolean, {
    defaultValue: false,
    description:
      'Required to be true for a PARTIAL generation: its avatars stay, and only those that are missing are ordered and charged, except those that may still arrive. Of a FAILED or UNCERTAIN generation all avatars are missing; with true it is refused with NOT_RETRYABLE if some may still arrive.',
  })
  missingOnly: boolean;
}

@ObjectType()
export class RetryGenerationPayload extends GenerationPayload {}

@InputType()
export class DeleteGenerationInput extends GenerationInput {}

@ObjectType()
export class DeleteGenerationPayload extends DeletionPayload {}
