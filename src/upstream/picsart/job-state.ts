import type { UpstreamNotice, UpstreamState } from '../provider';
import { type Body, readJobReason, readProgress, readResults, statusValues } from './wire-format';

/** The meaning of a status word for the job. */
export type StatusMeaning = 'PENDING' | 'RUNNING' | 'DONE' | 'FAILED' | 'IMAGE_NOT_VALID';

/**
 * All known status words of Picsart's services, normalized by {@link normalisedWord}. Sources: the avatar pages
 * (ACCEPTED, IN_PROGRESS, DONE, FAILED, IMAGE_NOT_VALID), the official SDKs (FINISHED, "in progress", queued) and
 * the vocabulary of 2026 (success, error, processing).
 */
const meanings: ReadonlyMap<string, StatusMeaning> = new Map([
  ['accepted', 'PENDING'],
  ['queued', 'PENDING'],
  ['starting', 'PENDING'],
  ['in_progress', 'RUNNING'],
  ['processing', 'RUNNING'],
  ['done', 'DONE'],
  ['finished', 'DONE'],
  ['completed', 'DONE'],
  ['success', 'DONE'],
  ['failed', 'FAILED'],
  ['error', 'FAILED'],
  ['image_not_valid', 'IMAGE_NOT_VALID'],
]);

/** A parsed status. */
export interface StatusReading {
  /** Normalized, at most 64 characters; empty if there was none. */
  readonly word: string;
  /** Undefined for an unknown word. */
  readonly meaning?: StatusMeaning;
  /** In percent, if the status contains it: according to the guide it "will show the current progress". */
  readonly progress?: number;
}

/** Parses the `status` of a body, of any type. */
export function readStatus(status: unknown): StatusReading {
  if (typeof status === 'number') return progressReading(String(status), status);
  if (typeof status !== 'string') return { word: '' };
  const word = normalisedWord(status);
  const percent = /^(\d{1,3}(?:\.\d+)?)_?%?$/.exec(word);
  if (percent) return progressReading(word, Number(percent[1]));
  return { word, meaning: meanings.get(word) };
}

/**
 * Whether the word may mean "accepted" instead of DONE: since 2026 a submission is also answered by `success`, so an
 * answer with it, an id and no data does not prove that the job has finished.
 */
function mayMeanAccepted(word: string): boolean {
  return word === 'success';
}

function progressReading(word: string, percent: number): StatusReading {
  return percent >= 0 && percent <= 100 ? { word, meaning: 'RUNNING', progress: percent } : { word };
}

/** Lower case, with `_` for spaces and hyphens: "In Progress" and IN-PROGRESS are the same word. */
function normalisedWord(status: string): string {
  return status
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '_')
    .replace(/[^\p{L}\p{N}_.%]/gu, '')
    .slice(0, 64);
}

/**
 * Reads the state of a training from a 2xx answer. The status words decide; HTTP 202 ("processing" in related
 * services) counts only if they are ambiguous. So `success` alone is the status of the job with a 200, also next to
 * data without a status: in the vocabulary of 2026 it means a finished job, and `processing` an unfinished one.
 */
export function readTraining(body: Body, httpStatus: number, notice: UpstreamNotice): UpstreamState {
  const status = readJobStatus(body);
  if (status.meaning !== 'DONE') return unfinished(body, status, httpStatus, notice);
  const { word } = status;
  if (mayMeanAccepted(word) && (httpStatus === 202 || isPartial(body)))
    return { state: 'RUNNING', progress: readProgress(body), word, known: true, notice };
  return { state: 'DONE', results: [], notice };
}

/** Reads the state of a generation, whose pictures are in the answer. */
export function readGeneration(body: Body, httpStatus: number, notice: UpstreamNotice): UpstreamState {
  const results = readResults(body);
  const hasPictures = results?.some(({ url }) => url !== null) === true;
  const status = readJobStatus(body, hasPictures);
  // Related services answer a finished job with 200 and pictures, without a status.
  const isDone = status.isPresent ? status.meaning === 'DONE' : hasPictures && httpStatus === 200;
  if (!isDone) return unfinished(body, status, httpStatus, notice);
  const { word } = status;
  if (mayMeanAccepted(word) && results === null) return { state: 'RUNNING', word, known: true, notice };
  return { state: 'DONE', results: results ?? [], notice };
}

