import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { createConnectionType } from '../graphql/connection';
import { Node } from '../graphql/node';
import { DateTimeScalar } from '../graphql/scalars';
import { Failure } from '../jobs/failure.type';
import { Avatar } from './avatar.type';
import type { GenerationStatus } from './generation.state';

/** {@link GenerationStatus} for the schema. */
export const GenerationStatusEnum = {
  QUEUED: 'QUEUED',
  SUBMITTING: 'SUBMITTING',
  UNCERTAIN: 'UNCERTAIN',
  GENERATING: 'GENERATING',
  STORING: 'STORING',
  COMPLETED: 'COMPLETED',
  PARTIAL: 'PARTIAL',
  FAILED: 'FAILED',
  CANCELLED: 'CANCELLED',
} as const satisfies { [Status in GenerationStatus]: Status };

registerEnumType(GenerationStatusEnum, {
  name: 'GenerationStatus',
  description: 'Where a generation stands. COMPLETED, PARTIAL, FAILED and CANCELLED are ends.',
  valuesConfig: {
    QUEUED: { description: 'Accepted; nothing has been paid.' },
    SUBMITTING: { description: 'The avatar service is being asked to make the avatars.' },
    UNCERTAIN: {
      description:
        'The avatar service was asked, and whether it took the request cannot be known. It is never asked again by itself; this settles within the grace period, or by `retryGeneration`, which may pay twice.',
    },
    GENERATING: { description: 'The avatar service makes the avatars.' },
    STORING: {
      description: 'The avatars are made and are being fetched; each can be seen as soon as it is stored.',
    },
    COMPLETED: { description: 'Every avatar that was asked for is stored.' },
    PARTIAL: {
      description:
        'Some avatars are stored; the others could not be fetched. It becomes COMPLETED if they arrive late, within 48 hours.',
    },
    FAILED: {
      description:
        '`failure` says why, and whether a retry may help. A success that comes late is still taken.',
    },
    CANCELLED: { description: 'Somebody cancelled it before it was over.' },
  },
});

/** What was asked for, as clients see it. */
@ObjectType({ description: 'What was asked for in one style.' })
export class GenerationPrompt {
  @Field(() => String, { description: 'The style’s id; `instant` for avatars without training.' })
  style: string;

  @Field(() => String, { nullable: true, description: 'What the avatars should show, in words.' })
  prompt: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'What they should not show; only for avatars without training.',
  })
  negativePrompt: string | null;

  @Field(() => Int, { description: 'How many avatars.' })
  count: number;
}

/** A generation, as clients see it. */
@ObjectType({ implements: Node, description: 'Avatars that were asked for together.' })
export class Generation implements Node {
  @Field(() => ID, { description: 'What `generationProgress` takes, and `node(id)` finds.' })
  id: string;

  @Field(() => GenerationStatusEnum, { description: 'Where it stands.' })
  status: GenerationStatus;

  @Field(() => Int, {
    description: 'Percent, 0 to 100. Never goes back, except when a failed generation is retried.',
  })
  progress: number;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'When it should be over, by what is known now; null before it has begun and after it has ended.',
  })
  estimatedReadyAt: Date | null;

  @Field(() => [GenerationPrompt], { description: 'What was asked for.' })
  prompts: GenerationPrompt[];

  @Field(() => Failure, { nullable: true, description: 'Why it FAILED; null otherwise.' })
  failure?: Failure | null;

  @Field(() => String, { description: 'The avatar service that makes the avatars.' })
  provider: string;

  @Field(() => Int, {
    description: 'How many times the avatar service was asked; each time may have been paid for.',
  })
  attempt: number;

  @Field(() => String, {
    nullable: true,
    description:
      'The version of the text that the person on the photo agreed to, as `generateInstantAvatars` was told; null if it was not, and for avatars of a model.',
  })
  consentVersion?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When the person agreed.' })
  consentAt?: Date | null;

  @Field(() => DateTimeScalar, { description: 'When it was asked for.' })
  createdAt: Date;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When the avatar service took it.' })
  submittedAt: Date | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When it became what it is now, COMPLETED or PARTIAL.',
  })
  completedAt: Date | null;
}

/** A page of generations. */
export const GenerationConnection = createConnectionType('Generation', () => Generation);

/** What `generateAvatars` and `generateInstantAvatars` answer. */
@ObjectType({ description: 'The generation that was asked for.' })
export class GenerateAvatarsPayload {
  @Field(() => Generation, {
    description: 'QUEUED for now; watch it with `generationProgress` or `avatarCompleted`.',
  })
  generation: Generation;
}

/** What the mutations on one generation answer. */
@ObjectType({ description: 'The generation after the change.' })
export class GenerationPayload {
  @Field(() => Generation, { description: 'The generation as it is now.' })
  generation: Generation;
}

/** A message of `generationProgress`. */
@ObjectType({ description: 'A generation at one moment.' })
export class GenerationProgress {
  @Field(() => Generation, {
    description: 'The generation as it was at that moment; its avatars as they are now.',
  })
  generation: Generation;

  @Field(() => GenerationStatusEnum, { description: 'Where it stood.' })
  status: GenerationStatus;

  @Field(() => Int, { description: 'Percent, 0 to 100.' })
  progress: number;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When it should be over, by what was known then.',
  })
  estimatedReadyAt: Date | null;

  @Field(() => Failure, { nullable: true, description: 'Why it FAILED; null otherwise.' })
  failure: Failure | null;

  @Field(() => String, {
    description:
      'Where you stand. After a lost connection subscribe again with `after: cursor` and get everything since, once.',
  })
  cursor: string;

  @Field(() => Boolean, {
    description:
      'True if this is the present state and not a recorded change: at the start, or because the cursor in `after` was too old to continue from.',
  })
  isSnapshot: boolean;
}

/** A message of `avatarCompleted`. */
@ObjectType({ description: 'An avatar that is stored and can be opened.' })
export class AvatarCompleted {
  @Field(() => Avatar, { description: 'The avatar.' })
  avatar: Avatar;

  @Field(() => String, {
    description:
      'Where you stand. After a lost connection subscribe again with `after: cursor` and get everything since, once.',
  })
  cursor: string;

  @Field(() => Boolean, {
    description:
      'True if it was stored before you subscribed, or before the cursor in `after` that was too old to continue from: you may have seen it.',
  })
  isSnapshot: boolean;
}
