import type { Sql } from '../core/sql';
import { failure, type JobFailure } from '../jobs/failure';
import { JobSteps, type FoundResult, type Preparation } from '../jobs/job-steps';
import { isWatched } from '../jobs/late-watch';
import type { JobClass } from '../jobs/learned-durations';
import { continuedPace } from '../jobs/pace';
import type { PhotoEntity } from '../photos/photo.entity';
import type {
  AvatarProvider,
  PollOptions,
  PollPlan,
  UpstreamResult,
  UpstreamState,
} from '../upstream/provider';
import { avatarsFrom, orderOf, orderedPrompts } from './avatar-order';
import { expiryAfter, findFreePosition, insertAvatars } from './avatar-source.repository';
import type { GenerationEntity } from './generation.entity';
import { generationKind } from './generation.kind';
import { modelRefOf } from './generation.repository';

/** How often a row is processed while its pictures are fetched, in case its last avatar was deleted. */
const storingCheckMs = 30_000;
/** A limit above the largest possible generation. */
const maxResults = 1_000;

/** The minimum time for fetching pictures, as a share of their retention upstream: an hour of 48. */
const minFetchShare = 1 / 48;

/** The steps of a generation. */
export class GenerationSteps extends JobSteps<GenerationEntity> {
  readonly kind = generationKind;

  get retentionMs(): number {
    return this.deps.provider.facts.resultTtlMs;
  }

  protected get providerPlan(): PollPlan {
    return this.deps.provider.facts.generationPoll;
  }

  classOf({ provider, modelId, wanted }: GenerationEntity): JobClass {
    return { provider, work: 'GENERATION', type: modelId === null ? 'INSTANT' : 'TRAINED', size: wanted };
  }

  async prepare(row: GenerationEntity, attempt: number): Promise<Preparation> {
    const { provider, database } = this.deps;
    if (row.modelId === null) {
      return this.prepareWithPhotos(row, attempt, problemOf, ([photoUrl], signal) =>
        provider.generateInstant(instantRequest(row, photoUrl!), signal),
      );
    }
    const modelRef = await modelRefOf(database, row.modelId);
    const prompts = orderedPrompts(row).map(({ style, prompt, count }) => ({
      style,
      prompt: prompt ?? undefined,
      count,
    }));
    return { go: 'submit', call: (signal) => provider.generate({ modelRef: modelRef!, prompts }, signal) };
  }

  fetchesPhotos(row: GenerationEntity): boolean {
    return row.modelId === null;
  }

  async poll(row: GenerationEntity, signal: AbortSignal, options: PollOptions): Promise<UpstreamState> {
    const modelRef = row.modelId === null ? null : await modelRefOf(this.deps.database, row.modelId);
    return this.deps.provider.generation({ modelRef, ref: row.providerRef! }, signal, options);
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
    { results, note }: FoundResult,
  ): Promise<GenerationEntity | null> {
    const recorded = results.slice(0, maxResults);
    const expiresAt = await this.expiryOf(sql, row);
    const set = {
      status: 'STORING',
      ...this.finishedProgress(row),
      resultsExpireAt: expiresAt,
      ...this.kind.notEnded,
    };
    const storing = await this.moveFinished(sql, row, { set, dueInMs: storingCheckMs, note });
    if (!storing) return null;
    const isSurplus = recorded.length > orderOf(row).length;
    const freePosition = isSurplus ? await findFreePosition(sql, row) : row.wanted;
    await insertAvatars(sql, row, avatarsFrom(row, recorded, freePosition), {
      count: recorded.length,
      expiresAt,
    });
    // The photo of a failed attempt has been released already.
    if (!isWatched(row)) await this.ended(sql, storing);
    return storing;
  }

  /** What the upstream has finished is shown step by step while the first pictures are stored. */
  private finishedProgress(row: GenerationEntity): Pick<GenerationEntity, 'progress' | 'pace'> {
    const reached = 100 * this.kind.shareOfUpstream;
    if (!row.pace || isWatched(row)) return { progress: Math.max(row.progress, reached), pace: null };
    return continuedPace(this.kind, { ...row, pace: row.pace }, { reached }, this.deps.clock.nowMs());
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
}

function instantRequest(
  row: GenerationEntity,
  photoUrl: string,
): Parameters<AvatarProvider['generateInstant']>[0] {
  const { prompt, negativePrompt, count } = orderedPrompts(row)[0]!;
  return { photoUrl, prompt: prompt ?? '', negativePrompt: negativePrompt ?? undefined, count };
}

/** Why a generation cannot be submitted with this photo; null if it can. Nothing has been charged at this point. */
function problemOf([photo]: readonly PhotoEntity[]): JobFailure | null {
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
