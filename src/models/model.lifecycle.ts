import { DomainError } from '../core/errors';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import type { JobPatch } from '../jobs/job.kind';
import type { LifecycleSteps } from '../jobs/job.lifecycle';
import type { JobPhotoService } from '../photos/job-photo.service';
import type { ModelEntity } from './model.entity';
import { modelKind } from './model.kind';

/** What cancelling, retrying and deleting involve for models. */
export class ModelLifecycle implements LifecycleSteps<ModelEntity> {
  readonly kind = modelKind;
  readonly actions = { retry: 'retryModel', delete: 'deleteModel' } as const;

  /**
   * @param dependents - schedules deletion of the bytes of a model's avatars, and releases unpaid quota reservations of
   * its generations
   */
  constructor(
    private readonly photos: JobPhotoService,
    private readonly dependents: { scheduleDeletionOfModel(sql: Sql, modelId: string): Promise<void> },
  ) {}

  cancelled(sql: Sql, { id }: ModelEntity): Promise<void> {
    return this.photos.release(sql, id);
  }

  async prepareRetry(sql: Sql, viewer: Viewer, { id, photoCount }: ModelEntity): Promise<JobPatch> {
    if ((await this.photos.holdForRetry(sql, viewer, id)) >= photoCount) return {};
    throw new DomainError('NOT_RETRYABLE', 'Its photos have been deleted. Train a new model.', {
      field: 'input.id',
    });
  }

  retryable(sql: Sql, viewer: Viewer, rows: readonly ModelEntity[]): Promise<ReadonlySet<string>> {
    return this.photos.withKept(
      sql,
      viewer,
      rows.map(({ id, photoCount }) => ({ id, needed: photoCount })),
    );
  }

  /** Deletes its generations and avatars too, and the photos that no other model uses. */
  async deleteDependents(sql: Sql, { id }: ModelEntity): Promise<void> {
    await this.dependents.scheduleDeletionOfModel(sql, id);
    await this.photos.deleteOfModel(sql, id);
  }
}
