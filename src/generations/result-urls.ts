import type { Sql } from '../core/sql';
import type { UpstreamBudget } from '../upstream/budget';
import { UpstreamError, type AvatarProvider, type GenerationRef } from '../upstream/provider';
import type { AvatarEntity } from './avatar.entity';

export interface ResultUrlsDeps {
  sql: Sql;
  provider: AvatarProvider;
  budget: Pick<UpstreamBudget, 'take' | 'pause'>;
  timeoutMs: number;
}

/**
 * The result of {@link ResultUrls.refresh}.
 * - `fresh`: the row has a URL that is newer than the caller's
 * - `gone`: the upstream answered, and does not have the picture
 * - `unknown`: the upstream did not answer, or the request budget is spent
 */
export type UrlAnswer = 'fresh' | 'gone' | 'unknown';

/** The URLs of a generation's pictures by position, or why there are none. */
type Urls = readonly string[] | UrlAnswer;

/** The columns of a generation that a poll needs. */
interface AskedGeneration {
  provider: string;
  provider_ref: string | null;
  model_ref: string | null;
  is_newer: boolean;
}

/** A claimed picture whose URL does not work. */
export type FailedPicture = Pick<AvatarEntity, 'id' | 'generationId' | 'position' | 'sourceUrlAt'>;

/** Requests fresh URLs of finished pictures, with one call for all pictures of a generation. */
export class ResultUrls {
  /** Calls in progress, by generation: pictures that fail concurrently share a call. */
  private readonly calls = new Map<string, Promise<Urls>>();

  constructor(private readonly deps: ResultUrlsDeps) {}

  /** Requests a newer URL for a picture, and for all unfinished pictures of its generation. */
  async refresh(picture: FailedPicture): Promise<UrlAnswer> {
    const { generationId, position } = picture;
    const call =
      this.calls.get(generationId) ?? this.ask(picture).finally(() => this.calls.delete(generationId));
    this.calls.set(generationId, call);
    const urls = await call;
    if (typeof urls === 'string') return urls;
    return urls[position] === undefined ? 'gone' : 'fresh';
  }

  private async ask({ id, generationId, sourceUrlAt }: FailedPicture): Promise<Urls> {
    const { budget, provider, sql } = this.deps;
    const [generation] = await sql.rows<AskedGeneration>(
      `SELECT g.provider, g.provider_ref, m.provider_ref AS model_ref,
              a.source_url IS NOT NULL AND date_trunc('milliseconds', a.source_url_at) > $2 AS is_newer
         FROM avatars a JOIN generations g ON g.id = a.generation_id LEFT JOIN models m ON m.id = g.model_id
        WHERE a.id = $1`,
      [id, sourceUrlAt],
    );
    if (generation?.is_newer) return 'fresh';
    if (generation?.provider_ref == null || generation.provider !== provider.name) return 'gone';
    const { granted } = await budget.take('poll', 1);
    if (granted === 0) return 'unknown';
    const urls = await this.urlsOf({ modelRef: generation.model_ref, ref: generation.provider_ref });
    if (typeof urls !== 'string') await this.keep(generationId, urls);
    return urls;
  }

  private async urlsOf(ref: GenerationRef): Promise<Urls> {
    const { budget, provider, timeoutMs } = this.deps;
    try {
      const answer = await provider.generation(ref, AbortSignal.timeout(timeoutMs));
      return answer.state === 'DONE' ? answer.results.map(({ url }) => url) : 'unknown';
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (error.outcome === 'LATER') await budget.pause(error.retryAfterMs ?? 0);
      return error.refusal === 'NOT_FOUND' ? 'gone' : 'unknown';
    }
  }

  private async keep(generationId: string, urls: readonly string[]): Promise<void> {
    await this.deps.sql.rows(
      `UPDATE avatars a SET source_url = fresh.url, source_url_at = now()
         FROM unnest($2::text[]) WITH ORDINALITY AS fresh (url, number)
        WHERE a.generation_id = $1 AND a.position = fresh.number - 1 AND a.due_at IS NOT NULL`,
      [generationId, urls],
    );
  }
}
