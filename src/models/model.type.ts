import { ArgsType, Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { ConsentInput, consentIn } from '../accounts/consent.input';
import { ProblemCollector } from '../core/input-problems';
import { createConnectionType } from '../graphql/connection';
import { PlainFields } from '../graphql/plain-fields';
import { DateTimeScalar, UrlScalar } from '../graphql/scalars';
import { JobProgress, ResumeArgs } from '../jobs/job-progress.type';
import { Job, SubmittedJob } from '../jobs/job.type';
import { queueOptionsIn, StartInput } from '../jobs/start.input';
import { photosIn, PhotoSourceInput } from '../photos/photo-source.type';
import type { AvatarType } from '../upstream/provider';
import type { TrainModelRequest } from './model.service';
import { modelStatuses, type ModelStatus } from './model.state';

/** {@link AvatarType} as a GraphQL enum. */
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
  description: 'The subject of the photos.',
  valuesConfig: {
    MAN: { description: 'One man.' },
    WOMAN: { description: 'One woman.' },
    COUPLE: { description: 'Two people, both in every photo.' },
    DOG: { description: 'One dog.' },
    CAT: { description: 'One cat.' },
  },
});

/** {@link ModelStatus} as a GraphQL enum. */
export const ModelStatusEnum = Object.fromEntries(modelStatuses.map((status) => [status, status])) as {
  [Status in ModelStatus]: Status;
};

registerEnumType(ModelStatusEnum, {
  name: 'ModelStatus',
  description:
    'The status of a model. READY, FAILED and CANCELLED are final, except that a FAILED one may be retried or succeed late.',
  valuesConfig: {
    QUEUED: {
      description:
        'Waiting to be sent to the avatar service; its photos may still be fetched and checked. This attempt has not been charged.',
    },
    SUBMITTING: { description: 'The request to the avatar service is being made.' },
    UNCERTAIN: {
      description:
        'It is unknown whether the avatar service accepted the training, because its answer was lost. The training may have been charged once; it is not sent again without proof that it did not arrive. Show it as “taking longer than usual”. It leaves this status by itself within the grace period, which the operator sets (35 minutes for Picsart): it continues if it was accepted, is sent again if it certainly was not, and otherwise becomes FAILED with SUBMISSION_UNKNOWN. `retryModel` ends it at once, and may be charged a second time.',
    },
    TRAINING: { description: 'The avatar service is training it.' },
    READY: { description: 'Avatars can be generated from it.' },
    FAILED: { description: 'It could not be trained; `failure` has the reason.' },
    CANCELLED: { description: 'Cancelled by its owner.' },
  },
});

@ObjectType('AvatarModel', {
  implements: Job,
  description: 'A model that is trained from photos. `generateAvatars` generates avatars from it.',
})
export class AvatarModel extends SubmittedJob {
  @Field(() => ID, {
    description: 'The global id, for `generateAvatars`, `trainingProgress` and `node(id)`.',
  })
  override id: string;

  @Field(() => String, { description: 'The name that you gave it.' })
  name: string;

  @Field(() => AvatarTypeEnum, { description: 'The subject of its photos.' })
  type: AvatarType;

  @Field(() => ModelStatusEnum, { description: 'How far the training is.' })
  status: ModelStatus;

  @Field(() => String, {
    nullable: true,
    description:
      'The avatar service’s id of the model, for support requests; null until the training is accepted.',
  })
  providerModelId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'The version of the consent text that the person in the photos agreed to, as given to `trainModel`; null if not given.',
  })
  consentVersion?: string | null;

  @Field(() => DateTimeScalar, { description: 'When `trainModel` was called.' })
  override createdAt: Date;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it became READY; null unless READY.' })
  readyAt: Date | null;
}

/** A page of models. */
export const AvatarModelConnection = createConnectionType('AvatarModel', () => AvatarModel);

@ObjectType({ description: 'The new model.' })
export class TrainModelPayload {
  @Field(() => AvatarModel, {
    description: 'The model, initially QUEUED. Follow it with `trainingProgress`.',
  })
  model: AvatarModel;
}

@PlainFields()
@ObjectType({
  description:
    'A change of a model during its training. Status, progress, estimate and failure are those of that moment; `model` is the model as it is now.',
})
export class TrainingProgress extends JobProgress {
  @Field(() => AvatarModel, {
    description:
      'The model as it is now, never older than this change: safe for a normalized cache, also when past changes are sent again.',
  })
  model: AvatarModel;

  @Field(() => ModelStatusEnum, { description: 'The status after this change.' })
  status: ModelStatus;
}

@InputType({
  description: 'What `trainModel` takes.',
})
export class TrainModelInput extends StartInput {
  @Field(() => String, { defaultValue: 'My model', description: 'A display name, 1 to 100 characters.' })
  name: string;

  @Field(() => AvatarTypeEnum, { description: 'The subject of the photos.' })
  type: AvatarType;

  @Field(() => [PhotoSourceInput], {
    nullable: true,
    description:
      'The photos, in your order: 5 to 30, uploaded or at public URLs; `capabilities` has the limits of this server. Required; null only if the deprecated `photoIds` or `photoUrls` are given.',
  })
  photos?: PhotoSourceInput[] | null;

  @Field(() => [ID], {
    nullable: true,
    description: 'Global ids of READY photos, uploaded with `createPhotoUploads`.',
    deprecationReason: 'Use `photos`. Removed in 1.0.',
  })
  photoIds?: string[] | null;

  @Field(() => [UrlScalar], {
    nullable: true,
    description:
      'Public URLs of JPEG, PNG, WebP, AVIF or HEIC photos. They are fetched and checked after the mutation has returned.',
    deprecationReason: 'Use `photos`. Removed in 1.0.',
  })
  photoUrls?: string[] | null;

  @Field(() => String, {
    nullable: true,
    description: 'The `key` of the avatar service, see `providers`. Default: the configured one.',
  })
  provider?: string | null;

  @Field(() => ConsentInput, {
    nullable: true,
    description:
      'The consent of the person in the photos; stored with the model. Null: none; refused with CONSENT_REQUIRED if `capabilities.consentVersion` is not null.',
  })
  consent?: ConsentInput | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Makes retries of this mutation safe: a call with the same key and input returns the model of the first call. Up to 255 characters, preferably a UUID; valid for at least 24 hours. Null: each call trains, and is charged for, another model.',
  })
  idempotencyKey?: string | null;
}

/** The request in an input, and the problems that were found in it. */
export function trainingIn(input: TrainModelInput): {
  request: TrainModelRequest;
  problems: ProblemCollector;
} {
  const { name, type, provider = null, idempotencyKey = null } = input;
  const problems = new ProblemCollector();
  const rest = { name, type, provider, queue: queueOptionsIn(input), idempotencyKey };
  const request = { ...rest, consent: consentIn(input.consent), ...photosIn(input, problems) };
  return { request, problems };
}

@ArgsType()
export class TrainingProgressArgs extends ResumeArgs {
  @Field(() => ID, { description: 'The model’s global id.' })
  modelId: string;
}
