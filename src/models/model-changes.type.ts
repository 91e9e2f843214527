import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { DeletionPayload } from '../graphql/node';
import { RetryInput } from '../jobs/retry.input';
import { AvatarModel } from './model.type';

/** What the inputs of mutations of one model have in common. */
@InputType()
abstract class ModelInput {
  @Field(() => ID, { description: 'The global id of the model.' })
  id: string;
}

/** What the payloads of mutations that change a model have in common. */
@ObjectType()
abstract class ModelPayload {
  @Field(() => AvatarModel, { description: 'The model after the change.' })
  model: AvatarModel;
}

@InputType()
export class RenameModelInput extends ModelInput {
  @Field(() => String, { description: 'The new name, 1 to 100 characters.' })
  name: string;
}

@ObjectType()
export class RenameModelPayload extends ModelPayload {}

@InputType()
export class CancelModelInput extends ModelInput {}

@ObjectType()
export class CancelModelPayload extends ModelPayload {}

@InputType()
export class RetryModelInput extends RetryInput {
  @Field(() => ID, { description: 'The global id of the model.' })
  id: string;
}

@ObjectType()
export class RetryModelPayload extends ModelPayload {}

@InputType()
export class DeleteModelInput extends ModelInput {}

@ObjectType()
export class DeleteModelPayload extends DeletionPayload {}
