import {
  Arg,
  Args,
  Ctx,
  FieldResolver,
  ID,
  Int,
  Mutation,
  Query,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { fromGlobalId, readInputId, toGlobalId } from '../core/ids';
import { resolverOf } from '../graphql/build-schema';
import { firstIn, type Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import { connectionOf } from '../graphql/lists';
import { selects } from '../graphql/selection';
import { WaitArgs } from '../graphql/waits';
import { progressOf } from '../jobs/job-progress.type';
import type { JobChange, JobSubscriptions } from '../jobs/job.subscription';
import type { ModelEntity } from '../models/model.entity';
import type { ModelService } from '../models/model.service';
import { AvatarModel } from '../models/model.type';
import { AvatarCompletedArgs, followedAvatars } from './avatar-stream.input';
import type { AvatarEntity } from './avatar.entity';
import type { AvatarService } from './avatar.service';
import type { AvatarSubscriptions, StoredAvatar } from './avatar.subscription';
import { Avatar } from './avatar.type';
import { GenerationAvatarsArgs, generationFilterOf, GenerationsArgs } from './generation-list.input';
import { generationIn, instantGenerationIn } from './generation-request.input';
import type { GenerationEntity } from './generation.entity';
import type { GenerationEventPayload } from './generation.kind';
import type { GenerationService } from './generation.service';
import {
  AvatarCompleted,
  GenerateAvatarsPayload,
  GenerateInstantAvatarsPayload,
  Generation,
  GenerationProgress,
  GenerateAvatarsInput,
  GenerateInstantAvatarsInput,
  GenerationConnection,
  GenerationProgressArgs,
} from './generation.type';
import type { MissingGroup } from './missing-avatars';
import { MissingAvatars, missingAvatarsOf } from './missing-avatars.type';

/** A change of a generation. */
type GenerationChange = JobChange<GenerationEventPayload, GenerationEntity>;

const idDescription = 'The generation’s global id.';

function generationProgressOf(change: GenerationChange): GenerationProgress {
  // The generation is null only if it is not selected.
  return { generation: change.row!, ...progressOf(change) };
}

/** Queries and subscriptions of generations, and the mutations that create them. */
@Resolver(() => Generation)
export class GenerationResolver {
  constructor(
    private readonly service: GenerationService,
    private readonly subscriptions: JobSubscriptions<GenerationEventPayload, GenerationEntity>,
    private readonly avatarSubscriptions: AvatarSubscriptions,
    private readonly avatarService: AvatarService,
    private readonly modelService: ModelService,
  ) {}

  @Query(() => Generation, {
    nullable: true,
    description:
      'One of your generations; null if you have none with this id. With `waitMs` the answer comes at the next change, or when the time is over: a substitute for clients without subscriptions. Errors of a wait: INVALID_INPUT, INVALID_CURSOR, RATE_LIMITED.',
  })
  async generation(
    @Arg('id', () => ID, { description: idDescription }) id: string,
    @Args(() => WaitArgs) _wait: WaitArgs,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<Generation | null> {
    return this.service.find(viewer, readInputId('Generation', id).uuid);
  }

  @Query(() => GenerationConnection, {
    nullable: true,
    description: 'Your generations, both from models and without training. Null only with an error.',
  })
  generations(
    @Args(() => GenerationsArgs) args: GenerationsArgs,
    @Ctx() context: GraphQLContext,
  ): Promise<Connection<GenerationEntity>> {
    const query = { page: args, orderBy: args.orderBy, ...generationFilterOf(args), parent: null };
    return connectionOf(this.service.list, query, context);
  }

  @Mutation(() => GenerateAvatarsPayload, {
    nullable: true,
    description:
      'Generates avatars from a READY model. Returns immediately; follow the generation with `generationProgress` or `avatarCompleted`. The generation is charged once, even if a process crashes. Errors: INVALID_INPUT; NOT_FOUND if the model does not exist, or if the generation of a repeated `idempotencyKey` has been deleted; MODEL_NOT_READY; PROVIDER_NOT_CONFIGURED; IDEMPOTENCY_KEY_REUSED; QUOTA_EXCEEDED.',
  })
  async generateAvatars(
    @Arg('input', () => GenerateAvatarsInput, { description: 'The model and the prompts.' })
    input: GenerateAvatarsInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<GenerateAvatarsPayload> {
    return { generation: await this.service.generate(viewer, generationIn(input)) };
  }

  @Mutation(() => GenerateInstantAvatarsPayload, {
    nullable: true,
    description:
      'Generates avatars from one photo, without training. Otherwise like `generateAvatars`. Errors: INVALID_INPUT, also if `capabilities.hasInstantAvatars` is false; NOT_FOUND if the photo does not exist, or if the generation of a repeated `idempotencyKey` has been deleted; PHOTO_NOT_READY, PHOTO_INVALID; CONSENT_REQUIRED; IDEMPOTENCY_KEY_REUSED; QUOTA_EXCEEDED.',
  })
  async generateInstantAvatars(
    @Arg('input', () => GenerateInstantAvatarsInput, { description: 'The photo and the prompt.' })
    input: GenerateInstantAvatarsInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<GenerateInstantAvatarsPayload> {
    const { request, problems } = instantGenerationIn(input);
    return { generation: await this.service.generateInstant(viewer, request, problems) };
  }

  @Subscription(() => GenerationProgress, {
    description:
      'Sends the generation as it is now, then every change, including its avatars, until it has ended. If the generation is deleted, the subscription ends with the error NOT_FOUND. Errors: NOT_FOUND, INVALID_CURSOR.',
    subscribe: ({ args, context, info }) =>
      resolverOf(GenerationResolver, info).follow(
        args as GenerationProgressArgs,
        context as GraphQLContext,
        selects(info, 'generation'),
      ),
  })
  generationProgress(
    @Root() progress: GenerationProgress,
    @Args(() => GenerationProgressArgs) _args: GenerationProgressArgs,
  ): GenerationProgress {
    return progress;
  }

  @Subscription(() => AvatarCompleted, {
    description:
      'Sends each avatar of a generation, or of all generations of a model, as soon as it is stored and its URL works. Errors: NOT_FOUND, INVALID_CURSOR, INVALID_INPUT.',
    subscribe: ({ args, context, info }) =>
      resolverOf(GenerationResolver, info).followAvatars(
        args as AvatarCompletedArgs,
        context as GraphQLContext,
      ),
  })
  avatarCompleted(
    @Root() stored: StoredAvatar,
    @Args(() => AvatarCompletedArgs) _args: AvatarCompletedArgs,
  ): StoredAvatar {
    return stored;
  }

  /** Opens the stream of `generationProgress`. */
  follow(
    { generationId, after = null }: GenerationProgressArgs,
    { viewer }: GraphQLContext,
    readsJob: boolean,
  ): Promise<AsyncIterableIterator<GenerationProgress>> {
    const id = fromGlobalId('Generation', generationId, 'generationId');
    return this.subscriptions.follow(viewer, { id, after, readsJob }, generationProgressOf);
  }

  /** Opens the stream of `avatarCompleted`. */
  followAvatars(
    args: AvatarCompletedArgs,
    { viewer }: GraphQLContext,
  ): Promise<AsyncIterableIterator<StoredAvatar>> {
    const target = followedAvatars(args);
    const after = args.after ?? null;
    return target.kind === 'Generation'
      ? this.avatarSubscriptions.ofGeneration(viewer, target, after)
      : this.avatarSubscriptions.ofModel(viewer, target, after);
  }

  @FieldResolver(() => ID)
  id(@Root() generation: GenerationEntity): string {
    return toGlobalId('Generation', generation.id);
  }

  @FieldResolver(() => AvatarModel, {
    nullable: true,
    description: 'The model of the avatars; null for avatars from one photo.',
  })
  model(
    @Root() { modelId }: GenerationEntity,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<ModelEntity | null> | null {
    if (modelId === null) return null;
    return loaders
      .get<string, ModelEntity | null>('Generation.model', (ids) => this.modelService.findMany(viewer, ids))
      .load(modelId);
  }

  @FieldResolver(() => [MissingAvatars], {
    description:
      'The requested avatars that a PARTIAL or FAILED generation lacks, by prompt and reason; empty in other states. Avatars that you have deleted are not among them.',
  })
  async missing(
    @Root() generation: GenerationEntity,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<MissingAvatars[]> {
    const groups = await loaders
      .get<GenerationEntity, MissingGroup[]>('Generation.missing', (generations) =>
        this.avatarService.missing(viewer, generations),
      )
      .load(generation);
    return missingAvatarsOf(groups);
  }

  @FieldResolver(() => [Avatar], { description: 'Its stored avatars, in the order of the prompts.' })
  avatars(
    @Root() generation: GenerationEntity,
    @Args(() => GenerationAvatarsArgs) args: GenerationAvatarsArgs,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<AvatarEntity[]> {
    const first = firstIn(args.first);
    return loaders
      .get<string, AvatarEntity[]>(`Generation.avatars ${first}`, (ids) =>
        this.avatarService.ofGenerations(viewer, ids, first),
      )
      .load(generation.id);
  }

  @FieldResolver(() => Int, { description: 'How many avatars were requested.' })
  requestedCount(@Root() { wanted }: GenerationEntity): number {
    return wanted;
  }

  @FieldResolver(() => Int, { description: 'How many avatars can be opened now.' })
  avatarCount(@Root() { id }: GenerationEntity, @Ctx() { viewer, loaders }: GraphQLContext): Promise<number> {
    return loaders
      .get<string, number>('Generation.avatarCount', (ids) => this.avatarService.countsOf(viewer, ids))
      .load(id);
  }
}
