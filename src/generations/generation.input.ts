import { ArgsType, Field, ID, InputType, Int } from 'type-graphql';
import { ConsentInput } from '../accounts/consent.input';
import { PageArgs } from '../graphql/connection';
import { UrlScalar } from '../graphql/scalars';
import type { GenerationStatus } from './generation.state';
import { GenerationStatusEnum } from './generation.type';

const keyDescription =
  'Makes it safe to send this mutation again: with the same key and input the first call’s generation is the answer. Up to 255 characters, best a UUID; good for at least 24 hours.';

/** What is wanted in one style. */
@InputType({ description: 'What is wanted in one style.' })
export class PromptInput {
  @Field(() => String, { defaultValue: 'realistic', description: 'One of `styles`.' })
  style: string;

  @Field(() => String, {
    nullable: true,
    description: 'What the avatars should show, in words; at most 1,000 characters.',
  })
  prompt?: string | null;

  @Field(() => Int, {
    defaultValue: 1,
    description: 'How many avatars: 1 or more; all prompts of a generation together at most 100.',
  })
  count: number;
}

/** What `generateAvatars` takes. */
@InputType({ description: 'Which avatars are wanted from a model.' })
export class GenerateAvatarsInput {
  @Field(() => ID, { description: 'A model that is READY.' })
  modelId: string;

  @Field(() => [PromptInput], { description: '1 to 20 prompts.' })
  prompts: PromptInput[];

  @Field(() => String, { nullable: true, description: keyDescription })
  idempotencyKey?: string | null;
}

/** What `generateInstantAvatars` takes. */
@InputType({
  description: 'Which avatars are wanted from one photo. Give exactly one of `photoId` and `photoUrl`.',
})
export class GenerateInstantAvatarsInput {
  @Field(() => ID, { nullable: true, description: 'A photo that was uploaded and is READY.' })
  photoId?: string | null;

  @Field(() => UrlScalar, { nullable: true, description: 'The public address of a photo, JPEG or PNG.' })
  photoUrl?: string | null;

  @Field(() => String, { description: 'What the avatars should show, in words; at most 1,000 characters.' })
  prompt: string;

  @Field(() => String, {
    nullable: true,
    description: 'What they should not show; at most 1,000 characters.',
  })
  negativePrompt?: string | null;

  @Field(() => Int, { defaultValue: 1, description: 'How many avatars: 1 to 100.' })
  count: number;

  @Field(() => ConsentInput, {
    nullable: true,
    description: 'That the person on the photo has agreed; kept with the generation.',
  })
  consent?: ConsentInput | null;

  @Field(() => String, { nullable: true, description: keyDescription })
  idempotencyKey?: string | null;
}

/** Which generations are wanted. */
@ArgsType()
export class GenerationsArgs extends PageArgs {
  @Field(() => GenerationStatusEnum, { nullable: true, description: 'Only generations in this state.' })
  status?: GenerationStatus | null;
}

/** Which generation is followed. */
@ArgsType()
export class GenerationProgressArgs {
  @Field(() => ID, { description: 'The generation’s global id.' })
  generationId: string;

  @Field(() => String, {
    nullable: true,
    description: 'Continue after this cursor, the last one seen, instead of beginning with the present.',
  })
  after?: string | null;
}

/** Whose avatars are followed. */
@ArgsType()
export class AvatarCompletedArgs {
  @Field(() => ID, { nullable: true, description: 'Only the avatars of this generation; ends with it.' })
  generationId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The avatars of all generations of this model: the newest 100 that are stored, then each that comes, until you leave.',
  })
  modelId?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Continue after this cursor, the last one seen, instead of beginning with the present.',
  })
  after?: string | null;
}
