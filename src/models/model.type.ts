import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { createConnectionType } from '../graphql/connection';
import { Node } from '../graphql/node';
import { DateTimeScalar } from '../graphql/scalars';
import { Failure } from '../jobs/failure.type';
import type { AvatarType } from '../upstream/provider';
import type { ModelStatus } from './model.state';

/** {@link AvatarType} for the schema. */
export const AvatarTypeEnum = {
  MAN: 'MAN',
  WOMAN: 'WOMAN',
  COUPLE: 'COUPLE',
  DOG: 'DOG',
  CAT: 'CAT',
} as const satisfies {
  [Type in AvatarType]: Type;
};

registerEnumType(AvatarTypeEnum, {
  name: 'AvatarType',
  description: 'Who or what is on the photos.',
  valuesConfig: {
    MAN: { description: 'One man.' },
    WOMAN: { description: 'One woman.' },
    COUPLE: { description: 'Two people, both on every photo.' },
    DOG: { description: 'One dog.' },
    CAT: { description: 'One cat.' },
  },
});

/** {@link ModelStatus} for the schema. */
export const ModelStatusEnum = {
  QUEUED: 'QUEUED',
  SUBMITTING: 'SUBMITTING',
  UNCERTAIN: 'UNCERTAIN',
  TRAINING: 'TRAINING',
  READY: 'READY',
  FAILED: 'FAILED',
  CANCELLED: 'CANCELLED',
} as const satisfies { [Status in ModelStatus]: Status };

registerEnumType(ModelStatusEnum, {
  name: 'ModelStatus',
  description: 'Where a model stands. READY, FAILED and CANCELLED are ends.',
  valuesConfig: {
    QUEUED: { description: 'Accepted. Its photos may still be fetched and checked; nothing has been paid.' },
    SUBMITTING: { description: 'The avatar service is being asked to train it.' },
    UNCERTAIN: {
      description:
        'The avatar service was asked, and whether it took the training cannot be known. It is never asked again by itself; this settles within the grace period, or by `retryModel`, which may pay twice.',
    },
    TRAINING: { description: 'The avatar service trains it.' },
    READY: { description: 'Avatars can be made from it.' },
    FAILED: { description: '`failure` says why, and whether a retry may help.' },
    CANCELLED: { description: 'Somebody cancelled it before it was ready.' },
  },
});

/** An avatar model, as clients see it. */
@ObjectType('AvatarModel', {
  implements: Node,
  description:
    'A model that was, or is being, trained from photos. Avatars are made from it by `generateAvatars`.',
})
export class AvatarModel implements Node {
  @Field(() => ID, {
    description: 'What `generateAvatars` and `trainingProgress` take, and `node(id)` finds.',
  })
  id: string;

  @Field(() => String, { description: 'As you named it.' })
  name: string;

  @Field(() => AvatarTypeEnum, { description: 'Who or what it was trained for.' })
  type: AvatarType;

  @Field(() => ModelStatusEnum, { description: 'Where it stands.' })
  status: ModelStatus;

  @Field(() => Int, {
    description: 'Percent, 0 to 100. Never goes back, except when a failed training is retried.',
  })
  progress: number;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'When it should be ready, by what is known now; null before the training has begun and after it has ended.',
  })
  estimatedReadyAt: Date | null;

  @Field(() => Failure, { nullable: true, description: 'Why it FAILED; null otherwise.' })
  failure?: Failure | null;

  @Field(() => String, {
    nullable: true,
    description:
      'The avatar service’s own id of the model, to be quoted to its support; null until the training was taken.',
  })
  providerModelId?: string | null;

  @Field(() => String, { description: 'The avatar service that trains it.' })
  provider: string;

  @Field(() => Int, {
    description: 'How many times the avatar service was asked to train it; each time may have been paid for.',
  })
  attempt: number;

  @Field(() => String, {
    nullable: true,
    description:
      'The version of the text that the person on the photos agreed to, as `trainModel` was told; null if it was not.',
  })
  consentVersion?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When the person agreed.' })
  consentAt?: Date | null;

  @Field(() => DateTimeScalar, { description: 'When `trainModel` was called.' })
  createdAt: Date;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When the avatar service took the training.' })
  submittedAt: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it became READY.' })
  readyAt: Date | null;
}

/** A page of models. */
export const AvatarModelConnection = createConnectionType('AvatarModel', () => AvatarModel);

/** What the mutations on one model answer. */
@ObjectType({ description: 'The model after the change.' })
export class ModelPayload {
  @Field(() => AvatarModel, { description: 'The model as it is now.' })
  model: AvatarModel;
}

/** What `trainModel` answers. */
@ObjectType({ description: 'The model that is to be trained.' })
export class TrainModelPayload {
  @Field(() => AvatarModel, { description: 'QUEUED for now; watch it with `trainingProgress`.' })
  model: AvatarModel;
}

/** A message of `trainingProgress`. */
@ObjectType({ description: 'A model at one moment of its training.' })
export class TrainingProgress {
  @Field(() => AvatarModel, { description: 'The model as it was at that moment.' })
  model: AvatarModel;

  @Field(() => ModelStatusEnum, { description: 'Where it stood.' })
  status: ModelStatus;

  @Field(() => Int, { description: 'Percent, 0 to 100.' })
  progress: number;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When it should be ready, by what was known then.',
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
