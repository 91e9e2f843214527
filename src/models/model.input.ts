import { ArgsType, Field, ID, InputType } from 'type-graphql';
import { ConsentInput } from '../accounts/consent.input';
import { PageArgs } from '../graphql/connection';
import { UrlScalar } from '../graphql/scalars';
import type { AvatarType } from '../upstream/provider';
import type { ModelStatus } from './model.state';
import { AvatarTypeEnum, ModelStatusEnum } from './model.type';

/** What `trainModel` takes. */
@InputType({
  description: 'What a model is trained from: 5 to 30 photos, uploaded ones and linked ones together.',
})
export class TrainModelInput {
  @Field(() => String, { defaultValue: 'My model', description: 'Only for you: 1 to 100 characters.' })
  name: string;

  @Field(() => AvatarTypeEnum, { description: 'Who or what is on the photos.' })
  type: AvatarType;

  @Field(() => [ID], {
    defaultValue: [],
    description: 'Photos that were uploaded by `createPhotoUploads` and are READY.',
  })
  photoIds: string[];

  @Field(() => [UrlScalar], {
    defaultValue: [],
    description:
      'Public addresses of photos, JPEG or PNG. They are fetched and checked after the mutation has answered.',
  })
  photoUrls: string[];

  @Field(() => String, {
    nullable: true,
    description: 'Which avatar service; the configured one unless given.',
  })
  provider?: string | null;

  @Field(() => ConsentInput, {
    nullable: true,
    description: 'That the person on the photos has agreed; kept with the model.',
  })
  consent?: ConsentInput | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Makes it safe to send this mutation again: with the same key and input the first call’s model is the answer. Up to 255 characters, best a UUID; good for at least 24 hours.',
  })
  idempotencyKey?: string | null;
}

/** Which models are wanted. */
@ArgsType()
export class ModelsArgs extends PageArgs {
  @Field(() => ModelStatusEnum, { nullable: true, description: 'Only models in this state.' })
  status?: ModelStatus | null;

  @Field(() => AvatarTypeEnum, { nullable: true, description: 'Only models of this type.' })
  type?: AvatarType | null;
}

/** Whose training is followed. */
@ArgsType()
export class TrainingProgressArgs {
  @Field(() => ID, { description: 'The model’s global id.' })
  modelId: string;

  @Field(() => String, {
    nullable: true,
    description: 'Continue after this cursor, the last one seen, instead of beginning with the present.',
  })
  after?: string | null;
}
