import type { UpstreamNotice, UpstreamState } from '../provider';
import { mayMeanAccepted, readStatus, type StatusReading } from './status-words';
import { readJobReason, readProgress, readResults, statusValues, type Body } from './wire-format';

/**
 * What a 2xx answer says of a training. The status words decide; HTTP's 202 ("processing", as the sibling services use
 * it) counts only where the words leave it open. So `success` alone is the job's own word with a 200, also beside data
 * without a status: the vocabulary of 2026 has it for a finished job, and `processing` for one that is not.
 */
export function readTraining(body: Body, httpStatus: number, notice: UpstreamNotice): UpstreamState {
  const status = readJobStatus(body);
  if (status.meaning !== 'DONE') return unfinished(body, status, httpStatus, notice);
  const { word } = status;
  if (mayMeanAccepted(word) && (httpStatus === 202 || isPartial(body)))
    return { state: 'RUNNING', progress: readProgress(body), word, known: true, notice };
  return { state: 'DONE', results: [], notice };
}

/** The same of a generation, whose pictures stand in the answer. */
export function readGeneration(body: Body, httpStatus: number, notice: UpstreamNotice): UpstreamState {
  const results = readResults(body);
  const hasPictures = results !== null && results.length > 0;
  const status = readJobStatus(body, hasPictures);
  // A 200 with pictures and no word at all is how the sibling services answer when done.
  const isDone = status.isPresent ? status.meaning === 'DONE' : hasPictures && httpStatus === 200;
  if (!isDone) return unfinished(body, status, httpStatus, notice);
  const { word } = status;
  if (mayMeanAccepted(word) && results === null) return { state: 'RUNNING', word, known: true, notice };
  return { state: 'DONE', results: results ?? [], notice };
}

/** A figure below 100 contradicts a word that may be the envelope's. */
function isPartial(body: Body): boolean {
  return (readProgress(body) ?? 100) < 100;
}

/** The status of the job, from all status words of an answer. */
interface JobStatus extends StatusReading {
  /** Whether the answer has a status at all, if only one that cannot be read. */
  readonly isPresent: boolean;
}

/**
 * Since 2026 answers come in an envelope whose own `status` may say only that the call went well, with the job's status
 * below it. A job is DONE only if all words say so, and failed only if all of its own do. Every other mixture keeps it
 * running: a running job is asked again, and a failed one may be paid for again.
 *
 * @param hasPictures - pictures are listed: then a list entry that failed is a picture that failed, and not the job
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
  // Words that contradict each other are reported like one that is not in the table.
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

/** Everything but DONE. A word that is not in the table keeps the job running, and says so by `known`. */
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
