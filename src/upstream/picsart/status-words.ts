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
export function mayMeanAccepted(word: string): boolean {
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
