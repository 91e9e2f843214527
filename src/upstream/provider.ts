/** The kinds of subject that a model can be trained for. */
export const avatarTypes = ['MAN', 'WOMAN', 'COUPLE', 'DOG', 'CAT'] as const;

/** One of {@link avatarTypes}. */
export type AvatarType = (typeof avatarTypes)[number];

/** A look that avatars can be asked for. */
export interface ProviderStyle {
  /** What `generateAvatars` takes as `style`. */
  readonly id: string;
  readonly name: string;
  readonly description: string;
}

/** When to ask for a job's state: milliseconds after submission, then between checks. */
export interface PollPlan {
  readonly firstMs: number;
  readonly nextMs: number;
}

/** What the gateway must know of a provider before it may call it. Sources stand in the provider's own folder. */
export interface ProviderFacts {
  readonly types: readonly AvatarType[];
  readonly styles: readonly ProviderStyle[];
  readonly minPhotos: number;
  readonly maxPhotos: number;
  /** The most avatars one generation may ask for, over all its prompts. */
  readonly maxAvatars: number;
  readonly trainingPoll: PollPlan;
  readonly generationPoll: PollPlan;
  /** A usual training's and generation's length, in milliseconds, until durations have been learned. */
  readonly typicalTrainingMs: number;
  readonly typicalGenerationMs: number;
  /** How long after completion a result can still be fetched, in milliseconds. */
  readonly resultTtlMs: number;
  /** How long after submission the upstream may still fetch the photos, in milliseconds. */
  readonly photoFetchMs: number;
  /** For how long a job must be answered by 404 alone before it counts as lost, in milliseconds. */
  readonly lostAfterMs: number;
  /** How long a trained model is kept, in milliseconds. */
  readonly modelRetentionMs: number;
  /** Requests a minute that the key may make in all. */
  readonly requestsPerMinute: number;
  /** Whether a generation from one photo, without training, is offered. */
  readonly instant: boolean;
}

/** What the upstream said of itself beside its answer; absent where it said nothing. */
export interface UpstreamNotice {
  /** The upstream's own id of the exchange, to be quoted to its support. */
  correlationId?: string;
  rateLimit?: { limit?: number; available?: number; resetSeconds?: number };
  creditsAvailable?: number;
}

/** One photo or several to train from. */
export interface TrainRequest {
  type: AvatarType;
  /** Signed URLs that the upstream can fetch for at least `photoFetchMs`. */
  photoUrls: readonly string[];
}

/** Avatars wanted in one style. */
export interface ProviderPrompt {
  style: string;
  prompt?: string;
  count: number;
}

/** What a generation needs; from a trained model. */
export interface GenerateRequest {
  modelRef: string;
  prompts: readonly ProviderPrompt[];
}

/** What a generation from one photo needs. */
export interface InstantRequest {
  photoUrl: string;
  prompt: string;
  negativePrompt?: string;
  count: number;
}

/** A submission that was accepted: the reference is all that the upstream will ever know it by. */
export interface Accepted {
  ref: string;
  notice: UpstreamNotice;
}

/** What a job is doing upstream. `PENDING` until something is known to run. */
export type UpstreamState =
  | { state: 'PENDING' | 'RUNNING'; progress?: number; word: string; known: boolean; notice: UpstreamNotice }
  | { state: 'DONE'; results: readonly UpstreamResult[]; notice: UpstreamNotice }
  | { state: 'FAILED'; code: UpstreamFailureCode; reason: string; notice: UpstreamNotice };

/** Why a job failed upstream. */
export type UpstreamFailureCode = 'UPSTREAM_FAILED' | 'PHOTO_INVALID';

/** A finished picture. The order is the order of the prompts asked for, where the upstream keeps one. */
export interface UpstreamResult {
  id?: string;
  /** An http or https URL of at most `maxUrlLength` characters (guard.ts). */
  url: string;
}

/** What a check of the account has shown; null where the answer does not say. */
export interface AccountCheck {
  acceptsKey: boolean | null;
  credits: number | null;
}

/** Which generation is asked for; `modelRef` is null for one from a photo. */
export interface GenerationRef {
  modelRef: string | null;
  ref: string;
}

/**
 * An avatar service. Each call is bounded by `signal` and by the provider's own time and size limits, refuses
 * redirects, and throws only {@link UpstreamError}. Nothing is retried in here: who calls decides.
 */
export interface AvatarProvider {
  /** Stored with each job: a job is only ever continued by the provider that has it. */
  readonly name: string;
  /** Names the account that limits are shared by, without giving the key away. */
  readonly account: string;
  readonly facts: ProviderFacts;
  /** Paid. */
  train(request: TrainRequest, signal: AbortSignal): Promise<Accepted>;
  training(ref: string, signal: AbortSignal): Promise<UpstreamState>;
  /** Paid. */
  generate(request: GenerateRequest, signal: AbortSignal): Promise<Accepted>;
  /** Paid. */
  generateInstant(request: InstantRequest, signal: AbortSignal): Promise<Accepted>;
  generation(ref: GenerationRef, signal: AbortSignal): Promise<UpstreamState>;
  /** Asks, free of charge, whether the account can be used. Never throws: no answer shows nothing. */
  checkAccount(signal: AbortSignal): Promise<AccountCheck>;
  /** Whether a result URL's host is the provider's own and may be private (`PICSART_BASE_URL` on loopback). */
  trustsHost(hostname: string): boolean;
  stop(): Promise<void>;
}

/**
 * What is known of a call that failed. For a paid call everything turns on it:
 * - `NOT_SENT`: surely not executed, the upstream could not be reached; may be sent again later
 * - `LATER`: surely not executed, the upstream said when to come back; may be sent again after `retryAfterMs`
 * - `REFUSED`: surely not executed, and will not be as it stands
 * - `UNKNOWN`: may have been executed; must never be sent again by itself
 */
export type UpstreamOutcome = 'NOT_SENT' | 'LATER' | 'REFUSED' | 'UNKNOWN';

/**
 * Why an upstream refused, as a stable code. `UPSTREAM_CREDITS` and `UPSTREAM_AUTH` concern the account and not the job;
 * of `FORBIDDEN` it is not known which of the two it concerns.
 */
export type UpstreamRefusal =
  | 'UPSTREAM_REJECTED'
  | 'UPSTREAM_CREDITS'
  | 'UPSTREAM_AUTH'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'PHOTO_UNREACHABLE';

/** The one error that providers throw. The message names no URL and no key. */
export class UpstreamError extends Error {
  readonly outcome: UpstreamOutcome;
  readonly status?: number;
  readonly refusal?: UpstreamRefusal;
  /** How long nobody who shares the account may call. */
  readonly retryAfterMs?: number;
  /** What came back, cut to 8 kB, for the operator's eyes only. */
  readonly evidence?: string;
  readonly notice: UpstreamNotice;

  constructor(
    outcome: UpstreamOutcome,
    message: string,
    facts: {
      status?: number;
      refusal?: UpstreamRefusal;
      retryAfterMs?: number;
      evidence?: string;
      notice?: UpstreamNotice;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: facts.cause });
    this.name = 'UpstreamError';
    this.outcome = outcome;
    this.status = facts.status;
    this.refusal = facts.refusal;
    this.retryAfterMs = facts.retryAfterMs;
    // Not enumerable: loggers print an error's own fields, and this may quote signed URLs.
    Object.defineProperty(this, 'evidence', { value: facts.evidence, enumerable: false });
    this.notice = facts.notice ?? {};
  }
}