/** A progress below 100 contradicts a status that may be the envelope's. */
function isPartial(body: Body): boolean {
  return (readProgress(body) ?? 100) < 100;
}

/** The status of the job, from all status words of an answer. */
interface JobStatus extends StatusReading {
  /** Whether the answer has a status, including an unreadable one. */
  readonly isPresent: boolean;
}

/**
 * Since 2026 answers have an envelope whose own `status` may only state that the call succeeded, with the job's
 * status below it. A job is DONE only if all words mean that, and FAILED only if all of its own do. Every other
 * combination keeps it running: a running job is polled again, whereas a failed one may be paid for again.
 *
 * @param hasPictures - whether pictures are listed; a failed list entry is then a failed picture, not a failed job
 */
function readJobStatus(body: Body, hasPictures = false): JobStatus {
  const { envelope, own, entries } = statusValues(body);
  const ofEntries = readAll(entries).filter((one) => (hasPictures ? isUnfinished(one) : !isDone(one)));
  const inner = [...readAll(own), ...ofEntries];
  const top = readAll([envelope]);
  return combine(inner.every(isDone) || !top.every(isDone) ? [...top, ...inner] : inner);
}

function combine(words: readonly StatusReading[]): JobStatus {
  if (words.length === 0) return { word: '', isPresent: false };
  if (words.every(isDone)) {
    const explicit = words.find(({ word }) => !mayMeanAccepted(word));
    return { ...(explicit ?? words[0]!), isPresent: true };
  }
  const failed = words.filter(isFailure);
  if (failed.length === words.length) {
    const precise = failed.find(({ meaning }) => meaning === 'IMAGE_NOT_VALID');
    return { ...(precise ?? failed[0]!), isPresent: true };
  }
  // Contradictory words are reported like an unknown one.
  if (failed.length > 0) return { word: joined(words), isPresent: true };
  const open = words.find(({ meaning }) => meaning === undefined) ?? words.find((one) => !isDone(one));
  return { ...open!, isPresent: true };
}

function readAll(values: readonly unknown[]): StatusReading[] {
  return values.filter((value) => value !== undefined && value !== null && value !== '').map(readStatus);
}

function isDone({ meaning }: StatusReading): boolean {
  return meaning === 'DONE';
}

function isUnfinished({ meaning }: StatusReading): boolean {
  return meaning === 'PENDING' || meaning === 'RUNNING';
}

function isFailure({ meaning }: StatusReading): boolean {
  return meaning === 'FAILED' || meaning === 'IMAGE_NOT_VALID';
}

function joined(words: readonly StatusReading[]): string {
  return [...new Set(words.map(({ word }) => word))].join('+').slice(0, 64);
}

/** The state of an unfinished job. An unknown status word keeps it running, with `known: false`. */
function unfinished(
  body: Body,
  status: JobStatus,
  httpStatus: number,
  notice: UpstreamNotice,
): UpstreamState {
  const { word, meaning, isPresent, progress = readProgress(body) } = status;
  if (meaning === 'FAILED' || meaning === 'IMAGE_NOT_VALID') {
    const { code, fallback } = failures[meaning];
    return { state: 'FAILED', code, reason: readJobReason(body) ?? fallback, notice };
  }
  const known = meaning !== undefined || (!isPresent && httpStatus === 202);
  return { state: meaning === 'PENDING' ? 'PENDING' : 'RUNNING', progress, word, known, notice };
}

const failures = {
  FAILED: { code: 'UPSTREAM_FAILED', fallback: 'The upstream gave no reason.' },
  IMAGE_NOT_VALID: { code: 'PHOTO_INVALID', fallback: 'The upstream could not use a photo.' },
} as const;
