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
import { fromGlobalId, readInputId, toGlobalId } from '../core/ids';
import { resolverOf } from '../graphql/build-schema';
import type { Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import { connectionOf } from '../graphql/lists';
import { DateTimeScalar } from '../graphql/scalars';
import { selects } from '../graphql/selection';
import { WaitArgs } from '../graphql/waits';
import { progressOf } from '../jobs/job-progress.type';
import { isUnfinished } from '../jobs/job.kind';
import type { JobChange, JobSubscriptions } from '../jobs/job.subscription';
import type { PhotoEntity } from '../photos/photo.entity';
import type { PhotoService } from '../photos/photo.service';
import { Photo } from '../photos/photo.type';
import { modelFilterOf, ModelsArgs } from './model-list.input';
import type { ModelEntity } from './model.entity';
import { modelKind, type ModelEventPayload } from './model.kind';
import type { ModelService } from './model.service';
import {
  AvatarModel,
  AvatarModelConnection,
  trainingIn,
  TrainingProgress,
  TrainModelPayload,
  TrainingProgressArgs,
  TrainModelInput,
} from './model.type';

/** A change of a model. */
type ModelChange = JobChange<ModelEventPayload, ModelEntity>;

const idDescription = 'The model’s global id.';

function trainingProgressOf(change: ModelChange): TrainingProgress {
  // The model is null only if it is not selected.
  return { model: change.row!, ...progressOf(change) };
}

/** Queries and the subscription of models, and `trainModel`. */
@Resolver(() => AvatarModel)
export class ModelResolver {
  constructor(
    private readonly service: ModelService,
    private readonly subscriptions: JobSubscriptions<ModelEventPayload, ModelEntity>,
    private readonly photoService: PhotoService,
  ) {}

  @Query(() => AvatarModel, {
    nullable: true,
    description:
      'One of your models; null if you have none with this id. With `waitMs` the answer comes at the next change, or when the time is over: a substitute for clients without subscriptions. Errors of a wait: INVALID_INPUT, INVALID_CURSOR, RATE_LIMITED.',
  })
  async model(
    @Arg('id', () => ID, { description: idDescription }) id: string,
    @Args(() => WaitArgs) _wait: WaitArgs,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<AvatarModel | null> {
    return this.service.find(viewer, readInputId('AvatarModel', id).uuid);
  }

  @Query(() => AvatarModelConnection, {
    nullable: true,
    description: 'Your models, in any status. Null only with an error.',
  })
  models(
    @Args(() => ModelsArgs) args: ModelsArgs,
    @Ctx() context: GraphQLContext,
  ): Promise<Connection<ModelEntity>> {
    const query = { page: args, orderBy: args.orderBy, ...modelFilterOf(args), parent: null };
    return connectionOf(this.service.list, query, context);
  }

  @Mutation(() => TrainModelPayload, {
    nullable: true,
    description:
      'Trains a model from 5 to 30 photos, uploaded or at public URLs. Returns immediately; follow the training with `trainingProgress`. The training is charged once, even if a process crashes. Errors: INVALID_INPUT; TOO_FEW_PHOTOS, TOO_MANY_PHOTOS; NOT_FOUND if a photo does not exist, or if the model of a repeated `idempotencyKey` has been deleted; PHOTO_NOT_READY, PHOTO_INVALID; CONSENT_REQUIRED; IDEMPOTENCY_KEY_REUSED; QUOTA_EXCEEDED.',
  })
  async trainModel(
    @Arg('input', () => TrainModelInput, { description: 'The model and its photos.' })
    input: TrainModelInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<TrainModelPayload> {
    const { request, problems } = trainingIn(input);
    return { model: await this.service.train(viewer, request, problems) };
  }

  @Subscription(() => TrainingProgress, {
    description:
      'Sends the model as it is now, then every change until its training has ended. If the model is deleted, the subscription ends with the error NOT_FOUND. Errors: NOT_FOUND, INVALID_CURSOR.',
    subscribe: ({ args, context, info }) =>
      resolverOf(ModelResolver, info).follow(
        args as TrainingProgressArgs,
        context as GraphQLContext,
        selects(info, 'model'),
      ),
  })
  trainingProgress(
    @Root() progress: TrainingProgress,
    @Args(() => TrainingProgressArgs) _args: TrainingProgressArgs,
  ): TrainingProgress {
    return progress;
  }

  /** Opens the stream of `trainingProgress`. */
  follow(
    { modelId, after = null }: TrainingProgressArgs,
    { viewer }: GraphQLContext,
    readsJob: boolean,
  ): Promise<AsyncIterableIterator<TrainingProgress>> {
    const id = fromGlobalId('AvatarModel', modelId, 'modelId');
    return this.subscriptions.follow(viewer, { id, after, readsJob }, trainingProgressOf);
  }

  @FieldResolver(() => ID)
  id(@Root() model: ModelEntity): string {
    return toGlobalId('AvatarModel', model.id);
  }

  @FieldResolver(() => String, { nullable: true })
  providerModelId(@Root() model: ModelEntity): string | null {
    return model.providerRef;
  }

  @FieldResolver(() => DateTimeScalar, {
    nullable: true,
    description:
      'When the photos will be deleted. A retry is impossible afterwards. Null while a training needs them, and if you have deleted all of them.',
  })
  async photosDeletedAt(
    @Root() model: ModelEntity,
    @Ctx() { loaders, viewer }: GraphQLContext,
  ): Promise<Date | null> {
    if (isUnfinished(modelKind, model)) return null;
    return loaders
      .get<string, Date | null>('AvatarModel.photosDeletedAt', (ids) =>
        this.photoService.purgeTimes(viewer, ids),
      )
      .load(model.id);
  }

  @FieldResolver(() => [Photo], {
    description: 'The photos of the training, in the given order, without those that have been deleted.',
  })
  photos(@Root() model: ModelEntity, @Ctx() { loaders, viewer }: GraphQLContext): Promise<PhotoEntity[]> {
    return loaders
      .get<string, PhotoEntity[]>('AvatarModel.photos', (ids) => this.photoService.ofModels(viewer, ids))
      .load(model.id);
  }
}
