import { ArgsType, Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { ConsentInput } from '../accounts/consent.input';
import { createConnectionType } from '../graphql/connection';
import { PlainFields } from '../graphql/plain-fields';
import { DateTimeScalar, UrlScalar } from '../graphql/scalars';
import { JobProgress, ResumeArgs } from '../jobs/job-progress.type';
import { Job, SubmittedJob } from '../jobs/job.type';
import { StartInput } from '../jobs/start.input';
import { PhotoSourceInput } from '../photos/photo-source.type';
import { Avatar } from './avatar.type';
import { generationStatuses, type GenerationStatus } from './generation.state';

/** {@link GenerationStatus} as a GraphQL enum. */
export const GenerationStatusEnum = Object.fromEntries(
  generationStatuses.map((status) => [status, status]),
) as {
  [Status in GenerationStatus]: Status;
};

registerEnumType(GenerationStatusEnum, {
  name: 'GenerationStatus',
  description:
    'The status of a generation. COMPLETED, PARTIAL, FAILED and CANCELLED are final, except that a late result or a retry may change PARTIAL and FAILED.',
  valuesConfig: {
    QUEUED: { description: 'Waiting to be sent to the avatar service; this attempt has not been charged.' },
    SUBMITTING: { description: 'The request to the avatar service is being made.' },
    UNCERTAIN: {
      description:
        'It is unknown whether the avatar service accepted the request, because its answer was lost. The request may have been charged once; it is not sent again without proof that it did not arrive. Show it as “taking longer than usual”. It leaves this status by itself within the grace period, which the operator sets (35 minutes for Picsart): it continues if it was accepted, is sent again if it certainly was not, and otherwise becomes FAILED with SUBMISSION_UNKNOWN. `retryGeneration` ends it at once, and may be charged a second time.',
    },
    GENERATING: { description: 'The avatar service is generating the avatars.' },
    STORING: {
      description:
        'The avatars are finished and are being fetched; each is available as soon as it is stored.',
    },
    COMPLETED: { description: 'Every requested avatar is stored.' },
    PARTIAL: {
      description:
        'Some avatars are stored; `missing` lists the others. Those that can no longer arrive can be ordered again by `retryGeneration` with `missingOnly`. It becomes COMPLETED if they arrive while the avatar service keeps them (Picsart: 48 hours), unless you have deleted one of the others: then it stays PARTIAL, with `missing` empty.',
    },
    FAILED: {
      description: 'It has no avatars; `failure` has the reason. A late success is still stored.',
    },
    CANCELLED: { description: 'Cancelled by its owner.' },
  },
});

@ObjectType({ description: 'The requested avatars in one style.' })
export class GenerationPrompt {
  @Field(() => String, { description: 'The style’s `key`; `instant` for avatars without training.' })
  style: string;

  @Field(() => String, {
    nullable: true,
    description: 'The description of the avatars that was given; null if none was.',
  })
  prompt: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'What the avatars should not show, as given to `generateInstantAvatars`; null if not given, and for avatars of a model.',
  })
  negativePrompt: string | null;

  @Field(() => Int, { description: 'The number of avatars.' })
  count: number;
}

@ObjectType({ implements: Job, description: 'Avatars that were requested together.' })
export class Generation extends SubmittedJob {
  @Field(() => ID, { description: 'The global id, for `generationProgress` and `node(id)`.' })
  override id: string;

  @Field(() => GenerationStatusEnum, { description: 'How far the generation is.' })
  status: GenerationStatus;

  @Field(() => [GenerationPrompt], { description: 'The prompts of the request.' })
  prompts: GenerationPrompt[];

  @Field(() => String, {
    nullable: true,
    description:
      'The version of the consent text that the person in the photo agreed to, as given to `generateInstantAvatars`; null if not given, and for avatars of a model.',
  })
  consentVersion?: string | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When it became COMPLETED or PARTIAL, whichever it is now; null in every other status.',
  })
  completedAt: Date | null;
}

/** A page of generations. */
export const GenerationConnection = createConnectionType('Generation', () => Generation);

@ObjectType({ description: 'The new generation.' })
export class GenerateAvatarsPayload {
  @Field(() => Generation, {
    description:
      'The generation, initially QUEUED. Follow it with `generationProgress` or `avatarCompleted`.',
  })
  generation: Generation;
}

