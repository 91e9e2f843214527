import type { Consent } from '../accounts/consent';
import { checkKey } from '../accounts/idempotency.repository';
import { writeTransaction } from '../accounts/write-admission.repository';
import { DomainError, notFound } from '../core/errors';
import { toGlobalId, type InputId } from '../core/ids';
import { checkChange, ProblemCollector } from '../core/input-problems';
import { OwnedList } from '../core/owned-list';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { appendEvents, openStream } from '../events/event-log.repository';
import { createJob, type JobCreation, type JobServiceDeps } from '../jobs/job-creation';
import { eventOf } from '../jobs/job-event';
import { findJobsOf, readJob } from '../jobs/job-row.repository';
import { comparedOptions, queueColumns, type QueueOptions } from '../jobs/queue-options';
import type { PhotoSource } from '../photos/job-photo.service';
import type { AvatarType, ProviderFacts } from '../upstream/provider';
import type { ModelEntity } from './model.entity';
import { modelKind, type PresentModel } from './model.kind';
import { insertModel, modelTable, renameModel, type ModelFilter } from './model.repository';

/** The input of {@link ModelService.train}. */
export interface TrainModelRequest {
  name: string;
  type: AvatarType;
  photos: readonly PhotoSource[];
  /** The number of photos in the input. */
  photoCount: number;
  /** The path of the photos in the input, for errors about their number. */
  photosField: string;
  provider: string | null;
  queue: QueueOptions;
  consent?: Consent | null;
  idempotencyKey: string | null;
}

/** Maximum length of the name of a model, in characters. */
export const maxModelNameLength = 100;

/** Trains, reads and renames models. Makes no upstream calls; workers do. */
export class ModelService {
  /** Lists of models. */
  readonly list: OwnedList<PresentModel, ModelFilter>;

  constructor(private readonly deps: JobServiceDeps) {
    this.list = new OwnedList(deps.database, modelTable);
  }

  /**
   * Stores the request to train and returns.
   * @param problems - the problems that were found in the input before
   */
  async train(
    viewer: Viewer,
    request: TrainModelRequest,
    problems = new ProblemCollector(),
  ): Promise<PresentModel> {
    await this.checkTraining(viewer, request, problems);
    return createJob(this.deps, viewer, modelKind, {
      operation: 'trainModel',
      input: comparedInput(request),
      insert: (sql, id) => this.insert(sql, viewer, id, request),
      detailsOf: ({ photoCount }) => ({ photos: photoCount }),
    });
  }

  /** @returns null if the id is null, or if it does not exist or belongs to another owner */
  async find(viewer: Viewer, id: string | null): Promise<PresentModel | null> {
    const [found] = id === null ? [] : await this.findMany(viewer, [id]);
    return found ?? null;
  }

  /** The viewer's models with the given ids, in the order of the ids. */
  findMany({ owner }: Viewer, ids: readonly string[]): Promise<(PresentModel | null)[]> {
    return findJobsOf(this.deps.database, modelKind, owner, ids);
  }

  /** @throws DomainError NOT_FOUND or INVALID_INPUT, with all problems */
  async rename(viewer: Viewer, target: InputId, name: string): Promise<PresentModel> {
    const { database, jobs } = this.deps;
    const id = await checkChange(
      (uuid) => this.find(viewer, uuid),
      target,
      () => {
        checkName(name, 'input.name');
      },
    );
    const renamed = await writeTransaction(database, viewer, async (sql) => {
      const model = await renameModel(sql, viewer.owner, id, name.trim());
      if (!model) throw notFound('model', 'input.id');
      await appendEvents(sql, [eventOf(modelKind, model, true)]);
      return readJob(sql, modelKind, model);
    });
    jobs.wake(modelKind, [renamed]);
    return renamed;
  }

