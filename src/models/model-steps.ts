import type { Sql } from '../core/sql';
import { failure, type JobFailure } from '../jobs/failure';
import { JobSteps, type FoundResult, type Preparation } from '../jobs/job-steps';
import type { JobClass } from '../jobs/learned-durations';
import type { PhotoEntity } from '../photos/photo.entity';
import type { PollOptions, PollPlan, UpstreamState } from '../upstream/provider';
import type { ModelEntity } from './model.entity';
import { modelKind } from './model.kind';

/** The steps of a training. */
export class ModelSteps extends JobSteps<ModelEntity> {
  readonly kind = modelKind;

  get retentionMs(): number {
    return this.deps.provider.facts.modelRetentionMs;
  }

  protected get providerPlan(): PollPlan {
    return this.deps.provider.facts.trainingPoll;
  }

  classOf({ provider, type, photoCount }: ModelEntity): JobClass {
    return { provider, work: 'TRAINING', type, size: photoCount };
  }

  prepare(row: ModelEntity, attempt: number): Promise<Preparation> {
    return this.prepareWithPhotos(
      row,
      attempt,
      (photos) => problemOf(row, photos),
      (photoUrls, signal) => this.deps.provider.train({ type: row.type, photoUrls }, signal),
    );
  }

  fetchesPhotos(): boolean {
    return true;
  }

  async poll(row: ModelEntity, signal: AbortSignal, options: PollOptions): Promise<UpstreamState> {
    return this.deps.provider.training(row.providerRef!, signal, options);
  }

  hasResult(): boolean {
    return true;
  }

  async finish(sql: Sql, row: ModelEntity, { note }: FoundResult): Promise<ModelEntity | null> {
    const set = { status: 'READY', progress: 100, readyAt: 'now' };
    const ready = await this.moveFinished(sql, row, { set, dueInMs: null, note });
    // The photos of a FAILED job have been released already.
    if (ready && row.status !== 'FAILED') await this.ended(sql, ready);
    return ready;
  }
}

/** Why a training cannot be submitted with these photos; null if it can. Nothing has been charged at this point. */
function problemOf(row: ModelEntity, photos: readonly PhotoEntity[]): JobFailure | null {
  if (photos.length < row.photoCount || photos.some(({ status }) => status === 'PURGED')) {
    return failure(
      'TOO_FEW_PHOTOS',
      'A photo was deleted before the training was submitted. Train a new model with other photos.',
    );
  }
  const bad = photos
    .map((photo, index) => ({ ...photo, index }))
    .filter(({ status }) => status === 'REJECTED');
  if (bad.length === 0) return null;
  const unreachable = bad.every(({ problems }) => problems.some(({ code }) => code === 'PHOTO_UNREACHABLE'));
  const list = bad
    .map(({ index, problems }) => `Photo ${index + 1}: ${problems[0]?.message ?? 'it was rejected.'}`)
    .join(' ');
  return failure(
    unreachable ? 'PHOTO_UNREACHABLE' : 'PHOTO_INVALID',
    `${list} Train a new model with other photos.`,
  );
}
