/** How a job ends. Outcomes other than `done` result from faults, and `image-not-valid` also from invalid photos. */
export const outcomes = [
  'done',
  'failed',
  'image-not-valid',
  'never-done',
  'fewer-results',
  'no-results',
] as const;

/** One of {@link outcomes}. */
export type Outcome = (typeof outcomes)[number];

/** Start and end of a job in Unix milliseconds. Jobs progress with the wall clock, also while the sandbox is stopped. */
export interface Times {
  readonly startedAtMs: number;
  readonly doneAtMs: number;
}

/** A training. */
export interface Model extends Times {
  readonly id: string;
  readonly outcome: Outcome;
  /** Names of the reduced photos from which avatars are made. */
  readonly pictures: readonly string[];
}

/** A generation, from a model or from one photo. */
export interface Generation extends Times {
  readonly id: string;
  /** Null for a generation from one photo, which has its own picture. */
  readonly modelId: string | null;
  readonly outcome: Outcome;
  readonly pictures: readonly string[];
  /** A random part of the results' URLs. */
  readonly token: string;
  /** One entry per avatar, in the order of the prompts. */
  readonly avatars: readonly { readonly style: string; readonly prompt: string }[];
  /** Pixels of a side. */
  readonly size: number;
  readonly expiresAtMs: number;
}

/** Durations at the speed of the sandbox. */
export interface Tempo {
  readonly trainingMs: number;
  readonly generationMs: number;
  readonly resultTtlMs: number;
}

const minuteMs = 60_000;

/**
 * Picsart's durations divided by the speed of the sandbox. According to Picsart's guide a training takes 20 minutes and
 * results are available for 48 hours. The duration of a generation is not documented; one minute is assumed.
 */
export function tempoOf(speed: number): Tempo {
  return {
    trainingMs: (20 * minuteMs) / speed,
    generationMs: minuteMs / speed,
    resultTtlMs: (48 * 60 * minuteMs) / speed,
  };
}

/** The status and the progress as sent to the caller. */
export interface Status {
  readonly status: 'ACCEPTED' | 'IN_PROGRESS' | 'DONE' | 'FAILED' | 'IMAGE_NOT_VALID';
  readonly progress?: number;
}

/** The part of a job's duration in which it is queued. */
const queuedPart = 0.1;

/** The status at a time: ACCEPTED, then IN_PROGRESS, then the final status, as with the real service. */
export function statusAt(
  { startedAtMs, doneAtMs, outcome }: Times & { outcome: Outcome },
  nowMs: number,
): Status {
  const part = (nowMs - startedAtMs) / Math.max(1, doneAtMs - startedAtMs);
  if (part < queuedPart) return { status: 'ACCEPTED' };
  const progress = Math.max(1, Math.min(99, Math.floor(((part - queuedPart) / (1 - queuedPart)) * 100)));
  if (part < 1 || outcome === 'never-done') return { status: 'IN_PROGRESS', progress };
  if (outcome === 'failed') return { status: 'FAILED' };
  return { status: outcome === 'image-not-valid' ? 'IMAGE_NOT_VALID' : 'DONE' };
}

/** The number of avatars that have a result. */
export function resultCount({ avatars, outcome }: Pick<Generation, 'avatars' | 'outcome'>): number {
  if (outcome === 'no-results') return 0;
  return outcome === 'fewer-results' ? avatars.length - 1 : avatars.length;
}