  /** Checks the request; one error names all problems. */
  private async checkTraining(
    viewer: Viewer,
    request: TrainModelRequest,
    problems: ProblemCollector,
  ): Promise<void> {
    const { consents, photos, provider } = this.deps;
    problems.check(() => checkName(request.name, 'input.name'));
    problems.check(() => this.checkProvider(request.provider));
    problems.check(() => this.checkType(request.type));
    problems.check(() => checkPhotoCount(request, provider.facts));
    problems.check(() => checkKey(request.idempotencyKey));
    if (problems.isEmpty) return;
    // Refused in any case; the other checks, which are made again when the model is created, complete the list.
    problems.check(() => queueColumns(request.queue));
    problems.check(() => consents.check(request.consent ?? null));
    if (request.photoCount <= provider.facts.maxPhotos)
      await problems.checkLater(() => photos.check(viewer, request.photos));
    problems.throwIfAny();
  }

  private checkProvider(provider: string | null): void {
    const { name: configured } = this.deps.provider;
    if (provider === null || provider === configured) return;
    throw new DomainError(
      'INVALID_INPUT',
      `This provider is not configured on this server. Omit it, or use "${configured}".`,
      { field: 'input.provider' },
    );
  }

  private checkType(type: AvatarType): void {
    const { facts, name: configured } = this.deps.provider;
    if (facts.types.includes(type)) return;
    throw new DomainError(
      'INVALID_INPUT',
      `${configured} does not support ${type}. Supported types: ${facts.types.join(', ')}.`,
      { field: 'input.type' },
    );
  }

  private async insert(
    sql: Sql,
    viewer: Viewer,
    id: string,
    request: TrainModelRequest,
  ): Promise<ModelEntity> {
    const { consents, photos, provider } = this.deps;
    const problems = new ProblemCollector();
    const consent = problems.check(() => consents.check(request.consent ?? null));
    const columns = problems.check(() => queueColumns(request.queue));
    const photoIds = await problems.checkLater(() => photos.accept(sql, viewer, request.photos));
    problems.throwIfAny();
    const { name, type } = request;
    const row = { id, owner: viewer.owner, provider: provider.name, name: name.trim(), type };
    const model = await insertModel(sql, { ...row, ...columns!, ...consent! }, photoIds!);
    await openStream(sql, id, viewer.owner);
    return model;
  }
}

/**
 * The input as it is compared with that of an earlier call with the same key: with global ids, and in the form of the
 * deprecated lists if the order of the photos allows it, so that both forms of a request are equal.
 */
function comparedInput({
  photos,
  photosField: _photosField,
  photoCount: _photoCount,
  queue,
  ...others
}: TrainModelRequest): JobCreation<ModelEntity>['input'] {
  const rest = { ...others, ...comparedOptions(queue) };
  const photoIds = photos.flatMap(({ photoId }) => (photoId ? [toGlobalId('Photo', photoId)] : []));
  const photoUrls = photos.flatMap(({ url }) => url ?? []);
  const areIdsFirst = photos.slice(0, photoIds.length).every(({ photoId }) => photoId);
  if (areIdsFirst) return { ...rest, ...{ photoIds, photoUrls } };
  const sources = photos.map(({ photoId, url }) =>
    photoId ? { photoId: toGlobalId('Photo', photoId) } : { url },
  );
  return { ...rest, ...{ photos: sources } };
}

function checkPhotoCount(
  { photoCount: given, photosField: field }: TrainModelRequest,
  facts: ProviderFacts,
): void {
  const details = { given, minimum: facts.minPhotos, maximum: facts.maxPhotos };
  if (given < facts.minPhotos) {
    throw new DomainError(
      'TOO_FEW_PHOTOS',
      `${given} photos were given; a training needs at least ${facts.minPhotos}.`,
      { field, details },
    );
  }
  if (given > facts.maxPhotos) {
    throw new DomainError(
      'TOO_MANY_PHOTOS',
      `${given} photos were given; a training takes at most ${facts.maxPhotos}.`,
      { field, details },
    );
  }
}

function checkName(name: string, field: string): void {
  const length = name.trim().length;
  if (length < 1 || length > maxModelNameLength) {
    throw new DomainError(
      'INVALID_INPUT',
      `A name must have 1 to ${maxModelNameLength} characters; this one has ${length}.`,
      { field },
    );
  }
}
