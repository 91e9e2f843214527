import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { BulkResult, Selection } from '../core/bulk-changes';
import { selectionOf } from '../graphql/bulk.type';
import type { GraphQLContext } from '../graphql/context';
import type { BulkRetryResult, JobBulkService } from '../jobs/job-bulk.service';
import {
  CancelGenerationsInput,
  CancelGenerationsPayload,
  DeleteGenerationsInput,
  DeleteGenerationsPayload,
  RetryGenerationsInput,
  RetryGenerationsPayload,
  type GenerationSelectionInput,
} from './generation-bulk.type';
import { decodedGenerations } from './generation-list.input';
import type { GenerationEntity } from './generation.entity';
import type { GenerationFilter } from './generation.repository';

const selectDescription = 'Which generations, and whether to count them only.';

/** The mutations that change or delete several generations. */
@Resolver()
export class GenerationBulkResolver {
  constructor(private readonly service: JobBulkService<GenerationEntity, GenerationFilter>) {}

  @Mutation(() => CancelGenerationsPayload, {
    nullable: true,
    description:
      'Cancels generations that have not ended. Stored avatars stay. A generation that the avatar service has accepted is still charged. Repeating it succeeds. Errors: INVALID_INPUT; NOT_FOUND if an id has the form or the type of something else than a generation. In `failures`: NOT_FOUND, NOT_CANCELLABLE.',
  })
  async cancelGenerations(
    @Arg('input', () => CancelGenerationsInput, { description: selectDescription })
    { select, dryRun }: CancelGenerationsInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<{ result: BulkResult }> {
    return { result: await this.service.cancel(viewer, selectedBy(select), dryRun) };
  }

  @Mutation(() => RetryGenerationsPayload, {
    nullable: true,
    description:
      'Retries generations that FAILED with `failure.retryable`. Each is a new attempt and is charged again. The first call with an `idempotencyKey` records which generations match; a repetition retries those of them that are left, each once. A generation that has been attempted again in the meantime is a failure. Errors: INVALID_INPUT, also for another number than `expectedCount`; IDEMPOTENCY_KEY_REUSED; NOT_FOUND if an id has the form or the type of something else than a generation. In `failures`: NOT_FOUND, NOT_RETRYABLE, QUOTA_EXCEEDED, PROVIDER_NOT_CONFIGURED.',
  })
  retryGenerations(
    @Arg('input', () => RetryGenerationsInput, {
      description: 'Which generations, and how many they are.',
    })
    { select, expectedCount, idempotencyKey, dryRun }: RetryGenerationsInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<BulkRetryResult> {
    const request = {
      ...{ operation: 'retryGenerations' as const, selection: selectedBy(select), input: { select } },
      ...{ expectedCount, idempotencyKey, isDryRun: dryRun },
    };
    return this.service.retry(viewer, request);
  }

  @Mutation(() => DeleteGenerationsPayload, {
    nullable: true,
    description:
      'Permanently deletes generations with their avatars. Cancels unfinished work. Repeating it succeeds; unknown ids do not count. Errors: INVALID_INPUT; NOT_FOUND if an id has the form or the type of something else than a generation.',
  })
  async deleteGenerations(
    @Arg('input', () => DeleteGenerationsInput, { description: selectDescription })
    { select, dryRun }: DeleteGenerationsInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<{ result: BulkResult }> {
    return { result: await this.service.delete(viewer, selectedBy(select), dryRun) };
  }
}

function selectedBy({ ids, filter }: GenerationSelectionInput): Selection<GenerationFilter> {
  return selectionOf('Generation', ids, filter ? decodedGenerations(filter) : null);
}
