import { newId } from '../core/ids';
import type { Sql } from '../core/sql';
import { failure, noFailure, type Failure } from '../jobs/failure';
import type { LearnedDurations } from '../jobs/forecast';
import type { JobSteps, Preparation } from '../jobs/job';
import type { JobRepository } from '../jobs/job.repository';
import type { JobPhotoService } from '../photos/job-photo.service';
import type { PhotoEntity } from '../photos/photo.entity';
import type { AvatarProvider, PollPlan, UpstreamResult, UpstreamState } from '../upstream/provider';
import type { GenerationEntity, PromptRow } from './generation.entity';
import { generationKind } from './generation.job';
import { generationDurations, modelRefOf } from './generation.repository';
import { expiryAfter, insertResults, type NewResult } from './result.repository';

/** How often a row is processed while its pictures are fetched, in case its last avatar was deleted. */
const storingCheckMs = 30_000;
const urlSlackMs = 5 * 60_000;
/** The interval for checking a photo that is still being fetched. Normally its worker wakes the generation sooner. */
const photoPendingMs = 5_000;
/** A limit above the largest possible generation. */
const maxResults = 1_000;

/** The minimum time for fetching pictures, as a share of their retention upstream: an hour of 48. */
const minFetchShare = 1 / 48;

export interface GenerationWorkDeps {
  sql: Sql;
  jobs: JobRepository;
  photos: JobPhotoService;
  provider: AvatarProvider;
  durations: LearnedDurations;
  deadlineMs: number;
  /** The divisor of polling intervals, from the settings. */
  pollSpeed: number;
}

/** The progress of a generation when the upstream has finished; the rest is the storing of its pictures. */
export const generatingShare = 0.8;

/** The steps of a generation. */
export class GenerationWork implements JobSteps<GenerationEntity> {
  readonly kind = generationKind;
  readonly shareOfUpstream = generatingShare;

  constructor(private readonly deps: GenerationWorkDeps) {}

  get deadlineMs(): number {
    return this.deps.deadlineMs;
  }

  get pollPlan(): PollPlan {
    const { firstMs, nextMs } = this.deps.provider.facts.generationPoll;
    return { firstMs: firstMs / this.deps.pollSpeed, nextMs: nextMs / this.deps.pollSpeed };
  }

  get retentionMs(): number {
    return this.deps.provider.facts.resultTtlMs;
  }

  async typicalMs(row: GenerationEntity): Promise<number> {
    const { durations, provider, sql } = this.deps;
    const kind = `generation/${row.provider}/${row.modelId === null ? 'instant' : 'trained'}`;
    return durations.typicalMs(kind, () => generationDurations(sql, row), provider.facts.typicalGenerationMs);
  }

  async prepare(row: GenerationEntity, attempt: number): Promise<Preparation> {
    return row.modelId === null ? this.prepareInstant(row, attempt) : this.prepareTrained(row, row.modelId);
  }

  fetchesPhotos(row: GenerationEntity): boolean {
    return row.modelId === null;
  }

  async poll(row: GenerationEntity, signal: AbortSignal): Promise<UpstreamState> {
    const modelRef = row.modelId === null ? null : await modelRefOf(this.deps.sql, row.modelId);
    return this.deps.provider.generation({ modelRef, ref: row.providerRef! }, signal);
  }

  hasResult(results: readonly UpstreamResult[]): boolean {
    return results.length > 0;
  }

  /**
   * Stores each picture's URL and expiry, all or none. {@link AvatarWork} fetches them, and requests the URLs that the
   * answer lacks.
   */
  async finish(
    sql: Sql,
    row: GenerationEntity,
    results: readonly UpstreamResult[],
  ): Promise<GenerationEntity | null> {
    const { jobs } = this.deps;
    const recorded = results.slice(0, maxResults);
    const expiresAt = await this.expiryOf(sql, row);
    const set = {
      status: 'STORING',
      progress: Math.max(row.progress, 100 * generatingShare),
      resultsExpireAt: expiresAt,
      resultCount: recorded.length,
      tries: 0,
      lastError: null,
      ...noFailure,
    };
    const [storing] = await jobs.moveWithin(sql, generationKind, [
      { id: row.id, from: [row.status], lease: row.lease!, set, dueInMs: storingCheckMs, appendsEvent: true },
    ]);
    if (!storing) return null;
    await insertResults(sql, row, pictures(row.prompts, recorded), expiresAt);
    // The photo of a FAILED job has been released already.
    if (row.status !== 'FAILED') await this.ended(sql, storing);
    return storing;
  }

