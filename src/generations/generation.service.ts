import type { AuditedAction } from '../accounts/audit.repository';
import type { Consent, ConsentColumns } from '../accounts/consent';
import { DomainError, notFound } from '../core/errors';
import { toGlobalId } from '../core/ids';
import { OwnedList } from '../core/owned-list';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { openStream } from '../events/event-log.repository';
import { assertConfigured } from '../jobs/job';
import { createJob, type JobCreation } from '../jobs/job.lifecycle';
import { findJobs } from '../jobs/job.repository';
import type { JobServiceDeps } from '../models/model.service';
import type { PhotoSource } from '../photos/job-photo.service';
import type { ProviderFacts } from '../upstream/provider';
import type { GenerationEntity, PromptRow } from './generation.entity';
import { generationKind, streamOfGeneration, type PresentGeneration } from './generation.job';
import {
  generationTable,
  holdModel,
  insertGeneration,
  type GenerationFilter,
  type NewGeneration,
} from './generation.repository';

/** The input of {@link GenerationService.generate}. */
export interface GenerateAvatarsRequest {
  /** The UUID of the model. */
  modelId: string;
  /** A prompt without a style has the default style of the provider. */
  prompts: readonly (Omit<PromptRow, 'style'> & { style: string | null })[];
  idempotencyKey: string | null;
}

/** The input of {@link GenerationService.generateInstant}. */
export interface InstantAvatarsRequest {
  photo: PhotoSource;
  prompt: string;
  negativePrompt: string | null;
  count: number;
  consent?: Consent | null;
  idempotencyKey: string | null;
}

/** The maximum number of prompts of a generation, and the maximum length of their texts in characters. */
export const promptRules = { maxPrompts: 20, maxLength: 1_000 } as const;

const { maxPrompts, maxLength: maxPromptLength } = promptRules;

/** Characters that PostgreSQL's JSON cannot store: NUL and unpaired surrogates. */
const unstorable = /[\0\p{Surrogate}]/u;

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
    const { facts } = this.deps.provider;
    const prompts = withStyles(request.prompts, facts);
    const wanted = checkPrompts(prompts, facts);
    const input = { ...request, prompts };
    return this.create(viewer, 'generateAvatars', input, async (sql, id) => {
      const model = await holdModel(sql, viewer.owner, request.modelId);
      if (!model) throw notFound('model', 'input.modelId');
      if (model.status !== 'READY') {
        throw new DomainError(
          'MODEL_NOT_READY',
          `The model is ${model.status}. Avatars can be generated once it is READY; follow trainingProgress.`,
          {
            field: 'input.modelId',
          },
        );
      }
      assertConfigured(model.provider, this.deps.provider, 'input.modelId');
      return this.insert(sql, {
        id,
        owner: viewer.owner,
        provider: model.provider,
        modelId: request.modelId,
        photoId: null,
        prompts,
        wanted,
        // Consent was given for the training, if it was required.
        ...noConsent,
      });
    });
  }

  /** Like {@link generate}, for avatars from one photo without training. */
  async generateInstant(viewer: Viewer, request: InstantAvatarsRequest): Promise<PresentGeneration> {
    const { consents, photos, provider } = this.deps;
    checkInstant(request, provider.facts);
    const { photo, ...rest } = request;
    // Inputs are compared with stored ones, which have this form.
    const photoId = photo.photoId === undefined ? null : toGlobalId('Photo', photo.photoId);
    const input = { ...rest, photoId, photoUrl: photo.url ?? null };
    return this.create(viewer, 'generateInstantAvatars', input, async (sql, id) => {
      const consent = consents.check(request.consent ?? null);
      const [acceptedId] = await photos.accept(sql, viewer, [photo]);
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
        photoId: acceptedId!,
        prompts,
        wanted: request.count,
        ...consent,
      });
    });
  }

  /** @returns null if it does not exist or belongs to another owner */
  async find(viewer: Viewer, id: string): Promise<PresentGeneration | null> {
    const [found] = await this.findMany(viewer, [id]);
    return found ?? null;
  }

  /** The viewer's generations with the given ids, in the order of the ids. */
  findMany({ owner }: Viewer, ids: readonly string[]): Promise<(PresentGeneration | null)[]> {
    return findJobs(this.deps.database, generationKind, owner, ids);
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

/** @throws DomainError INVALID_INPUT if a prompt has no style and the provider has no default style */
function withStyles(prompts: GenerateAvatarsRequest['prompts'], facts: ProviderFacts): PromptRow[] {
  return prompts.map((prompt, index) => {
    const style = prompt.style ?? facts.defaultStyle;
    if (style !== null) return { ...prompt, style };
    throw invalid(`input.prompts[${index}].style`, `Choose a style. ${stylesOf(facts)}`);
  });
}

function stylesOf({ styles }: ProviderFacts): string {
  return `The styles are ${styles.map(({ id }) => id).join(', ')}.`;
}

/**
 * Checks prompts against the limits of the provider.
 * @returns the total number of avatars
 */
function checkPrompts(prompts: readonly PromptRow[], facts: ProviderFacts): number {
  if (prompts.length < 1 || prompts.length > maxPrompts) {
    throw invalid('input.prompts', `Send 1 to ${maxPrompts} prompts; ${prompts.length} were given.`);
  }
  prompts.forEach((prompt, index) => {
    const field = `input.prompts[${index}]`;
    if (!facts.styles.some(({ id }) => id === prompt.style)) {
      throw invalid(`${field}.style`, `Unknown style "${prompt.style.slice(0, 50)}". ${stylesOf(facts)}`);
    }
    checkText(prompt.prompt, `${field}.prompt`);
    checkCount(prompt.count, `${field}.count`, facts);
  });
  const wanted = prompts.reduce((sum, { count }) => sum + count, 0);
  if (wanted > facts.maxAvatars) {
    throw invalid(
      'input.prompts',
      `The prompts request ${wanted} avatars; a generation makes at most ${facts.maxAvatars}.`,
    );
  }
  return wanted;
}

/** Checks the input of a generation without training. */
function checkInstant(request: InstantAvatarsRequest, facts: ProviderFacts): void {
  if (!facts.instant)
    throw invalid(
      'input',
      'The configured provider does not support avatars without training. Use trainModel.',
    );
  checkText(request.prompt, 'input.prompt');
  if (request.prompt.trim() === '')
    throw invalid('input.prompt', 'Describe what the avatar should look like.');
  checkText(request.negativePrompt, 'input.negativePrompt');
  checkCount(request.count, 'input.count', facts);
}

function checkCount(count: number, field: string, { maxAvatars }: ProviderFacts): void {
  if (count < 1 || count > maxAvatars)
    throw invalid(field, `count is ${count}; it must be from 1 to ${maxAvatars}.`);
}

function checkText(text: string | null, field: string): void {
  if (text !== null && unstorable.test(text)) {
    throw invalid(field, 'The text contains a null character or an unpaired surrogate. Remove it.');
  }
  if (text !== null && text.length > maxPromptLength) {
    throw invalid(field, `The text has ${text.length} characters; the maximum is ${maxPromptLength}.`);
  }
}

function invalid(field: string, message: string): DomainError {
  return new DomainError('INVALID_INPUT', message, { field });
}