@ObjectType({ description: 'The new generation.' })
export class GenerateInstantAvatarsPayload extends GenerateAvatarsPayload {}

@PlainFields()
@ObjectType({
  description:
    'A change of a generation. Status, progress, estimate and failure are those of that moment; `generation` is the generation as it is now.',
})
export class GenerationProgress extends JobProgress {
  @Field(() => Generation, {
    description:
      'The generation as it is now, never older than this change: safe for a normalized cache, also when past changes are sent again.',
  })
  generation: Generation;

  @Field(() => GenerationStatusEnum, { description: 'The status after this change.' })
  status: GenerationStatus;
}

@PlainFields()
@ObjectType({ description: 'A stored avatar.' })
export class AvatarCompleted {
  @Field(() => Avatar, {
    description: 'The avatar as it is now. Avatars that have been deleted since are not sent.',
  })
  avatar: Avatar;

  @Field(() => DateTimeScalar, {
    description: 'When it was stored. If `isSnapshot`, when the avatar service finished it.',
  })
  occurredAt: Date;

  @Field(() => String, {
    description:
      'The position in the stream. After a lost connection, subscribe again with `after: cursor` to receive every later avatar exactly once.',
  })
  cursor: string;

  @Field(() => Boolean, {
    description:
      'True if it was stored before the subscription started, or if the cursor in `after` is too old to resume from. You may have received it before.',
  })
  isSnapshot: boolean;
}

const keyDescription =
  'Makes retries of this mutation safe: a call with the same key and input returns the generation of the first call. Up to 255 characters, preferably a UUID; valid for at least 24 hours. Null: each call makes, and is charged for, another generation.';

@InputType({ description: 'The avatars to generate in one style.' })
export class PromptInput {
  @Field(() => String, {
    nullable: true,
    description:
      'The `key` of one of the `styles`. Default: the style with `isDefault`; required if no style has it.',
  })
  style?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'A description of the avatars; at most 1,000 characters. Null: the style alone.',
  })
  prompt?: string | null;

  @Field(() => Int, {
    defaultValue: 1,
    description: 'The number of avatars, at least 1. All prompts of a generation together: at most 100.',
  })
  count: number;
}

@InputType({ description: 'What `generateAvatars` takes.' })
export class GenerateAvatarsInput extends StartInput {
  @Field(() => ID, { description: 'The global id of a READY model.' })
  modelId: string;

  @Field(() => [PromptInput], { description: '1 to 20 prompts.' })
  prompts: PromptInput[];

  @Field(() => String, { nullable: true, description: keyDescription })
  idempotencyKey?: string | null;
}

@InputType({
  description: 'What `generateInstantAvatars` takes.',
})
export class GenerateInstantAvatarsInput extends StartInput {
  @Field(() => PhotoSourceInput, {
    nullable: true,
    description: 'The photo. Required; null only if the deprecated `photoId` or `photoUrl` is given.',
  })
  photo?: PhotoSourceInput | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The global id of an uploaded photo that is READY.',
    deprecationReason: 'Use `photo`. Removed in 1.0.',
  })
  photoId?: string | null;

  @Field(() => UrlScalar, {
    nullable: true,
    description: 'The public URL of a JPEG, PNG, WebP, AVIF or HEIC photo.',
    deprecationReason: 'Use `photo`. Removed in 1.0.',
  })
  photoUrl?: string | null;

  @Field(() => String, {
    description: 'A description of the avatars: 1 to 1,000 characters.',
  })
  prompt: string;

  @Field(() => String, {
    nullable: true,
    description: 'What the avatars should not show; at most 1,000 characters. Null: no restriction.',
  })
  negativePrompt?: string | null;

  @Field(() => Int, { defaultValue: 1, description: 'The number of avatars, 1 to 100.' })
  count: number;

  @Field(() => ConsentInput, {
    nullable: true,
    description:
      'The consent of the person in the photo; stored with the generation. Null: none; refused with CONSENT_REQUIRED if `capabilities.consentVersion` is not null.',
  })
  consent?: ConsentInput | null;

  @Field(() => String, { nullable: true, description: keyDescription })
  idempotencyKey?: string | null;
}

@ArgsType()
export class GenerationProgressArgs extends ResumeArgs {
  @Field(() => ID, { description: 'The generation’s global id.' })
  generationId: string;
}