  /**
   * The earliest time at which the upstream deletes the pictures. When it finished them is unknown, but it had not
   * when it last reported the job as running. Pictures found after that estimate are still tried for a while.
   */
  private async expiryOf(sql: Sql, { lastRunningAt, submittedAt }: GenerationEntity): Promise<Date> {
    const { resultTtlMs } = this.deps.provider.facts;
    const minMs = resultTtlMs * minFetchShare;
    return expiryAfter(sql, lastRunningAt ?? submittedAt, { ttlMs: resultTtlMs, minMs });
  }

  async ended(sql: Sql, row: GenerationEntity): Promise<void> {
    await this.deps.photos.release(sql, row.id);
  }

  private async prepareTrained(row: GenerationEntity, modelId: string): Promise<Preparation> {
    const modelRef = await modelRefOf(this.deps.sql, modelId);
    const prompts = row.prompts.map(({ style, prompt, count }) => ({
      style,
      prompt: prompt ?? undefined,
      count,
    }));
    return {
      go: 'submit',
      call: (signal) => this.deps.provider.generate({ modelRef: modelRef!, prompts }, signal),
    };
  }

  private async prepareInstant(row: GenerationEntity, attempt: number): Promise<Preparation> {
    const { photos, provider, sql } = this.deps;
    const [photo] = await photos.list(sql, row.id);
    const problem = problemOf(photo);
    if (problem) return { go: 'fail', failure: problem };
    if (photo?.status !== 'READY') return { go: 'wait', ms: photoPendingMs };
    const expiresAtMs = Date.now() + Math.max(this.deps.deadlineMs, provider.facts.photoFetchMs) + urlSlackMs;
    const photoUrl = photos.upstreamUrl(photo.id, { jobId: row.id, attempt }, expiresAtMs);
    const { prompt, negativePrompt } = row.prompts[0]!;
    const request = {
      photoUrl,
      prompt: prompt ?? '',
      negativePrompt: negativePrompt ?? undefined,
      count: row.wanted,
    };
    return { go: 'submit', call: (signal) => provider.generateInstant(request, signal) };
  }
}

/** Why a generation cannot be submitted with this photo; null if it can. Nothing has been charged at this point. */
function problemOf(photo: PhotoEntity | undefined): Failure | null {
  if (!photo || photo.status === 'PURGED') {
    return failure(
      'PHOTO_INVALID',
      'The photo was deleted before the generation was submitted. Use another photo.',
    );
  }
  if (photo.status !== 'REJECTED') return null;
  const [problem] = photo.problems;
  const code = problem?.code === 'PHOTO_UNREACHABLE' ? 'PHOTO_UNREACHABLE' : 'PHOTO_INVALID';
  return failure(code, problem?.message ?? '');
}

/** Assigns results to prompts: the upstream returns them in the order of the request. Surplus results are kept. */
function pictures(prompts: readonly PromptRow[], results: readonly UpstreamResult[]): NewResult[] {
  const wanted = prompts.flatMap((prompt) => Array.from({ length: prompt.count }, () => prompt));
  const ids = results.map(({ id }) => id);
  return results.map(({ id, url }, position) => {
    // An id that several entries share identifies none of them.
    const ref = ids.indexOf(id) === ids.lastIndexOf(id) ? id : undefined;
    const { style = 'unknown', prompt = null } = wanted[position] ?? wanted.at(-1) ?? {};
    return { id: newId(), position, style, prompt, ref, url };
  });
}
