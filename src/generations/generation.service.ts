import { audit, type AuditedAction } from '../accounts/audit.repository';
import type { Consent, ConsentColumns, ConsentRule } from '../accounts/consent';
import { createOnce } from '../accounts/idempotency';
import type { QuotaService } from '../accounts/quota.service';
import { DomainError, notFound } from '../core/errors';
import { toGlobalId } from '../core/ids';
import { camelRow, type Sql, type Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { appendEvents, openStream } from '../events/event-log';
import { assertConfigured } from '../jobs/configured-provider';
import { queueDeadlineMs } from '../jobs/job';
import { eventOf, type JobRepository } from '../jobs/job.repository';
import type { TrainingPhotoService } from '../photos/training-photo.service';
import type { AvatarProvider } from '../upstream/provider';
import type { GenerationEntity, PromptRow } from './generation.entity';
import { generationKind, streamOfGeneration } from './generation.job';
import type { GenerationStatus } from './generation.state';
import { checkInstant, checkPrompts } from './prompt-validation';

/** The input of {@link GenerationService.generate}. */
export interface GenerateRequest {
  /** The UUID of the model. */
  modelId: string;
  prompts: readonly PromptRow[];
  idempotencyKey: string | null;
}

/** The input of {@link GenerationService.generateInstant}; exactly one of the photos is given. */
export interface InstantRequest {
  /** The UUID of an uploaded photo. */
  photoId: string | null;
  photoUrl: string | null;
  prompt: string;
  negativePrompt: string | null;
  count: number;
  consent?: Consent | null;
  idempotencyKey: string | null;
}

export interface GenerationServiceDeps {
  database: Transactions;
  store: JobRepository;
  photos: TrainingPhotoService;
  provider: AvatarProvider;
  quotas: Pick<QuotaService, 'reserve'>;
  consents: Pick<ConsentRule, 'check'>;
}

const noConsent: ConsentColumns = { consentVersion: null, consentAt: null };

/** Creates and reads generations. Makes no upstream calls; workers do. */
export class GenerationService {
  constructor(private readonly deps: GenerationServiceDeps) {}

  /** Stores the request and returns; all writes are in one transaction. */
  async generate(viewer: Viewer, request: GenerateRequest): Promise<GenerationEntity> {
    const wanted = checkPrompts(request.prompts, this.deps.provider.facts);
    return this.once(viewer, 'generateAvatars', request, async (sql, id) => {
      const [model] = await sql.rows<{ status: string; provider: string }>(
        'SELECT status, provider FROM models WHERE id = $1 AND owner = $2 FOR SHARE',
        [request.modelId, viewer.owner],
      );
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
        prompts: request.prompts,
        wanted,
        // Consent was given for the training, if it was required.
        ...noConsent,
      });
    });
  }

  /** Like {@link generate}, for avatars from one photo without training. */
  async generateInstant(viewer: Viewer, request: InstantRequest): Promise<GenerationEntity> {
    const { consents, photos, provider } = this.deps;
    checkInstant(request, provider.facts);
    // Inputs are compared with stored ones, which contain global ids.
    const input = { ...request, photoId: request.photoId && toGlobalId('Photo', request.photoId) };
    return this.once(viewer, 'generateInstantAvatars', input, async (sql, id) => {
      const consent = consents.check(request.consent ?? null);
      const { photoId: uploaded, photoUrl } = request;
      if (uploaded !== null) await photos.holdForTraining(sql, viewer, [uploaded], () => 'input.photoId');
      const photoId =
        uploaded ?? (await photos.addFromUrls(sql, viewer, [photoUrl!], () => 'input.photoUrl'))[0]!;
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
        photoId,
        prompts,
        wanted: request.count,
        ...consent,
      });
    });
  }

  /** @returns null if it does not exist or belongs to another owner */
  async find(viewer: Viewer, id: string): Promise<GenerationEntity | null> {
    const [found] = await this.findMany(viewer, [id]);
    return found ?? null;
  }

  /** The viewer's generations with the given ids, in the order of the ids. */
  async findMany(viewer: Viewer, ids: readonly string[]): Promise<(GenerationEntity | null)[]> {
    const rows = await this.deps.database.rows<Record<string, unknown>>(
      'SELECT * FROM generations WHERE id = ANY($1) AND owner = $2',
      [ids, viewer.owner],
    );
    const byId = new Map(rows.map((row) => [row.id, camelRow<GenerationEntity>(row)]));
    return ids.map((id) => byId.get(id) ?? null);
  }

  /** The viewer's generations, newest first, up to `first` + 1. */
  async list(
    viewer: Viewer,
    { first, after, status }: { first: number; after: string | null; status: GenerationStatus | null },
  ): Promise<GenerationEntity[]> {
    const rows = await this.deps.database.rows<Record<string, unknown>>(
      `SELECT * FROM generations
        WHERE owner = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::text IS NULL OR status = $3)
        ORDER BY id DESC LIMIT $4`,
      [viewer.owner, after, status, first + 1],
    );
    return rows.map((row) => camelRow<GenerationEntity>(row));
  }

  /** For each model its newest generations after the given id, up to `first` + 1; one statement. */
  async listOfModels(
    viewer: Viewer,
    modelIds: readonly string[],
    page: { first: number; after: string | null },
  ): Promise<GenerationEntity[][]> {
    const rows = await this.deps.database.rows<Record<string, unknown>>(
      `SELECT g.* FROM unnest($1::uuid[]) AS m(id)
        CROSS JOIN LATERAL (SELECT * FROM generations
                             WHERE model_id = m.id AND owner = $2 AND ($3::uuid IS NULL OR id < $3)
                             ORDER BY id DESC LIMIT $4) g`,
      [modelIds, viewer.owner, page.after, page.first + 1],
    );
    const lists = new Map<string, GenerationEntity[]>(modelIds.map((id) => [id, []]));
    for (const row of rows) lists.get(row.model_id as string)?.push(camelRow<GenerationEntity>(row));
    return modelIds.map((id) => lists.get(id) ?? []);
  }

  private async once(
    viewer: Viewer,
    operation: AuditedAction,
    request: { idempotencyKey: string | null; consent?: Consent | null },
    create: (sql: Sql, id: string) => Promise<GenerationEntity>,
  ): Promise<GenerationEntity> {
    // Consent is not part of the idempotent input: a retry may state it differently.
    const { idempotencyKey: key, consent: _consent, ...input } = request;
    const generation = await createOnce(this.deps.database, viewer, {
      noun: 'generation',
      key,
      operation,
      input,
      create: async (sql, id) => {
        const created = await create(sql, id);
        const details = { avatars: created.wanted };
        await audit(sql, viewer, { action: operation, subject: toGlobalId('Generation', id), details });
        await this.deps.quotas.reserve(sql, viewer, { jobId: id, avatars: created.wanted });
        return created;
      },
      find: (id) => this.find(viewer, id),
    });
    this.deps.store.wake(generationKind, [generation], true);
    return generation;
  }

  private async insert(
    sql: Sql,
    row: Pick<GenerationEntity, 'id' | 'owner' | 'provider' | 'modelId' | 'photoId' | 'wanted'> &
      ConsentColumns & { prompts: readonly PromptRow[] },
  ): Promise<GenerationEntity> {
    const [inserted] = await sql.rows<Record<string, unknown>>(
      `INSERT INTO generations
         (id, owner, provider, model_id, photo_id, prompts, wanted, consent_version, consent_at, due_at, deadline_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), now() + $10 * interval '1 ms') RETURNING *`,
      [
        ...[
          row.id,
          row.owner,
          row.provider,
          row.modelId,
          row.photoId,
          JSON.stringify(row.prompts),
          row.wanted,
        ],
        ...[row.consentVersion, row.consentAt, queueDeadlineMs],
      ],
    );
    const generation = camelRow<GenerationEntity>(inserted!);
    if (row.modelId === null) await openStream(sql, streamOfGeneration(row), row.owner);
    await appendEvents(sql, [eventOf(generationKind, generation)]);
    return generation;
  }
}
