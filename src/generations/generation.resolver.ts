import {
  Arg,
  Args,
  Ctx,
  FieldResolver,
  ID,
  Mutation,
  Query,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { consentIn } from '../accounts/consent.input';
import { DomainError } from '../core/errors';
import { fromGlobalId, readGlobalId, toGlobalId } from '../core/ids';
import type { Followed } from '../events/follow';
import type { GraphQLContext } from '../graphql/context';
import { DeletedPayload } from '../graphql/deleted.type';
import { resolverOf } from '../graphql/resolver-instances';
import { failureOf, Failure } from '../jobs/failure.type';
import type { ModelEntity } from '../models/model.entity';
import type { ModelService } from '../models/model.service';
import { AvatarModel } from '../models/model.type';
import type { AvatarEntity } from './avatar.entity';
import type { AvatarService } from './avatar.service';
import { Avatar } from './avatar.type';
import {
  AvatarCompletedArgs,
  GenerateAvatarsInput,
  GenerateInstantAvatarsInput,
  GenerationProgressArgs,
} from './generation.input';
import type {
  AvatarPayload as AvatarState,
  GenerationEventPayload as GenerationState,
} from './generation.job';
import type { GenerationLifecycle } from './generation.lifecycle';
import type { GenerationService } from './generation.service';
import type { GenerationSubscriptions } from './generation.subscription';
import {
  AvatarCompleted,
  GenerateAvatarsPayload,
  Generation,
  GenerationPayload,
  GenerationProgress,
} from './generation.type';

const idDescription = 'The generation’s global id.';

/** What {@link GenerationResolver} calls. */
export interface GenerationResolverDeps {
  service: GenerationService;
  lifecycle: GenerationLifecycle;
  subscriptions: GenerationSubscriptions;
  avatars: AvatarService;
  models: ModelService;
}

/** Generations for clients. */
@Resolver(() => Generation)
export class GenerationResolver {
  constructor(private readonly deps: GenerationResolverDeps) {}

  @Query(() => Generation, {
    nullable: true,
    description: 'A generation of yours; null if you have none with this id.',
  })
  async generation(
    @Arg('id', () => ID, { description: idDescription }) id: string,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<Generation | null> {
    const read = readGlobalId(id);
    return read?.kind === 'Generation' ? this.deps.service.find(viewer, read.id) : null;
  }

  @Mutation(() => GenerateAvatarsPayload, {
    description:
      'Makes avatars from a model that is READY. Answers at once; the generation is paid for once, whatever crashes, and followed with `generationProgress` or `avatarCompleted`.',
  })
  async generateAvatars(
    @Arg('input', () => GenerateAvatarsInput, { description: 'Which avatars.' }) input: GenerateAvatarsInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<GenerateAvatarsPayload> {
    const modelId = fromGlobalId('AvatarModel', input.modelId, 'input.modelId');
    const prompts = input.prompts.map(({ style, prompt = null, count }) => ({
      style,
      prompt,
      negativePrompt: null,
      count,
    }));
    return {
      generation: await this.deps.service.generate(viewer, {
        modelId,
        prompts,
        idempotencyKey: input.idempotencyKey ?? null,
      }),
    };
  }

  @Mutation(() => GenerateAvatarsPayload, {
    description: 'Makes avatars from one photo, without training. Otherwise like `generateAvatars`.',
  })
  async generateInstantAvatars(
    @Arg('input', () => GenerateInstantAvatarsInput, { description: 'Which avatars, and from which photo.' })
    input: GenerateInstantAvatarsInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<GenerateAvatarsPayload> {
    const {
      photoId = null,
      photoUrl = null,
      negativePrompt = null,
      idempotencyKey = null,
      prompt,
      count,
    } = input;
    const consent = consentIn(input.consent);
    const request = { photoId, photoUrl, prompt, negativePrompt, count, consent, idempotencyKey };
    return { generation: await this.deps.service.generateInstant(viewer, request) };
  }

  @Mutation(() => GenerationPayload, {
    description:
      'Stops a generation that is not over (of one that is, NOT_CANCELLABLE tells); avatars stored so far stay. What the avatar service has begun is paid for all the same. Cancelling twice succeeds.',
  })
  async cancelGeneration(
    @Arg('id', () => ID, { description: idDescription }) id: string,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<GenerationPayload> {
    return { generation: await this.deps.lifecycle.cancel(viewer, fromGlobalId('Generation', id)) };
  }

  @Mutation(() => GenerationPayload, {
    description:
      'Asks once more for a generation that FAILED with `failure.retryable`, or that is UNCERTAIN. A new attempt: it is paid for again. Sent twice, the second is refused as NOT_RETRYABLE and pays nothing.',
  })
  async retryGeneration(
    @Arg('id', () => ID, { description: idDescription }) id: string,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<GenerationPayload> {
    return { generation: await this.deps.lifecycle.retry(viewer, fromGlobalId('Generation', id)) };
  }

  @Mutation(() => DeletedPayload, {
    description:
      'Deletes a generation for good, with its avatars. Running work ends. Deleting twice succeeds.',
  })
  async deleteGeneration(
    @Arg('id', () => ID, { description: idDescription }) id: string,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<DeletedPayload> {
    const read = readGlobalId(id);
    if (read?.kind === 'Generation') await this.deps.lifecycle.delete(viewer, read.id);
    return { deletedId: id };
  }

  @Subscription(() => GenerationProgress, {
    description:
      'The generation now, then every change, its avatars among them, until it has ended. If it is deleted it ends with the error NOT_FOUND.',
    subscribe: ({ args, context, info }) =>
      resolverOf(GenerationResolver, info).follow(args as GenerationProgressArgs, context as GraphQLContext),
  })
  generationProgress(
    @Root() { item, cursor, isSnapshot }: Followed<GenerationState>,
    @Args(() => GenerationProgressArgs) _args: GenerationProgressArgs,
  ): GenerationProgress {
    const { status, progress, estimatedReadyAt } = item;
    return {
      generation: item,
      status,
      progress,
      estimatedReadyAt,
      failure: failureOf(item),
      cursor,
      isSnapshot,
    };
  }

  @Subscription(() => AvatarCompleted, {
    description:
      'Each avatar as soon as it is stored and its URL can be opened: of one generation, or of all of a model’s. Give exactly one of `generationId` and `modelId`.',
    subscribe: ({ args, context, info }) =>
      resolverOf(GenerationResolver, info).followAvatars(
        args as AvatarCompletedArgs,
        context as GraphQLContext,
      ),
  })
  avatarCompleted(
    @Root() { item, cursor, isSnapshot }: Followed<AvatarState>,
    @Args(() => AvatarCompletedArgs) _args: AvatarCompletedArgs,
  ): AvatarCompleted {
    // Only STORED avatars are told of, and those have every field.
    return { avatar: item as unknown as Avatar, cursor, isSnapshot };
  }

  /** Opens `generationProgress`. */
  follow(
    { generationId, after = null }: GenerationProgressArgs,
    { viewer }: GraphQLContext,
  ): Promise<AsyncIterableIterator<Followed<GenerationState>>> {
    return this.deps.subscriptions.generation(
      viewer,
      fromGlobalId('Generation', generationId, 'generationId'),
      after,
    );
  }

  /** Opens `avatarCompleted`. */
  followAvatars(
    { generationId, modelId, after = null }: AvatarCompletedArgs,
    { viewer }: GraphQLContext,
  ): Promise<AsyncIterableIterator<Followed<AvatarState>>> {
    if (generationId && !modelId) {
      return this.deps.subscriptions.avatarsOfGeneration(
        viewer,
        fromGlobalId('Generation', generationId, 'generationId'),
        after,
      );
    }
    if (modelId && !generationId) {
      return this.deps.subscriptions.avatarsOfModel(
        viewer,
        fromGlobalId('AvatarModel', modelId, 'modelId'),
        after,
      );
    }
    throw new DomainError('INVALID_INPUT', 'Give exactly one of generationId and modelId.', {
      field: 'generationId',
    });
  }

  @FieldResolver(() => ID)
  id(@Root() generation: GenerationState): string {
    return toGlobalId('Generation', generation.id);
  }

  @FieldResolver(() => Failure, { nullable: true })
  failure(@Root() generation: GenerationState): Failure | null {
    return failureOf(generation);
  }

  @FieldResolver(() => AvatarModel, {
    nullable: true,
    description: 'The model that the avatars are made from; null for those made from one photo.',
  })
  model(
    @Root() { modelId }: GenerationState,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<ModelEntity | null> | null {
    if (modelId === null) return null;
    return loaders
      .get<string, ModelEntity | null>('Generation.model', (ids) => this.deps.models.findMany(viewer, ids))
      .load(modelId);
  }

  @FieldResolver(() => [Avatar], { description: 'Its stored avatars, in the order of what was asked for.' })
  avatars(
    @Root() generation: GenerationState,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<AvatarEntity[]> {
    return loaders
      .get<string, AvatarEntity[]>('Generation.avatars', (ids) =>
        this.deps.avatars.ofGenerations(viewer, ids),
      )
      .load(generation.id);
  }
}
