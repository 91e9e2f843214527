import type { Sql } from '../core/sql';
import type { UpstreamBudget } from '../upstream/budget.repository';
import {
  UpstreamError,
  type AvatarProvider,
  type GenerationRef,
  type UpstreamResult,
} from '../upstream/provider';
import type { AvatarEntity } from './avatar.entity';
import { matchResults } from './result-matching';
import { findSource, listResults, storeUrls } from './result.repository';

export interface ResultUrlsDeps {
  sql: Sql;
  provider: AvatarProvider;
  budget: Pick<UpstreamBudget, 'take' | 'pause' | 'answered' | 'failed'>;
  timeoutMs: number;
}

/**
 * The result of {@link ResultUrls.refresh}.
 * - `fresh`: the row has a URL that is newer than the caller's
 * - `gone`: the upstream answered, and has no usable URL of the picture
 * - `unknown`: the upstream did not answer, its answer does not show which URL is the picture's, or the request budget
 *   is spent
 */
export type UrlAnswer = 'fresh' | 'gone' | 'unknown';

/** The answer for each unfinished picture of a generation by id, or the same for all. */
type Answers = ReadonlyMap<string, UrlAnswer> | UrlAnswer;

/** A claimed picture whose URL does not work. */
export type FailedPicture = Pick<AvatarEntity, 'id' | 'generationId' | 'sourceUrlAt'>;

/** Requests fresh URLs of finished pictures, with one call for all pictures of a generation. */
export class ResultUrls {
  /** Calls in progress, by generation: pictures that fail concurrently share a call. */
  private readonly calls = new Map<string, Promise<Answers>>();

  constructor(private readonly deps: ResultUrlsDeps) {}

  /** Requests a newer URL for a picture, and for all unfinished pictures of its generation. */
  async refresh(picture: FailedPicture): Promise<UrlAnswer> {
    const { id, generationId } = picture;
    const call =
      this.calls.get(generationId) ?? this.request(picture).finally(() => this.calls.delete(generationId));
    this.calls.set(generationId, call);
    const answers = await call;
    return typeof answers === 'string' ? answers : (answers.get(id) ?? 'unknown');
  }

  private async request(picture: FailedPicture): Promise<Answers> {
    const { budget, provider, sql } = this.deps;
    const source = await findSource(sql, picture);
    if (source?.isNewer) return 'fresh';
    if (source?.providerRef == null || source.provider !== provider.name) return 'gone';
    const { granted } = await budget.take('poll', 1);
    if (granted === 0) return 'unknown';
    const ref = { modelRef: source.modelRef, ref: source.providerRef };
    const results = await this.resultsOf(picture.generationId, ref);
    return typeof results === 'string' ? results : this.keep(picture.generationId, ref, results);
  }

  private async resultsOf(jobId: string, ref: GenerationRef): Promise<readonly UpstreamResult[] | UrlAnswer> {
    const { budget, provider, timeoutMs } = this.deps;
    try {
      const answer = await provider.generation(ref, AbortSignal.timeout(timeoutMs));
      await budget.answered('poll', answer.notice);
      return answer.state === 'DONE' ? answer.results : 'unknown';
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (error.outcome === 'LATER') await budget.pause(error.retryAfterMs ?? 0);
      else if (error.outcome === 'REFUSED') await budget.answered('poll', error.notice);
      else await budget.failed('poll', [{ jobId, isUnreachable: error.status === undefined }]);
      return error.refusal === 'NOT_FOUND' ? 'gone' : 'unknown';
    }
  }

  /** Stores the URLs of the pictures that are found in the answer. */
  private async keep(
    generationId: string,
    { ref }: GenerationRef,
    results: readonly UpstreamResult[],
  ): Promise<Answers> {
    const { sql } = this.deps;
    const rows = await listResults(sql, generationId, ref);
    const urls = matchResults(rows, results, rows[0]?.count ?? 0);
    const fresh = rows.flatMap(({ id }, index) => (urls[index] ? [{ id, url: urls[index] }] : []));
    await storeUrls(sql, fresh);
    return new Map(rows.map(({ id }, index) => [id, answerOf(urls[index])]));
  }
}

function answerOf(url: string | null | undefined): UrlAnswer {
  if (url === undefined) return 'unknown';
  return url === null ? 'gone' : 'fresh';
}
