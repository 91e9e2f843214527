import { Field, Int, ObjectType } from 'type-graphql';
import { Failure, failureOf } from '../jobs/failure.type';
import { GenerationPrompt } from './generation.type';
import type { MissingGroup } from './missing-avatars';

@ObjectType({ description: 'Avatars of one prompt that a generation lacks for the same reason.' })
export class MissingAvatars {
  @Field(() => GenerationPrompt, { description: 'The prompt, as requested.' })
  prompt: GenerationPrompt;

  @Field(() => Int, { description: 'The index of the prompt in `Generation.prompts`, from 0.' })
  promptIndex: number;

  @Field(() => Int, { description: 'How many of its avatars are missing, at least 1.' })
  count: number;

  @Field(() => Boolean, {
    description:
      'Whether they may still arrive, free of charge. `retryGeneration` with `missingOnly` orders only those for which this is false.',
  })
  mayArrive: boolean;

  @Field(() => Failure, { description: 'Why they are missing.' })
  failure: Failure;
}

/** Missing avatars, as clients see them. */
export function missingAvatarsOf(groups: readonly MissingGroup[]): MissingAvatars[] {
  return groups.map(({ why, ...group }) => ({ ...group, failure: failureOf(why)! }));
}
