import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { readInputId, uuidOf, type InputId } from '../core/ids';
import type { GraphQLContext } from '../graphql/context';
import { DeprecatedArguments } from '../graphql/deprecated-arguments';
import type { JobLifecycle } from '../jobs/job.lifecycle';
import {
  CancelGenerationInput,
  CancelGenerationPayload,
  DeleteGenerationInput,
  DeleteGenerationPayload,
  RetryGenerationInput,
  RetryGenerationPayload,
} from './generation-changes.type';
import type { GenerationEntity } from './generation.entity';

const generationOf = (globalId: string): InputId => readInputId('Generation', globalId);

/** The mutations that change or delete an existing generation. */
@Resolver()
export class GenerationChangesResolver {
  constructor(private readonly lifecycle: JobLifecycle<GenerationEntity>) {}

  @DeprecatedArguments('id')
  @Mutation(() => CancelGenerationPayload, {
    nullable: true,
    description:
      'Cancels a generation; stored avatars stay. A generation that the avatar service has accepted is still charged. Cancelling a retry with `missingOnly` that is still QUEUED leaves the generation PARTIAL, as it was before the retry. Repeating it succeeds. Errors: NOT_FOUND; NOT_CANCELLABLE if the generation has ended.',
  })
  async cancelGeneration(
    @Arg('input', () => CancelGenerationInput, { description: 'The generation.' })
    { id }: CancelGenerationInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<CancelGenerationPayload> {
    return { generation: await this.lifecycle.cancel(viewer, uuidOf(generationOf(id))) };
  }

  @DeprecatedArguments('id')
  @Mutation(() => RetryGenerationPayload, {
    nullable: true,
    description:
      'Repeats a generation that FAILED with `failure.retryable` or is UNCERTAIN, or, with `missingOnly`, orders the missing avatars of a PARTIAL one; if that fails, it is PARTIAL again; if you cancel it while it is QUEUED, it is PARTIAL again, too; later it stays CANCELLED, with the avatars that it has. This is a new attempt and is charged again. Safe to repeat with the same `idempotencyKey`. Errors: NOT_FOUND, NOT_RETRYABLE, QUOTA_EXCEEDED, IDEMPOTENCY_KEY_REUSED, PROVIDER_NOT_CONFIGURED, INVALID_INPUT.',
  })
  async retryGeneration(
    @Arg('input', () => RetryGenerationInput, { description: 'The generation and the attempt to repeat.' })
    { id, ...request }: RetryGenerationInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<RetryGenerationPayload> {
    const generationId = await this.lifecycle.checkRetry(viewer, generationOf(id), request);
    return { generation: await this.lifecycle.retry(viewer, generationId, request) };
  }

  @DeprecatedArguments('id')
  @Mutation(() => DeleteGenerationPayload, {
    nullable: true,
    description:
      'Permanently deletes a generation with its avatars. Cancels unfinished work. Repeating it succeeds, and so does an unknown id. Errors: NOT_FOUND if the id has the form or the type of something else than a generation.',
  })
  async deleteGeneration(
    @Arg('input', () => DeleteGenerationInput, { description: 'The generation.' })
    { id }: DeleteGenerationInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<DeleteGenerationPayload> {
    await this.lifecycle.delete(viewer, uuidOf(generationOf(id)));
    return { deletedId: id };
  }
}
