import { DomainError } from '../core/errors';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import type { JobPatch } from '../jobs/job-move';
import type { LifecycleSteps } from '../jobs/job.lifecycle';
import { detachSubmissions } from '../jobs/ledger.repository';
import type { JobPhotoService } from '../photos/job-photo.service';
import { deleteAvatarsOf } from './avatar.repository';
import type { GenerationEntity } from './generation.entity';
import { generationKind } from './generation.kind';
import { idsOfModel } from './generation.repository';

/** What cancelling, retrying and deleting involve for generations. */
export class GenerationLifecycle implements LifecycleSteps<GenerationEntity> {
  readonly kind = generationKind;
  readonly actions = { retry: 'retryGeneration', delete: 'deleteGeneration' } as const;

  constructor(private readonly photos: JobPhotoService) {}

  /** Stored avatars stay. */
  async cancelled(sql: Sql, { id }: GenerationEntity): Promise<void> {
    await deleteAvatarsOf(sql, 'generation', [id], { onlyUnfinished: true });
    await this.photos.release(sql, id);
  }

  async prepareRetry(sql: Sql, viewer: Viewer, { id, modelId }: GenerationEntity): Promise<JobPatch> {
    if (modelId === null && (await this.photos.holdForRetry(sql, viewer, id)) === 0) {
      const message = 'Its photo has been deleted. Create a new generation.';
      throw new DomainError('NOT_RETRYABLE', message, { field: 'input.id' });
    }
    // Pictures of the previous attempt are no longer fetched.
    await deleteAvatarsOf(sql, 'generation', [id]);
    return { resultsExpireAt: null, resultCount: null };
  }

  withPhotos(sql: Sql, viewer: Viewer, rows: readonly GenerationEntity[]): Promise<ReadonlySet<string>> {
    return this.photos.withKept(
      sql,
      viewer,
      rows.map(({ id, modelId }) => ({ id, needed: modelId === null ? 1 : 0 })),
    );
  }

  async deleteDependents(sql: Sql, { id }: GenerationEntity): Promise<void> {
    await deleteAvatarsOf(sql, 'generation', [id]);
    await this.photos.release(sql, id);
  }

  /**
   * Schedules the deletion of the bytes of a model's avatars, and detaches the paid calls of its generations, in
   * the transaction that deletes the model.
   */
  async scheduleDeletionOfModel(sql: Sql, modelId: string): Promise<void> {
    await detachSubmissions(sql, generationKind, await idsOfModel(sql, modelId));
    await deleteAvatarsOf(sql, 'model', [modelId]);
  }
}
