import type { IncomingHttpHeaders } from 'node:http';
/** The kinds of subject that a model can be trained for. */
export const avatarTypes = ['MAN', 'WOMAN', 'COUPLE', 'DOG', 'CAT'] as const;

/** One of {@link avatarTypes}. */
export type AvatarType = (typeof avatarTypes)[number];

/** A style of avatars. */
export interface ProviderStyle {
  /** The value for `style` in the prompts of `generateAvatars`. */
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** The URL of a picture in this style; absent if the provider publishes none. */
  readonly exampleUrl?: string;
}

/** When to poll a job: milliseconds after submission, then between polls. */
export interface PollPlan {
  readonly firstMs: number;
  readonly nextMs: number;
}

/** Durations in milliseconds between which those of jobs are assumed to be evenly distributed. */
export interface DocumentedDurations {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Limits and durations of a provider. Their sources are in the provider's folder. */
export interface ProviderFacts {
  /** The name that users see. */
  readonly displayName: string;
  readonly types: readonly AvatarType[];
  readonly styles: readonly ProviderStyle[];
  /** The style of prompts without one; null: each prompt must have a style. */
  readonly defaultStyle: string | null;
  readonly minPhotos: number;
  readonly maxPhotos: number;
  /** Maximum number of avatars of one generation, over all its prompts. */
  readonly maxAvatars: number;
  readonly trainingPoll: PollPlan;
  readonly generationPoll: PollPlan;
  /** How long a training and a generation take, until enough have been measured. */
  readonly trainingDuration: DocumentedDurations;
  readonly generationDuration: DocumentedDurations;
  /** How long after completion a result can be fetched, in milliseconds. */
  readonly resultTtlMs: number;
  /** How long after submission the upstream may still fetch the photos, in milliseconds. */
  readonly photoFetchMs: number;
  /** How long all polls of a job must be answered by 404 before it counts as lost, in milliseconds. */
  readonly lostAfterMs: number;
  /** How long a trained model is kept, in milliseconds. */
  readonly modelRetentionMs: number;
  /** The rate limit of the key, in requests per minute. */
  readonly requestsPerMinute: number;
  /** Whether generations from one photo, without training, are supported. */
  readonly instant: boolean;
}

/** Metadata of an answer; absent if the upstream did not send it. */
export interface UpstreamNotice {
  /** The upstream's id of the exchange, for support requests. */
  correlationId?: string;
  /** The HTTP status of an answer that is not an error. */
  httpStatus?: number;
  rateLimit?: { limit?: number; available?: number; resetSeconds?: number };
  creditsAvailable?: number;
}

/** The request of a training. */
export interface TrainRequest {
  type: AvatarType;
  /** Signed URLs that the upstream can fetch for at least `photoFetchMs`. */
  photoUrls: readonly string[];
}

/** The avatars to generate in one style. */
export interface ProviderPrompt {
  style: string;
  prompt?: string;
  count: number;
}

/** The request of a generation from a trained model. */
export interface GenerateRequest {
  modelRef: string;
  prompts: readonly ProviderPrompt[];
}

/** The request of a generation from one photo. */
export interface InstantRequest {
  photoUrl: string;
  prompt: string;
  negativePrompt?: string;
  count: number;
}

/** An accepted submission, with the upstream's id of the job. */
export interface Accepted {
  ref: string;
  notice: UpstreamNotice;
}

/** The state of a job upstream. `PENDING` until it is known to be running. */
export type UpstreamState =
  | { state: 'PENDING' | 'RUNNING'; progress?: number; word: string; known: boolean; notice: UpstreamNotice }
  | { state: 'DONE'; results: readonly UpstreamResult[]; notice: UpstreamNotice }
  | { state: 'FAILED'; code: UpstreamFailureCode; reason: string; notice: UpstreamNotice };

/** Why a job failed upstream. */
export type UpstreamFailureCode = 'UPSTREAM_FAILED' | 'PHOTO_INVALID';

/**
 * A finished picture. Results are in the order of the prompts, if the upstream keeps it; an entry that cannot be used
 * keeps its position.
 */
export interface UpstreamResult {
  /** The upstream's id of the picture, of at most 200 characters. */
  id?: string;
  /** An http or https URL of at most `maxUrlLength` characters (guard.ts); null if the entry has no such URL. */
  url: string | null;
}

/** The result of a check of the account; null where the answer does not state it. */
export interface AccountCheck {
  acceptsKey: boolean | null;
  credits: number | null;
}

/** The reference of a generation; `modelRef` is null for one from a photo. */
export interface GenerationRef {
  modelRef: string | null;
  ref: string;
}

/** Options of a call that costs nothing. */
export interface PollOptions {
  /**
   * Calls that wait for a connection are served in turn by group.
   * @defaultValue the name of the call
   */
  readonly group?: string;
  /** Called BEFORE the call is sent, when it no longer waits. */
  readonly onSend?: () => void;
}

/**
 * An avatar service. Each call is limited by `signal` and by the provider's time and size limits, of which the time begins
 * when the call is sent; calls that cost nothing may wait for a connection before, and end with {@link CallWithheld} if the
 * upstream requests a delay, or the call is aborted, meanwhile. It does not follow redirects, and throws only {@link UpstreamError}. Calls are not retried here; that is up to the caller.
 */
export interface AvatarProvider {
  /** Stored with each job; only this provider continues the job. */
  readonly name: string;
  /** Identifies the account that shares the limits, without revealing the key. */
  readonly account: string;
  readonly facts: ProviderFacts;
  /**
   * Draws the example picture of a style that has no `exampleUrl`: a JPEG that shows no person, free of charge, with
   * equal bytes in every process. Absent if the provider has no such pictures.
   */
  readonly drawExample?: (styleId: string) => Promise<Buffer>;
  /** Paid. */
  train(request: TrainRequest, signal: AbortSignal): Promise<Accepted>;
  training(ref: string, signal: AbortSignal, options?: PollOptions): Promise<UpstreamState>;
  /** Paid. */
  generate(request: GenerateRequest, signal: AbortSignal): Promise<Accepted>;
  /** Paid. */
  generateInstant(request: InstantRequest, signal: AbortSignal): Promise<Accepted>;
  generation(ref: GenerationRef, signal: AbortSignal, options?: PollOptions): Promise<UpstreamState>;
  /** Checks, free of charge, whether the account can be used. Never throws: without an answer, all results are null. */
  checkAccount(signal: AbortSignal): Promise<AccountCheck>;
  /** Whether a result URL's host is the provider's own and may be private (`PICSART_BASE_URL` on loopback). */
  trustsHost(hostname: string): boolean;
  /**
   * The upstream's id of an exchange in the headers of the answer to a download: printable, at most 200 characters.
   * Null if they have none.
   */
  correlationIdOf(headers: IncomingHttpHeaders): string | null;
  stop(): Promise<void>;
}

/**
 * The outcome of a failed call. For a paid call:
 * - `NOT_SENT`: certainly not executed, the upstream was unreachable; may be sent again
 * - `LATER`: certainly not executed, the upstream requested a delay; may be sent again after `retryAfterMs`
 * - `REFUSED`: certainly not executed, and will be refused again unless it changes
 * - `UNKNOWN`: may have been executed; must never be sent again automatically
 */
export type UpstreamOutcome = 'NOT_SENT' | 'LATER' | 'REFUSED' | 'UNKNOWN';

/**
 * Why an upstream refused, as a stable code. `UPSTREAM_CREDITS` and `UPSTREAM_AUTH` concern the account and not the
 * job; `FORBIDDEN` may concern either.
 */
export type UpstreamRefusal =
  | 'UPSTREAM_REJECTED'
  | 'UPSTREAM_CREDITS'
  | 'UPSTREAM_AUTH'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'PHOTO_UNREACHABLE';

/** The calls of a provider. */
export const callNames = [
  'train',
  'training',
  'generate',
  'generateInstant',
  'generation',
  'balance',
] as const;

/** One of {@link callNames}. */
export type CallName = (typeof callNames)[number];

/** How a call can end: with a usable answer, a refusal, or without one. */
export const callOutcomes = [
  'OK',
  'NOT_SENT',
  'LATER',
  'REFUSED',
  'UNKNOWN',
  'UPSTREAM_REJECTED',
  'UPSTREAM_CREDITS',
  'UPSTREAM_AUTH',
  'FORBIDDEN',
  'NOT_FOUND',
  'PHOTO_UNREACHABLE',
] as const satisfies readonly ('OK' | UpstreamOutcome | UpstreamRefusal)[];

/** One of {@link callOutcomes}. */
export type CallOutcome = (typeof callOutcomes)[number];

/** A call that has ended. */
export interface UpstreamCall {
  readonly call: CallName;
  readonly outcome: CallOutcome;
  readonly seconds: number;
}

/** The error that providers throw. The message contains no URL and no key. */
export class UpstreamError extends Error {
  readonly outcome: UpstreamOutcome;
  readonly status?: number;
  readonly refusal?: UpstreamRefusal;
  /** How long no process with this account may call. */
  readonly retryAfterMs?: number;
  /** The answer, cut to 8 kB, for the operator only. */
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
    // Not enumerable: loggers print enumerable fields of errors, and this may contain signed URLs.
    Object.defineProperty(this, 'evidence', { value: facts.evidence, enumerable: false });
    this.notice = facts.notice ?? {};
  }
}

/** The minimum pause after an answer that requests a delay, also for `Retry-After: 0`, in milliseconds. */
export const minPauseMs = 1_000;

/**
 * A call that cost nothing was not sent: while it waited for a connection, the upstream requested a delay, or the call was
 * aborted.
 */
export class CallWithheld extends UpstreamError {
  /** @param retryAfterMs - what is left of the requested delay; absent if none was requested */
  constructor(retryAfterMs?: number) {
    if (retryAfterMs === undefined) super('NOT_SENT', 'The call was aborted before it was sent.');
    else super('LATER', 'The upstream has requested a delay.', { retryAfterMs });
    this.name = 'CallWithheld';
  }
}
