import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { readInputId, uuidOf, type InputId } from '../core/ids';
import type { GraphQLContext } from '../graphql/context';
import { DeprecatedArguments } from '../graphql/deprecated-arguments';
import type { JobLifecycle } from '../jobs/job.lifecycle';
import {
  CancelModelInput,
  CancelModelPayload,
  DeleteModelInput,
  DeleteModelPayload,
  RenameModelInput,
  RenameModelPayload,
  RetryModelInput,
  RetryModelPayload,
} from './model-changes.type';
import type { ModelEntity } from './model.entity';
import type { ModelService } from './model.service';

const modelOf = (globalId: string): InputId => readInputId('AvatarModel', globalId);

/** The mutations that change or delete an existing model. */
@Resolver()
export class ModelChangesResolver {
  constructor(
    private readonly service: ModelService,
    private readonly lifecycle: JobLifecycle<ModelEntity>,
  ) {}

  @DeprecatedArguments('id', 'name')
  @Mutation(() => RenameModelPayload, {
    nullable: true,
    description: 'Renames a model. Errors: NOT_FOUND; INVALID_INPUT if the name is empty or too long.',
  })
  async renameModel(
    @Arg('input', () => RenameModelInput, { description: 'The model and its new name.' })
    { id, name }: RenameModelInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<RenameModelPayload> {
    return { model: await this.service.rename(viewer, modelOf(id), name) };
  }

  @DeprecatedArguments('id')
  @Mutation(() => CancelModelPayload, {
    nullable: true,
    description:
      'Cancels a training. A training that the avatar service has accepted is still charged. Repeating it succeeds. Errors: NOT_FOUND; NOT_CANCELLABLE if the training has ended.',
  })
  async cancelModel(
    @Arg('input', () => CancelModelInput, { description: 'The model.' }) { id }: CancelModelInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<CancelModelPayload> {
    return { model: await this.lifecycle.cancel(viewer, uuidOf(modelOf(id))) };
  }

  @DeprecatedArguments('id')
  @Mutation(() => RetryModelPayload, {
    nullable: true,
    description:
      'Trains a model again that FAILED with `failure.retryable` or is UNCERTAIN. This is a new attempt and is charged again. Safe to repeat with the same `idempotencyKey`. Errors: NOT_FOUND, NOT_RETRYABLE, QUOTA_EXCEEDED, IDEMPOTENCY_KEY_REUSED, PROVIDER_NOT_CONFIGURED, INVALID_INPUT.',
  })
  async retryModel(
    @Arg('input', () => RetryModelInput, { description: 'The model and the attempt to repeat.' })
    { id, ...request }: RetryModelInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<RetryModelPayload> {
    const modelId = await this.lifecycle.checkRetry(viewer, modelOf(id), request);
    return { model: await this.lifecycle.retry(viewer, modelId, request) };
  }

  @DeprecatedArguments('id')
  @Mutation(() => DeleteModelPayload, {
    nullable: true,
    description:
      'Permanently deletes a model with its generations, its avatars, and the photos that no other model uses. Cancels unfinished work. Repeating it succeeds, and so does an unknown id. Errors: NOT_FOUND if the id has the form or the type of something else than a model.',
  })
  async deleteModel(
    @Arg('input', () => DeleteModelInput, { description: 'The model.' }) { id }: DeleteModelInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<DeleteModelPayload> {
    await this.lifecycle.delete(viewer, uuidOf(modelOf(id)));
    return { deletedId: id };
  }
}
