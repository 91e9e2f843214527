import type { AuditedAction } from '../accounts/audit.repository';
import type { Consent, ConsentColumns } from '../accounts/consent';
import { checkKey } from '../accounts/idempotency.repository';
import { DomainError, notFound } from '../core/errors';
import { toGlobalId, uuidOf, type InputId } from '../core/ids';
import { ProblemCollector } from '../core/input-problems';
import { OwnedList } from '../core/owned-list';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { openStream } from '../events/event-log.repository';
import { createJob, type JobCreation, type JobServiceDeps } from '../jobs/job-creation';
import { findJobsOf } from '../jobs/job-row.repository';
import { assertConfigured } from '../jobs/job.kind';
import { comparedOptions, queueColumns, type QueueOptions } from '../jobs/queue-options';
import { modelKind } from '../models/model.kind';
import type { PhotoSource } from '../photos/job-photo.service';
import type { GenerationEntity, PromptRow } from './generation.entity';
import { generationKind, streamOfGeneration, type PresentGeneration } from './generation.kind';
import {
  generationTable,
  holdModel,
  insertGeneration,
  type GenerationFilter,
  type NewGeneration,
} from './generation.repository';
import { checkInstantForm, checkPrompts, countAvatars, type GivenPrompt } from './prompt-validation';

/** The input of {@link GenerationService.generate}. */
export interface GenerateAvatarsRequest {
  model: InputId;
  /** A prompt without a style has the default style of the provider. */
  prompts: readonly GivenPrompt[];
  queue: QueueOptions;
  idempotencyKey: string | null;
}

/** The input of {@link GenerationService.generateInstant}. */
export interface InstantAvatarsRequest {
  /** Null if it is among the problems. */
  photo: PhotoSource | null;
  prompt: string;
  negativePrompt: string | null;
  count: number;
  queue: QueueOptions;
  consent?: Consent | null;
  idempotencyKey: string | null;
}

const noConsent: ConsentColumns = { consentVersion: null, consentAt: null };

/** Creates and reads generations. Makes no upstream calls; workers do. */
export class GenerationService {
  /** Lists of generations. */
  readonly list: OwnedList<PresentGeneration, GenerationFilter>;

  constructor(private readonly deps: JobServiceDeps) {
    this.list = new OwnedList(deps.database, generationTable);
  }

  /** Stores the request and returns; all writes are in one transaction. */
  async generate(viewer: Viewer, request: GenerateAvatarsRequest): Promise<PresentGeneration> {
    const { modelId, prompts } = await this.checkGeneration(viewer, request);
    const { queue, idempotencyKey } = request;
    const input = { modelId, prompts, idempotencyKey, ...comparedOptions(queue) };
    return this.create(viewer, 'generateAvatars', input, async (sql, id) => {
      const problems = new ProblemCollector();
      const columns = problems.check(() => queueColumns(queue));
      const held = await holdModel(sql, viewer.owner, modelId);
      const model = problems.check(() => this.checkModel(held))!;
      problems.throwIfAny();
      return this.insert(sql, {
        id,
        owner: viewer.owner,
        provider: model.provider,
        modelId,
        photoId: null,
        prompts,
        wanted: countAvatars(prompts),
        ...columns!,
        // Consent was given for the training, if it was required.
        ...noConsent,
      });
    });
  }

  /**
   * Like {@link generate}, for avatars from one photo without training.
   * @param problems - the problems that were found in the input before
   */
  async generateInstant(
    viewer: Viewer,
    request: InstantAvatarsRequest,
    problems = new ProblemCollector(),
  ): Promise<PresentGeneration> {
    const { consents, photos, provider } = this.deps;
    await this.checkInstant(viewer, request, problems);
    const { photo: given, queue, ...others } = request;
    const rest = { ...others, ...comparedOptions(queue) };
    const photo = given!;
    // Inputs are compared with stored ones, which have this form.
    const photoId = photo.photoId === undefined ? null : toGlobalId('Photo', photo.photoId);
    const input = { ...rest, photoId, photoUrl: photo.url ?? null };
    return this.create(viewer, 'generateInstantAvatars', input, async (sql, id) => {
      const problems = new ProblemCollector();
      const consent = problems.check(() => consents.check(request.consent ?? null));
      const columns = problems.check(() => queueColumns(queue));
      const accepted = await problems.checkLater(() => photos.accept(sql, viewer, [photo]));
      problems.throwIfAny();
      const prompts = [
        {
          style: 'instant',
          prompt: request.prompt,
          negativePrompt: request.negativePrompt,
          count: request.count,
        },
      ];
      return this.insert(sql, {
        id,
        owner: viewer.owner,
        provider: provider.name,
        modelId: null,
        photoId: accepted![0]!,
        prompts,
        wanted: request.count,
        ...columns!,
        ...consent!,
      });
    });
  }

