import type { Sql } from '../core/sql';
import type { PollAnswer } from '../jobs/poll-effect';
import { pollNote } from '../jobs/poll-note';
import { addCall } from '../jobs/timeline.repository';
import type { UpstreamBudget } from '../upstream/budget.repository';
import {
  CallWithheld,
  UpstreamError,
  type AvatarProvider,
  type GenerationRef,
  type UpstreamResult,
} from '../upstream/provider';
import { findSource, listRecordedAvatars, storeUrls, type RecordedAvatar } from './avatar-source.repository';
import type { AvatarEntity } from './avatar.entity';
import { generationKind } from './generation.kind';

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
export type FailedAvatar = Pick<AvatarEntity, 'id' | 'generationId' | 'providerRef' | 'sourceUrlAt'>;

/** Refreshes wait for a connection in turn with the polls, not behind them. */
const group = 'refresh';

/** Requests fresh URLs of finished pictures, with one call for all pictures of an attempt. */
export class ResultUrls {
  /** Calls in progress, by generation and attempt: pictures that fail concurrently share a call. */
  private readonly calls = new Map<string, Promise<Answers>>();

  constructor(
    private readonly sql: Sql,
    private readonly provider: AvatarProvider,
    private readonly budget: Pick<UpstreamBudget, 'take' | 'release' | 'pause' | 'answered' | 'failed'>,
  ) {}

  /**
   * Requests a newer URL for a picture, and for all unfinished pictures of its attempt.
   * @param signal - ends the call, with `unknown`; a call in progress has that of its first picture
   */
  async refresh(picture: FailedAvatar, signal: AbortSignal): Promise<UrlAnswer> {
    const key = `${picture.generationId} ${picture.providerRef ?? ''}`;
    const call = this.calls.get(key) ?? this.request(picture, signal).finally(() => this.calls.delete(key));
    this.calls.set(key, call);
    const answers = await call;
    return typeof answers === 'string' ? answers : (answers.get(picture.id) ?? 'unknown');
  }

  private async request(picture: FailedAvatar, signal: AbortSignal): Promise<Answers> {
    const { budget, provider, sql } = this;
    const source = await findSource(sql, picture);
    if (source?.isNewer) return 'fresh';
    if (source?.providerRef == null || source.provider !== provider.name) return 'gone';
    const { granted, isTrial } = await budget.take('poll', 1);
    if (granted === 0) return 'unknown';
    const ref = { modelRef: source.modelRef, ref: source.providerRef };
    const results = await this.resultsOf(picture.generationId, ref, { signal, isTrial });
    return typeof results === 'string' ? results : this.keep(picture.generationId, ref, results);
  }

  private async resultsOf(
    jobId: string,
    ref: GenerationRef,
    { signal, isTrial }: { readonly signal: AbortSignal; readonly isTrial: boolean },
  ): Promise<readonly UpstreamResult[] | UrlAnswer> {
    const { budget, provider } = this;
    let startedMs = performance.now();
    const onSend = (): void => void (startedMs = performance.now());
    const record = (answer: PollAnswer): Promise<void> =>
      addCall(this.sql, generationKind, jobId, pollNote({ polls: 0 }, answer, performance.now() - startedMs));
    try {
      const answer = await provider.generation(ref, signal, { group, onSend });
      await record(answer);
      await budget.answered('poll', answer.notice);
      return answer.state === 'DONE' ? answer.results : 'unknown';
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (error instanceof CallWithheld) await budget.release('poll', 1, isTrial);
      // An error of a call that was aborted by a stop is no evidence about the picture or the upstream.
      if (signal.aborted) return 'unknown';
      if (!(error instanceof CallWithheld)) await record(error);
      await this.recordUpstreamHealth(jobId, error);
      return error.refusal === 'NOT_FOUND' ? 'gone' : 'unknown';
    }
  }

