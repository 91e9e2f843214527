import { audit } from '../accounts/audit';
import { transactionFor } from '../accounts/erasure-gate';
import type { QuotaService } from '../accounts/quota.service';
import { DomainError, notFound } from '../core/errors';
import { failpoint } from '../core/failpoint';
import { toGlobalId } from '../core/ids';
import { camelRow, type Sql, type Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { endStream, eraseEvents } from '../events/event-log';
import { assertConfigured } from '../jobs/configured-provider';
import { noFailure } from '../jobs/failure';
import { notPolled, queueDeadlineMs } from '../jobs/job';
import type { JobRepository } from '../jobs/job.repository';
import { detachSubmissions } from '../jobs/submission.repository';
import type { TrainingPhotoService } from '../photos/training-photo.service';
import { scheduleDeletion } from '../storage/media-deletion';
import { avatarKeys } from './avatar-keys';
import type { GenerationEntity } from './generation.entity';
import { generationKind } from './generation.job';

export interface GenerationLifecycleDeps {
  database: Transactions;
  store: JobRepository;
  photos: TrainingPhotoService;
  quotas: Pick<QuotaService, 'reserve'>;
  /** The configured provider. */
  provider: { readonly name: string };
}

/** Cancels, retries and deletes generations. */
export class GenerationLifecycle {
  constructor(private readonly deps: GenerationLifecycleDeps) {}

  /** Stops a generation that has not ended; stored pictures stay. Idempotent. */
  async cancel(viewer: Viewer, id: string): Promise<GenerationEntity> {
    return this.change(viewer, id, async (sql, generation) => {
      if (generation.status === 'CANCELLED') return generation;
      if (['COMPLETED', 'PARTIAL', 'FAILED'].includes(generation.status)) {
        throw new DomainError(
          'NOT_CANCELLABLE',
          `The generation is ${generation.status}. Only unfinished generations can be cancelled.`,
          { field: 'id' },
        );
      }
      const [cancelled] = await this.deps.store.moveWithin(sql, generationKind, [
        {
          id,
          from: [generation.status],
          set: { status: 'CANCELLED', estimatedReadyAt: null },
          dueInMs: null,
          appendsEvent: true,
        },
      ]);
      await deleteAvatars(sql, `generation_id = $1 AND status IN ('PENDING', 'DELAYED')`, id);
      await this.deps.photos.releaseAfterTraining(sql, id);
      return cancelled!;
    });
  }

  /** Retries a generation that is UNCERTAIN, or FAILED and retryable: a new attempt, which is paid for again. */
  async retry(viewer: Viewer, id: string): Promise<GenerationEntity> {
    return this.change(viewer, id, async (sql, generation) => {
      const may =
        generation.status === 'UNCERTAIN' ||
        (generation.status === 'FAILED' && generation.failureRetryable === true);
      if (!may) {
        throw new DomainError(
          'NOT_RETRYABLE',
          `The generation is ${generation.status}. Only generations that are UNCERTAIN, or FAILED with failure.retryable, can be retried.`,
          { field: 'id' },
        );
      }
      assertConfigured(generation.provider, this.deps.provider, 'id');
      if (generation.modelId === null) await this.holdPhoto(sql, viewer, id);
      // Pictures of the previous attempt are no longer fetched.
      await deleteAvatars(sql, 'generation_id = $1', id);
      const set = {
        status: 'QUEUED',
        progress: 0,
        providerRef: null,
        submittedAt: null,
        deadlineAt: new Date(Date.now() + queueDeadlineMs),
        estimatedReadyAt: null,
        resultsExpireAt: null,
        ...notPolled,
        resends: 0,
        ...noFailure,
      };
      const [queued] = await this.deps.store.moveWithin(sql, generationKind, [
        { id, from: [generation.status], set, dueInMs: 0, appendsEvent: true },
      ]);
      await audit(sql, viewer, { action: 'retryGeneration', subject: toGlobalId('Generation', id) });
      await this.deps.quotas.reserve(sql, viewer, {
        jobId: id,
        avatars: generation.wanted,
        afterAttempt: generation.attempt,
      });
      return queued!;
    });
  }

  /** Deletes a generation with its avatars and their bytes. */
  async delete(viewer: Viewer, id: string): Promise<void> {
    const { database, store } = this.deps;
    const deleted = await transactionFor(database, viewer, async (sql) => {
      const [row] = await sql.rows<Record<string, unknown>>(
        'SELECT * FROM generations WHERE id = $1 AND owner = $2 FOR UPDATE',
        [id, viewer.owner],
      );
      if (!row) return null;
      const generation = camelRow<GenerationEntity>(row);
      await detachSubmissions(sql, generationKind, [id]);
      await deleteAvatars(sql, 'generation_id = $1', id);
      await this.deps.photos.releaseAfterTraining(sql, id);
      await sql.rows('DELETE FROM generations WHERE id = $1', [id]);
      if (generation.modelId === null) await endStream(sql, id, { subjectId: id, generationId: id });
      else await eraseEvents(sql, generation.modelId, { generationId: id });
      await audit(sql, viewer, { action: 'deleteGeneration', subject: toGlobalId('Generation', id) });
      return generation;
    });
    if (!deleted) return;
    await failpoint('delete:marked');
    store.wake(generationKind, [deleted]);
  }

  /**
   * Schedules the deletion of the bytes of a model's avatars, and detaches the paid calls of its generations, in
   * the transaction that deletes the model.
   */
  async scheduleDeletionOfModel(sql: Sql, modelId: string): Promise<void> {
    const generations = await sql.rows<{ id: string }>('SELECT id FROM generations WHERE model_id = $1', [
      modelId,
    ]);
    await detachSubmissions(
      sql,
      generationKind,
      generations.map(({ id }) => id),
    );
    await deleteAvatars(sql, 'model_id = $1', modelId);
  }

  private async holdPhoto(sql: Sql, viewer: Viewer, id: string): Promise<void> {
    if ((await this.deps.photos.holdForRetry(sql, viewer, id)) > 0) return;
    throw new DomainError('NOT_RETRYABLE', 'Its photo has been deleted. Create a new generation.', {
      field: 'id',
    });
  }

  /** Changes the viewer's generation while its row is locked. */
  private async change(
    viewer: Viewer,
    id: string,
    work: (sql: Sql, generation: GenerationEntity) => Promise<GenerationEntity>,
  ): Promise<GenerationEntity> {
    const { database, store } = this.deps;
    const changed = await transactionFor(database, viewer, async (sql) => {
      const [row] = await sql.rows<Record<string, unknown>>(
        'SELECT * FROM generations WHERE id = $1 AND owner = $2 FOR UPDATE',
        [id, viewer.owner],
      );
      if (!row) throw notFound('generation');
      return work(sql, camelRow<GenerationEntity>(row));
    });
    store.wake(generationKind, [changed], changed.status === 'QUEUED');
    return changed;
  }
}

/** Deletes avatars with their bytes, including those of unfinished tries. */
async function deleteAvatars(sql: Sql, where: string, id: string): Promise<void> {
  const gone = await sql.rows<{ id: string; media_token: string | null }>(
    `DELETE FROM avatars WHERE ${where} RETURNING id, media_token`,
    [id],
  );
  await scheduleDeletion(
    sql,
    gone.flatMap((row) => avatarKeys({ id: row.id, mediaToken: row.media_token })),
  );
}
