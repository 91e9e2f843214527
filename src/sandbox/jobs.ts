/** How a job ends. All but `done` are only ever asked for by a fault; `image-not-valid` also by photos. */
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

/** When a job began and when it will be over, in Unix milliseconds: it goes on by the wall clock, also while nothing runs. */
export interface Times {
  readonly startedAtMs: number;
  readonly doneAtMs: number;
}

/** A training. */
export interface Model extends Times {
  readonly id: string;
  readonly outcome: Outcome;
  /** Names of the small copies that avatars are made from. */
  readonly pictures: readonly string[];
}

/** A generation, from a model or from one photo. */
export interface Generation extends Times {
  readonly id: string;
  /** Null for one from a photo, which has its own picture. */
  readonly modelId: string | null;
  readonly outcome: Outcome;
  readonly pictures: readonly string[];
  /** Cannot be guessed; part of the results' URLs. */
  readonly token: string;
  /** One entry an avatar, in the order of the prompts. */
  readonly avatars: readonly { readonly style: string; readonly prompt: string }[];
  /** Pixels of a side. */
  readonly size: number;
  readonly expiresAtMs: number;
}

/** What the sandbox's clock makes of the real service's times. */
export interface Tempo {
  readonly trainingMs: number;
  readonly generationMs: number;
  readonly resultTtlMs: number;
}

const minuteMs = 60_000;

/**
 * Picsart's times divided by the sandbox's speed: a training takes 20 minutes, results can be had for 48 hours (both
 * from Picsart's guide); a generation takes a minute (no figure is documented).
 */
export function tempoOf(speed: number): Tempo {
  return {
    trainingMs: (20 * minuteMs) / speed,
    generationMs: minuteMs / speed,
    resultTtlMs: (48 * 60 * minuteMs) / speed,
  };
}

/** The word that the wire carries, and progress while there is some. */
export interface Status {
  readonly status: 'ACCEPTED' | 'IN_PROGRESS' | 'DONE' | 'FAILED' | 'IMAGE_NOT_VALID';
  readonly progress?: number;
}

/** The first part of a job's time is spent in the queue. */
const queuedPart = 0.1;

/** Walks through ACCEPTED and IN_PROGRESS before the end, as the real service does. */
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

/** How many of the avatars asked for have a result. */
export function resultCount({ avatars, outcome }: Pick<Generation, 'avatars' | 'outcome'>): number {
  if (outcome === 'no-results') return 0;
  return outcome === 'fewer-results' ? avatars.length - 1 : avatars.length;
}