  private async recordUpstreamHealth(jobId: string, error: UpstreamError): Promise<void> {
    const { budget } = this;
    if (error.outcome === 'LATER') await budget.pause(error.retryAfterMs ?? 0);
    else if (error.outcome === 'REFUSED') await budget.answered('poll', error.notice);
    else await budget.failed('poll', [{ jobId, isUnreachable: error.status === undefined }]);
  }

  /** Stores the URLs of the pictures that are found in the answer. */
  private async keep(
    generationId: string,
    { ref }: GenerationRef,
    results: readonly UpstreamResult[],
  ): Promise<Answers> {
    const { sql } = this;
    const rows = await listRecordedAvatars(sql, generationId, ref);
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

/**
 * Finds the entry of each recorded picture in a later answer of the upstream. An entry is a picture's own
 * - if it has the picture's id, or, where one of them has no id,
 * - if its URL differs from the picture's only in the query, or
 * - if it has the picture's index in an answer with as many entries as the first one, in which no id and no URL
 *   is at another index.
 *
 * An answer with fewer or more entries does not show by index which ones it lacks: it may have dropped any entry,
 * and a picture would be stored twice and another one never. Its entries are used only by id and URL.
 *
 * @param count - the number of entries of the first answer; deleted pictures are not in `pictures`
 * @returns for each picture the entry's URL; null if the upstream has no usable URL for it; undefined if the answer
 * does not show which entry is the picture's
 */
function matchResults(
  pictures: readonly RecordedAvatar[],
  results: readonly UpstreamResult[],
  count: number,
): (string | null | undefined)[] {
  const refs = pictures.map(({ resultRef }) => resultRef);
  const ids = results.map(({ id }) => id ?? null);
  const byId = pair(refs, ids);
  const byUrl = pair(
    pictures.map(({ sourceUrl }) => withoutQuery(sourceUrl)),
    results.map(({ url }) => withoutQuery(url)),
  );
  const identified = pictures.map((_, row) => byId[row] ?? byUrl[row]);
  const isInOrder =
    results.length === count && pictures.every(({ index }, row) => (identified[row] ?? index) === index);
  // A picture that is missing although the answer has ids, or is empty, does not exist upstream.
  const absent = (ref: string | null): null | undefined =>
    ids.every((id) => id !== null) && (ref === null ? results.length === 0 : !ids.includes(ref))
      ? null
      : undefined;
  return pictures.map(({ index, resultRef }, row) => {
    const entry = identified[row] ?? (isInOrder ? index : results.length);
    const result = results[entry];
    const isSameUrl = byUrl[row] === entry;
    const isOwn = result && isIdOf(result.id, { ref: resultRef, refs, isSameUrl });
    return isOwn ? result.url : absent(resultRef);
  });
}

/**
 * Whether an entry with this id may be a picture's: it is the picture's id, or neither the picture's nor another one's
 * is known. A picture with an id is found in an entry without one by its URL only.
 */
function isIdOf(
  id: string | undefined,
  known: { ref: string | null; refs: readonly (string | null)[]; isSameUrl: boolean },
): boolean {
  if (known.ref === null) return id === undefined || !known.refs.includes(id);
  return id === undefined ? known.isSameUrl : id === known.ref;
}

/** For each key of a picture the index of the result with this key, if no other picture and no other result has it. */
function pair(
  pictures: readonly (string | null)[],
  results: readonly (string | null)[],
): (number | undefined)[] {
  const indexes = indexOnce(results);
  const own = indexOnce(pictures);
  return pictures.map((key) => (key !== null && own.has(key) ? indexes.get(key) : undefined));
}

function indexOnce(keys: readonly (string | null)[]): Map<string, number> {
  const indexes = new Map<string, number>();
  const repeated = new Set<string>();
  keys.forEach((key, index) => {
    if (key === null) return;
    if (indexes.has(key)) repeated.add(key);
    indexes.set(key, index);
  });
  for (const key of repeated) indexes.delete(key);
  return indexes;
}

function withoutQuery(url: string | null): string | null {
  if (url === null || !URL.canParse(url)) return null;
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
