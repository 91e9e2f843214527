import { z } from 'zod';

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

/** What trainings and generations have, in the saved state. */
const job = {
  id: z.string(),
  outcome: z.enum(outcomes),
  /** Names of the reduced photos from which avatars are made; empty for a generation from a model. */
  pictures: z.array(z.string()),
  /** Unix milliseconds. Jobs progress with the wall clock, also while the sandbox is stopped. */
  startedAtMs: z.number(),
  doneAtMs: z.number(),
};

/** A training, as it is saved. */
export const modelSchema = z.object(job);

/** A training. */
export type Model = z.infer<typeof modelSchema>;

/** A generation, as it is saved. */
export const generationSchema = z.object({
  ...job,
  /** Null for a generation from one photo, which has its own picture. */
  modelId: z.string().nullable(),
  /** A random part of the results' URLs. */
  token: z.string(),
  /** One entry per avatar, in the order of the prompts. */
  avatars: z.array(z.object({ style: z.string(), prompt: z.string() })),
  /** Pixels of a side. */
  size: z.number(),
  expiresAtMs: z.number(),
});

/** A generation, from a model or from one photo. */
export type Generation = z.infer<typeof generationSchema>;

/** Durations at the speed of the sandbox, in milliseconds. */
export type Tempo = Readonly<Record<'trainingMs' | 'generationMs' | 'resultTtlMs', number>>;

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

/** The messages of jobs that failed. */
export const failureMessages: Readonly<Partial<Record<Status['status'], string>>> = {
  FAILED: 'The job failed because of a configured fault.',
  IMAGE_NOT_VALID: 'At least one image is not valid.',
};

/** The part of a job's duration in which it is queued. */
const queuedPart = 0.1;

/** The status at a time: ACCEPTED, then IN_PROGRESS, then the final status, as with the real service. */
export function statusAt(
  { startedAtMs, doneAtMs, outcome }: Pick<Model, 'startedAtMs' | 'doneAtMs' | 'outcome'>,
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
