import type { Sql } from '../core/sql';
import { failure, noFailure, type Failure } from '../jobs/failure';
import type { LearnedDurations } from '../jobs/forecast';
import type { JobSteps, Preparation } from '../jobs/job';
import type { JobRepository } from '../jobs/job.repository';
import type { JobPhotoService } from '../photos/job-photo.service';
import type { PhotoEntity } from '../photos/photo.entity';
import type { AvatarProvider, PollPlan, UpstreamState } from '../upstream/provider';
import type { ModelEntity } from './model.entity';
import { modelKind } from './model.job';
import { trainingDurations } from './model.repository';

/**
 * The interval for checking photos that are still being fetched. Normally the photo's worker wakes the model
 * sooner.
 */
const photosPendingMs = 5_000;
/**
 * How much longer photo URLs are valid than the training deadline, to allow for clock differences with the
 * upstream.
 */
const urlSlackMs = 5 * 60_000;

export interface ModelWorkDeps {
  sql: Sql;
  jobs: JobRepository;
  photos: JobPhotoService;
  provider: AvatarProvider;
  durations: LearnedDurations;
  deadlineMs: number;
  /** The divisor of polling intervals, from the settings. */
  pollSpeed: number;
}

/** The steps of a training. */
export class ModelWork implements JobSteps<ModelEntity> {
  readonly kind = modelKind;
  readonly shareOfUpstream = 1;

  constructor(private readonly deps: ModelWorkDeps) {}

  get deadlineMs(): number {
    return this.deps.deadlineMs;
  }

  get pollPlan(): PollPlan {
    const { firstMs, nextMs } = this.deps.provider.facts.trainingPoll;
    return { firstMs: firstMs / this.deps.pollSpeed, nextMs: nextMs / this.deps.pollSpeed };
  }

  get retentionMs(): number {
    return this.deps.provider.facts.modelRetentionMs;
  }

  async typicalMs(row: ModelEntity): Promise<number> {
    const { durations, provider, sql } = this.deps;
    const kind = `training/${row.provider}/${row.type}`;
    return durations.typicalMs(kind, () => trainingDurations(sql, row), provider.facts.typicalTrainingMs);
  }

  async prepare(row: ModelEntity, attempt: number): Promise<Preparation> {
    const { photos, provider, sql } = this.deps;
    const found = await photos.list(sql, row.id);
    const problem = problemOf(row, found);
    if (problem) return { go: 'fail', failure: problem };
    if (found.some(({ status }) => status !== 'READY')) return { go: 'wait', ms: photosPendingMs };
    const expiresAtMs = Date.now() + Math.max(this.deps.deadlineMs, provider.facts.photoFetchMs) + urlSlackMs;
    const photoUrls = found.map(({ id }) => photos.upstreamUrl(id, { jobId: row.id, attempt }, expiresAtMs));
    return { go: 'submit', call: (signal) => provider.train({ type: row.type, photoUrls }, signal) };
  }

  fetchesPhotos(): boolean {
    return true;
  }

  async poll(row: ModelEntity, signal: AbortSignal): Promise<UpstreamState> {
    return this.deps.provider.training(row.providerRef!, signal);
  }

  hasResult(): boolean {
    return true;
  }

  async finish(sql: Sql, row: ModelEntity): Promise<ModelEntity | null> {
    const [ready] = await this.deps.jobs.moveWithin(sql, modelKind, [
      {
        id: row.id,
        from: [row.status],
        lease: row.lease!,
        set: {
          status: 'READY',
          progress: 100,
          readyAt: 'now',
          estimatedReadyAt: null,
          tries: 0,
          lastError: null,
          ...noFailure,
        },
        dueInMs: null,
        appendsEvent: true,
      },
    ]);
    // The photos of a FAILED job have been released already.
    if (ready && row.status !== 'FAILED') await this.ended(sql, ready);
    return ready ?? null;
  }

  async ended(sql: Sql, row: ModelEntity): Promise<void> {
    await this.deps.photos.release(sql, row.id);
  }
}

/** Why a training cannot be submitted with these photos; null if it can. Nothing has been charged at this point. */
function problemOf(row: ModelEntity, photos: readonly PhotoEntity[]): Failure | null {
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
