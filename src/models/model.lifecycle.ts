import { audit } from '../accounts/audit';
import { transactionFor } from '../accounts/erasure-gate';
import type { QuotaService } from '../accounts/quota.service';
import { DomainError, notFound } from '../core/errors';
import { failpoint } from '../core/failpoint';
import { toGlobalId } from '../core/ids';
import { camelRow, type Sql, type Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { endStream } from '../events/event-log';
import { assertConfigured } from '../jobs/configured-provider';
import { noFailure } from '../jobs/failure';
import { notPolled, queueDeadlineMs } from '../jobs/job';
import type { JobRepository } from '../jobs/job.repository';
import { detachSubmissions } from '../jobs/submission.repository';
import type { TrainingPhotoService } from '../photos/training-photo.service';
import type { ModelEntity } from './model.entity';
import { modelKind } from './model.job';

export interface ModelLifecycleDeps {
  database: Transactions;
  store: JobRepository;
  photos: TrainingPhotoService;
  quotas: Pick<QuotaService, 'reserve'>;
  /** The configured provider. */
  provider: { readonly name: string };
  /**
   * Deletes what depends on a model: schedules deletion of its avatars' bytes, and releases unpaid quota
   * reservations.
   */
  dependents: { scheduleDeletionOfModel(sql: Sql, modelId: string): Promise<void> };
}

/** Cancels, retries and deletes models. */
export class ModelLifecycle {
  constructor(private readonly deps: ModelLifecycleDeps) {}

  /** Stops a training that has not ended. The upstream cannot be stopped, but its result is ignored. Idempotent. */
  async cancel(viewer: Viewer, id: string): Promise<ModelEntity> {
    return this.change(viewer, id, async (sql, model) => {
      if (model.status === 'CANCELLED') return model;
      if (model.status === 'READY' || model.status === 'FAILED') {
        throw new DomainError(
          'NOT_CANCELLABLE',
          `The model is ${model.status}. Only unfinished models can be cancelled.`,
          { field: 'id' },
        );
      }
      const [cancelled] = await this.deps.store.moveWithin(sql, modelKind, [
        {
          id,
          from: [model.status],
          set: { status: 'CANCELLED', estimatedReadyAt: null },
          dueInMs: null,
          appendsEvent: true,
        },
      ]);
      await this.deps.photos.releaseAfterTraining(sql, id);
      return cancelled!;
    });
  }

  /** Retries a model that is UNCERTAIN, or FAILED and retryable: a new attempt, which is paid for again. */
  async retry(viewer: Viewer, id: string): Promise<ModelEntity> {
    return this.change(viewer, id, async (sql, model) => {
      const may =
        model.status === 'UNCERTAIN' || (model.status === 'FAILED' && model.failureRetryable === true);
      if (!may) {
        throw new DomainError(
          'NOT_RETRYABLE',
          `The model is ${model.status}. Only models that are UNCERTAIN, or FAILED with failure.retryable, can be retried.`,
          { field: 'id' },
        );
      }
      assertConfigured(model.provider, this.deps.provider, 'id');
      if ((await this.deps.photos.holdForRetry(sql, viewer, id)) < model.photoCount) {
        throw new DomainError('NOT_RETRYABLE', 'Its photos have been deleted. Train a new model.', {
          field: 'id',
        });
      }
      const set = {
        status: 'QUEUED',
        progress: 0,
        providerRef: null,
        submittedAt: null,
        deadlineAt: new Date(Date.now() + queueDeadlineMs),
        estimatedReadyAt: null,
        ...notPolled,
        resends: 0,
        ...noFailure,
      };
      const [queued] = await this.deps.store.moveWithin(sql, modelKind, [
        { id, from: [model.status], set, dueInMs: 0, appendsEvent: true },
      ]);
      await audit(sql, viewer, { action: 'retryModel', subject: toGlobalId('AvatarModel', id) });
      await this.deps.quotas.reserve(sql, viewer, {
        jobId: id,
        trainings: 1,
        afterAttempt: model.attempt,
      });
      return queued!;
    });
  }

  /** Deletes the model, its generations and avatars, the photos that no other model uses, and all their bytes. */
  async delete(viewer: Viewer, id: string): Promise<void> {
    const { database, photos, dependents, store } = this.deps;
    const isGone = await transactionFor(database, viewer, async (sql) => {
      const [model] = await sql.rows('SELECT id FROM models WHERE id = $1 AND owner = $2 FOR UPDATE', [
        id,
        viewer.owner,
      ]);
      if (!model) return false;
      await detachSubmissions(sql, modelKind, [id]);
      await dependents.scheduleDeletionOfModel(sql, id);
      await photos.deleteOfModel(sql, id);
      await sql.rows('DELETE FROM models WHERE id = $1', [id]);
      await endStream(sql, id, { subjectId: id });
      await audit(sql, viewer, { action: 'deleteModel', subject: toGlobalId('AvatarModel', id) });
      return true;
    });
    if (!isGone) return;
    await failpoint('delete:marked');
    store.wake(modelKind, [{ id } as ModelEntity]);
  }

  /** Changes the viewer's model while its row is locked. */
  private async change(
    viewer: Viewer,
    id: string,
    work: (sql: Sql, model: ModelEntity) => Promise<ModelEntity>,
  ): Promise<ModelEntity> {
    const { database, store } = this.deps;
    const changed = await transactionFor(database, viewer, async (sql) => {
      const [row] = await sql.rows<Record<string, unknown>>(
        'SELECT * FROM models WHERE id = $1 AND owner = $2 FOR UPDATE',
        [id, viewer.owner],
      );
      if (!row) throw notFound('model');
      return work(sql, camelRow<ModelEntity>(row));
    });
    store.wake(modelKind, [changed], changed.status === 'QUEUED');
    return changed;
  }
}
