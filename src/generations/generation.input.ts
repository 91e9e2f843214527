import { ArgsType, Field, ID, InputType, Int } from 'type-graphql';
import { ConsentInput } from '../accounts/consent.input';
import { PageArgs } from '../graphql/connection';
import { UrlScalar } from '../graphql/scalars';
import type { GenerationStatus } from './generation.state';
import { GenerationStatusEnum } from './generation.type';

const keyDescription =
  'Makes retries of this mutation safe: a call with the same key and input returns the generation of the first call. Up to 255 characters, preferably a UUID; valid for at least 24 hours.';

@InputType({ description: 'The avatars to generate in one style.' })
export class PromptInput {
  @Field(() => String, { defaultValue: 'realistic', description: 'One of `styles`.' })
  style: string;

  @Field(() => String, {
    nullable: true,
    description: 'A description of the avatars; at most 1,000 characters.',
  })
  prompt?: string | null;

  @Field(() => Int, {
    defaultValue: 1,
    description: 'The number of avatars, at least 1. All prompts of a generation together: at most 100.',
  })
  count: number;
}

@InputType({ description: 'The input of `generateAvatars`.' })
export class GenerateAvatarsInput {
  @Field(() => ID, { description: 'The global id of a READY model.' })
  modelId: string;

  @Field(() => [PromptInput], { description: '1 to 20 prompts.' })
  prompts: PromptInput[];

  @Field(() => String, { nullable: true, description: keyDescription })
  idempotencyKey?: string | null;
}

@InputType({
  description: 'The input of `generateInstantAvatars`. Give exactly one of `photoId` and `photoUrl`.',
})
export class GenerateInstantAvatarsInput {
  @Field(() => ID, { nullable: true, description: 'The global id of an uploaded photo that is READY.' })
  photoId?: string | null;

  @Field(() => UrlScalar, { nullable: true, description: 'The public URL of a JPEG or PNG photo.' })
  photoUrl?: string | null;

  @Field(() => String, { description: 'A description of the avatars; at most 1,000 characters.' })
  prompt: string;

  @Field(() => String, {
    nullable: true,
    description: 'What the avatars should not show; at most 1,000 characters.',
  })
  negativePrompt?: string | null;

  @Field(() => Int, { defaultValue: 1, description: 'The number of avatars, 1 to 100.' })
  count: number;

  @Field(() => ConsentInput, {
    nullable: true,
    description: 'The consent of the person on the photo; stored with the generation.',
  })
  consent?: ConsentInput | null;

  @Field(() => String, { nullable: true, description: keyDescription })
  idempotencyKey?: string | null;
}

@ArgsType()
export class GenerationsArgs extends PageArgs {
  @Field(() => GenerationStatusEnum, { nullable: true, description: 'Only generations with this status.' })
  status?: GenerationStatus | null;
}

@ArgsType()
export class GenerationProgressArgs {
  @Field(() => ID, { description: 'The generation’s global id.' })
  generationId: string;

  @Field(() => String, {
    nullable: true,
    description:
      'Resume after this cursor, the last one received, instead of starting with the current state.',
  })
  after?: string | null;
}

@ArgsType()
export class AvatarCompletedArgs {
  @Field(() => ID, { nullable: true, description: 'Send the avatars of this generation, until it ends.' })
  generationId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'Send the avatars of all generations of this model: the newest 100 stored ones, then each new one, until you unsubscribe.',
  })
  modelId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Resume after this cursor, the last one received, instead of starting with the current state.',
  })
  after?: string | null;
}
