import { ArgsType, Field, ID, InputType } from 'type-graphql';
import { ConsentInput } from '../accounts/consent.input';
import { PageArgs } from '../graphql/connection';
import { UrlScalar } from '../graphql/scalars';
import type { AvatarType } from '../upstream/provider';
import type { ModelStatus } from './model.state';
import { AvatarTypeEnum, ModelStatusEnum } from './model.type';

@InputType({
  description: 'The input of `trainModel`: 5 to 30 photos in total, uploaded or linked.',
})
export class TrainModelInput {
  @Field(() => String, { defaultValue: 'My model', description: 'A display name, 1 to 100 characters.' })
  name: string;

  @Field(() => AvatarTypeEnum, { description: 'The subject of the photos.' })
  type: AvatarType;

  @Field(() => [ID], {
    defaultValue: [],
    description: 'Global ids of READY photos, uploaded with `createPhotoUploads`.',
  })
  photoIds: string[];

  @Field(() => [UrlScalar], {
    defaultValue: [],
    description:
      'Public URLs of JPEG or PNG photos. They are fetched and checked after the mutation has returned.',
  })
  photoUrls: string[];

  @Field(() => String, {
    nullable: true,
    description: 'The name of the avatar service. Default: the configured one.',
  })
  provider?: string | null;

  @Field(() => ConsentInput, {
    nullable: true,
    description: 'The consent of the person on the photos; stored with the model.',
  })
  consent?: ConsentInput | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Makes retries of this mutation safe: a call with the same key and input returns the model of the first call. Up to 255 characters, preferably a UUID; valid for at least 24 hours.',
  })
  idempotencyKey?: string | null;
}

@ArgsType()
export class ModelsArgs extends PageArgs {
  @Field(() => ModelStatusEnum, { nullable: true, description: 'Only models with this status.' })
  status?: ModelStatus | null;

  @Field(() => AvatarTypeEnum, { nullable: true, description: 'Only models of this type.' })
  type?: AvatarType | null;
}

@ArgsType()
export class TrainingProgressArgs {
  @Field(() => ID, { description: 'The model’s global id.' })
  modelId: string;

  @Field(() => String, {
    nullable: true,
    description:
      'Resume after this cursor, the last one received, instead of starting with the current state.',
  })
  after?: string | null;
}