  /** @returns null if the id is null, or if it does not exist or belongs to another owner */
  async find(viewer: Viewer, id: string | null): Promise<PresentGeneration | null> {
    const [found] = id === null ? [] : await this.findMany(viewer, [id]);
    return found ?? null;
  }

  /** The viewer's generations with the given ids, in the order of the ids. */
  findMany({ owner }: Viewer, ids: readonly string[]): Promise<(PresentGeneration | null)[]> {
    return findJobsOf(this.deps.database, generationKind, owner, ids);
  }

  /**
   * Checks the request; one error names all problems.
   * @returns the UUID of the model, and the prompts with their styles
   */
  private async checkGeneration(
    viewer: Viewer,
    request: GenerateAvatarsRequest,
  ): Promise<{ modelId: string; prompts: PromptRow[] }> {
    const problems = new ProblemCollector();
    const modelId = problems.check(() => uuidOf(request.model));
    const prompts = problems.check(() => checkPrompts(request.prompts, this.deps.provider.facts));
    problems.check(() => checkKey(request.idempotencyKey));
    if (!problems.isEmpty && modelId !== undefined) {
      // Refused in any case; the model, which is checked again when the generation is created, completes the list.
      problems.check(() => queueColumns(request.queue));
      const [model = null] = await findJobsOf(this.deps.database, modelKind, viewer.owner, [modelId]);
      problems.check(() => this.checkModel(model));
    }
    problems.throwIfAny();
    return { modelId: modelId!, prompts: prompts! };
  }

  private checkModel<Model extends { status: string; provider: string }>(model: Model | null): Model {
    const field = 'input.modelId';
    if (!model) throw notFound('model', field);
    if (model.status !== 'READY') {
      throw new DomainError(
        'MODEL_NOT_READY',
        `The model is ${model.status}. Avatars can be generated once it is READY; follow trainingProgress.`,
        { field },
      );
    }
    assertConfigured(model.provider, this.deps.provider, field);
    return model;
  }

  /** Checks the request for a generation without training; one error names all problems. */
  private async checkInstant(
    viewer: Viewer,
    request: InstantAvatarsRequest,
    problems: ProblemCollector,
  ): Promise<void> {
    const { consents, photos, provider } = this.deps;
    problems.check(() => checkInstantForm(request, provider.facts));
    problems.check(() => checkKey(request.idempotencyKey));
    if (problems.isEmpty) return;
    // Refused in any case; the other checks, which are made again at the creation, complete the list.
    problems.check(() => queueColumns(request.queue));
    problems.check(() => consents.check(request.consent ?? null));
    await problems.checkLater(() => photos.check(viewer, request.photo === null ? [] : [request.photo]));
    problems.throwIfAny();
  }

  private create(
    viewer: Viewer,
    operation: AuditedAction,
    input: JobCreation<GenerationEntity>['input'],
    insert: JobCreation<GenerationEntity>['insert'],
  ): Promise<PresentGeneration> {
    const detailsOf = ({ wanted }: GenerationEntity): { avatars: number } => ({ avatars: wanted });
    return createJob(this.deps, viewer, generationKind, { operation, input, insert, detailsOf });
  }

  private async insert(sql: Sql, row: NewGeneration): Promise<GenerationEntity> {
    const generation = await insertGeneration(sql, row);
    if (row.modelId === null) await openStream(sql, streamOfGeneration(row), row.owner);
    return generation;
  }
}
