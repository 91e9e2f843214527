import type { UpstreamNotice, UpstreamState } from '../provider';
import { mayMeanAccepted, readStatus } from './status-words';
import { readProgress, readReason, readResults } from './wire-format';

type Body = Record<string, unknown>;

/**
 * What a 2xx answer says of a training. The body's word decides; HTTP's 202 ("processing", as the sibling services use
 * it) counts only where the word leaves it open.
 */
export function readTraining(body: Body, httpStatus: number, notice: UpstreamNotice): UpstreamState {
  const { word, meaning } = readStatus(body.status);
  if (meaning !== 'DONE') return readUnfinished(body, httpStatus, notice);
  if (mayMeanAccepted(word) && httpStatus === 202) return { state: 'RUNNING', word, known: true, notice };
  return { state: 'DONE', results: [], notice };
}

/** The same of a generation, whose pictures stand in the answer. */
export function readGeneration(body: Body, httpStatus: number, notice: UpstreamNotice): UpstreamState {
  const { word, meaning } = readStatus(body.status);
  const results = readResults(body);
  if (isWordlessResult(body, httpStatus) && results?.length) return { state: 'DONE', results, notice };
  if (meaning !== 'DONE') return readUnfinished(body, httpStatus, notice);
  if (mayMeanAccepted(word) && results === null) return { state: 'RUNNING', word, known: true, notice };
  return { state: 'DONE', results: results ?? [], notice };
}

/** A 200 with pictures and no word at all, as the sibling services answer when done. */
function isWordlessResult(body: Body, httpStatus: number): boolean {
  return (body.status ?? null) === null && httpStatus === 200;
}

/** Everything but DONE. A word that nobody knows keeps the job running, and says so by `known`. */
function readUnfinished(body: Body, httpStatus: number, notice: UpstreamNotice): UpstreamState {
  const { word, meaning, progress = readProgress(body) } = readStatus(body.status);
  if (meaning === 'FAILED' || meaning === 'IMAGE_NOT_VALID') {
    const { code, fallback } = failures[meaning];
    return { state: 'FAILED', code, reason: readReason(body) ?? fallback, notice };
  }
  const known = meaning !== undefined || (word === '' && httpStatus === 202);
  return { state: meaning === 'PENDING' ? 'PENDING' : 'RUNNING', progress, word, known, notice };
}

const failures = {
  FAILED: { code: 'UPSTREAM_FAILED', fallback: 'The upstream gave no reason.' },
  IMAGE_NOT_VALID: { code: 'PHOTO_INVALID', fallback: 'The upstream could not use a photo.' },
} as const;
