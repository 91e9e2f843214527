import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { BulkResult, Selection } from '../core/bulk-changes';
import { selectionOf } from '../graphql/bulk.type';
import type { GraphQLContext } from '../graphql/context';
import type { BulkRetryResult, JobBulkService } from '../jobs/job-bulk.service';
import {
  CancelModelsInput,
  CancelModelsPayload,
  DeleteModelsInput,
  DeleteModelsPayload,
  RetryModelsInput,
  RetryModelsPayload,
  type ModelSelectionInput,
} from './model-bulk.type';
import type { ModelEntity } from './model.entity';
import type { ModelFilter } from './model.repository';

const selectDescription = 'Which models, and whether to count them only.';

/** The mutations that change or delete several models. */
@Resolver()
export class ModelBulkResolver {
  constructor(private readonly service: JobBulkService<ModelEntity, ModelFilter>) {}

  @Mutation(() => CancelModelsPayload, {
    nullable: true,
    description:
      'Cancels models that have not ended. A training that the avatar service has accepted is still charged. Repeating it succeeds. Errors: INVALID_INPUT; NOT_FOUND if an id has the form or the type of something else than a model. In `failures`: NOT_FOUND, NOT_CANCELLABLE.',
  })
  async cancelModels(
    @Arg('input', () => CancelModelsInput, { description: selectDescription })
    { select, dryRun }: CancelModelsInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<{ result: BulkResult }> {
    return { result: await this.service.cancel(viewer, selectedBy(select), dryRun) };
  }

  @Mutation(() => RetryModelsPayload, {
    nullable: true,
    description:
      'Retries models that FAILED with `failure.retryable`. Each is a new attempt and is charged again. The first call with an `idempotencyKey` records which models match; a repetition retries those of them that are left, each once. A model that has been attempted again in the meantime is a failure. Errors: INVALID_INPUT, also for another number than `expectedCount`; IDEMPOTENCY_KEY_REUSED; NOT_FOUND if an id has the form or the type of something else than a model. In `failures`: NOT_FOUND, NOT_RETRYABLE, QUOTA_EXCEEDED, PROVIDER_NOT_CONFIGURED.',
  })
  retryModels(
    @Arg('input', () => RetryModelsInput, {
      description: 'Which models, and how many they are.',
    })
    { select, expectedCount, idempotencyKey, dryRun }: RetryModelsInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<BulkRetryResult> {
    const request = {
      ...{ operation: 'retryModels' as const, selection: selectedBy(select), input: { select } },
      ...{ expectedCount, idempotencyKey, isDryRun: dryRun },
    };
    return this.service.retry(viewer, request);
  }

  @Mutation(() => DeleteModelsPayload, {
    nullable: true,
    description:
      'Permanently deletes models with their generations and avatars, and the photos that no other model uses. Cancels unfinished work. Repeating it succeeds; unknown ids do not count. Errors: INVALID_INPUT; NOT_FOUND if an id has the form or the type of something else than a model.',
  })
  async deleteModels(
    @Arg('input', () => DeleteModelsInput, { description: selectDescription })
    { select, dryRun }: DeleteModelsInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<{ result: BulkResult }> {
    return { result: await this.service.delete(viewer, selectedBy(select), dryRun) };
  }
}

function selectedBy({ ids, filter }: ModelSelectionInput): Selection<ModelFilter> {
  return selectionOf('AvatarModel', ids, filter ?? null);
}
