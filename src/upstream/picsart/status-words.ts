/** What a status word means for the job. */
export type StatusMeaning = 'PENDING' | 'RUNNING' | 'DONE' | 'FAILED' | 'IMAGE_NOT_VALID';

/**
 * Every word that Picsart's services have been seen to use, normalised by {@link normalisedWord}. Sources: the avatar
 * pages (ACCEPTED, IN_PROGRESS, DONE, FAILED, IMAGE_NOT_VALID), the official SDKs (FINISHED, "in progress", queued) and
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

/** A status as it was read. */
export interface StatusReading {
  /** Normalised, at most 64 characters; empty if there was none. */
  readonly word: string;
  /** Undefined for a word that the table does not know. */
  readonly meaning?: StatusMeaning;
  /** In percent, where the status itself holds it: the guide says that it "will show the current progress". */
  readonly progress?: number;
}

/** Reads a body's `status`, whatever type it has. */
export function readStatus(status: unknown): StatusReading {
  if (typeof status === 'number') return progressReading(String(status), status);
  if (typeof status !== 'string') return { word: '' };
  const word = normalisedWord(status);
  const percent = /^(\d{1,3}(?:\.\d+)?)_?%?$/.exec(word);
  if (percent) return progressReading(word, Number(percent[1]));
  return { word, meaning: meanings.get(word) };
}

/**
 * Whether `success` alone may stand for this word's DONE: since 2026 a submission is answered by `success` too, so with
 * an id and no data it says "accepted" and not "finished".
 */
export function mayMeanAccepted(word: string): boolean {
  return word === 'success';
}

function progressReading(word: string, percent: number): StatusReading {
  return percent >= 0 && percent <= 100 ? { word, meaning: 'RUNNING', progress: percent } : { word };
}

/** Lower case, with `_` for spaces and hyphens: "In Progress" and IN-PROGRESS are one word. */
function normalisedWord(status: string): string {
  return status
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '_')
    .replace(/[^\p{L}\p{N}_.%]/gu, '')
    .slice(0, 64);
}
