import { newId } from '../../src/core/ids';
import { picsartFacts } from '../../src/upstream/picsart/facts';
import {
  UpstreamError,
  type Accepted,
  type AccountCheck,
  type AvatarProvider,
  type GenerateRequest,
  type GenerationRef,
  type InstantRequest,
  type ProviderFacts,
  type TrainRequest,
  type UpstreamRefusal,
  type UpstreamResult,
  type UpstreamState,
} from '../../src/upstream/provider';

/** The scripted response to a paid call. */
export type ScriptedResponse = () => Promise<Accepted>;

/** A paid call that arrived, regardless of its outcome. */
export interface PaidCall {
  kind: 'train' | 'generate' | 'instant';
  /** The photo URLs of the call. */
  photoUrls: readonly string[];
  /** The prompt, if any. */
  prompt: string | undefined;
  /** The number of pictures by prompt. */
  counts: readonly number[];
  signal: AbortSignal;
}

/** The answer to a poll. */
export type PollAnswer = UpstreamState | UpstreamError;

/** The upstream accepts the call, with this reference or a new one. */
export function accepts(ref = `ref-${newId()}`): ScriptedResponse {
  return () => Promise.resolve({ ref, notice: { correlationId: `correlation of ${ref}` } });
}

/** The upstream refuses the call. */
export function refuses(
  refusal?: UpstreamRefusal,
  message = 'The upstream answered 400: no.',
): ScriptedResponse {
  return fails(new UpstreamError('REFUSED', message, { status: 400, refusal, evidence: 'HTTP 400' }));
}

/** The upstream delays the call, which was surely not executed. */
export function saysLater(retryAfterMs: number): ScriptedResponse {
  return fails(
    new UpstreamError('LATER', 'The upstream answered 429: retry later.', { status: 429, retryAfterMs }),
  );
}

/** The upstream could not be reached. */
export function isUnreachable(): ScriptedResponse {
  return fails(new UpstreamError('NOT_SENT', 'The upstream could not be reached.'));
}

/** The outcome is unknown. */
export function isUnclear(message = 'The upstream answered 502.', status = 502): ScriptedResponse {
  return fails(new UpstreamError('UNKNOWN', message, { status, evidence: `HTTP ${status}, <html>` }));
}

/** An unexpected error in the provider. */
export function throws(error: Error): ScriptedResponse {
  return fails(error);
}

function fails(error: Error): ScriptedResponse {
  return () => Promise.reject(error);
}

/** A call without a response until the test answers it. */
export class HeldCall {
  private resolve: (accepted: Promise<Accepted>) => void = () => undefined;
  private isAnswered = false;
  private readonly answered = new Promise<Accepted>((resolve) => (this.resolve = resolve));
  private arrive: () => void = () => undefined;

  /** Settles once the call has arrived. */
  readonly arrived = new Promise<void>((resolve) => (this.arrive = resolve));

  readonly response: ScriptedResponse = () => {
    this.arrive();
    return this.answered;
  };

  /** Ends it; only the first answer counts. */
  answer(response: ScriptedResponse): void {
    if (this.isAnswered) return;
    this.isAnswered = true;
    this.resolve(response());
    // If the call never arrives, the rejection is not handled elsewhere.
    this.answered.catch(() => undefined);
  }
}

/** The job is running. */
export function running(progress?: number): PollAnswer {
  return { state: 'RUNNING', progress, word: 'IN_PROGRESS', known: true, notice: {} };
}

/** The upstream returns an unknown status word. */
export function hasUnknownStatus(): PollAnswer {
  return { state: 'RUNNING', word: 'MARINATING', known: false, notice: {} };
}

/** The job is done, with these pictures, or with pictures at these URLs. */
export function done(...results: (UpstreamResult | string | null)[]): PollAnswer {
  const entries = results.map((result) =>
    typeof result === 'string' || result === null ? { url: result } : result,
  );
  return { state: 'DONE', results: entries, notice: {} };
}

/** The job failed. */
export function failed(reason = 'no face'): PollAnswer {
  return { state: 'FAILED', code: 'UPSTREAM_FAILED', reason, notice: {} };
}

/** The job is unknown upstream. */
export function isNotFound(): PollAnswer {
  return new UpstreamError('REFUSED', 'The upstream answered 404.', { status: 404, refusal: 'NOT_FOUND' });
}

/** The key is rejected. */
export function isUnauthorized(): PollAnswer {
  return new UpstreamError('REFUSED', 'The upstream answered 401.', {
    status: 401,
    refusal: 'UPSTREAM_AUTH',
  });
}

/** The poll got no response. */
export function timesOut(): PollAnswer {
  return new UpstreamError('UNKNOWN', 'The upstream did not answer in time.');
}

/** The poll was answered with an error page. */
export function answersBadly(): PollAnswer {
  return new UpstreamError('UNKNOWN', 'The upstream answered 502.', { status: 502 });
}

/** The poll exceeded the rate limit. */
export function limits(retryAfterMs: number): PollAnswer {
  return new UpstreamError('LATER', 'The upstream answered 429.', { status: 429, retryAfterMs });
}

const plentyPerMinute = 1_000_000;

/**
 * A scripted avatar service: it responds as configured per call, and records its requests.
 * Without a script it accepts every call, and every job stays running.
 */
export class ScriptedProvider implements AvatarProvider {
  readonly name = 'scripted';
  readonly account = 'scripted account';
  readonly facts: ProviderFacts = {
    ...picsartFacts(1, [{ id: 'realistic', name: 'Realistic', description: 'Like a photograph.' }]),
    minPhotos: 1,
    requestsPerMinute: plentyPerMinute,
  };

  /** The calls per minute of the account. */
  set requestsPerMinute(requests: number) {
    (this.facts as { requestsPerMinute: number }).requestsPerMinute = requests;
  }

  readonly calls: PaidCall[] = [];
  /** The default answer to polls. */
  otherwise: PollAnswer = running();
  /** The result of account checks. */
  check: AccountCheck = { acceptsKey: true, credits: 100 };
  /** How often the account was checked. */
  checks = 0;
  /** Awaited when a paid call has arrived, before its response starts. */
  onCall: (call: PaidCall) => Promise<void> = () => Promise.resolve();
  private readonly responses: ScriptedResponse[] = [];
  private readonly held: HeldCall[] = [];
  private readonly states = new Map<string, PollAnswer>();
  /** The number of polls of each reference. */
  readonly polls = new Map<string, number>();

  /** Scripts the next paid calls, in order. */
  next(...responses: ScriptedResponse[]): void {
    this.responses.push(...responses);
  }

  /** Leaves the next paid call open. */
  hold(): HeldCall {
    const call = new HeldCall();
    this.held.push(call);
    this.next(call.response);
    return call;
  }

  /** Ends all open calls with an unknown outcome. */
  hangUp(): void {
    this.held.splice(0).forEach((call) => call.answer(isUnclear('The connection was reset.')));
  }

  /** Scripts the answer to polls of a reference. */
  says(ref: string, answer: PollAnswer): void {
    this.states.set(ref, answer);
  }

  /** Removes the scripts of calls that have not arrived. */
  unscript(): void {
    this.responses.length = 0;
  }

  /** Clears the script and the recorded requests. */
  reset(): void {
    this.unscript();
    this.calls.length = 0;
    this.states.clear();
    this.otherwise = running();
    this.check = { acceptsKey: true, credits: 100 };
    this.checks = 0;
    this.polls.clear();
    this.requestsPerMinute = plentyPerMinute;
    this.onCall = () => Promise.resolve();
  }

  train({ photoUrls }: TrainRequest, signal: AbortSignal): Promise<Accepted> {
    return this.paid({ kind: 'train', photoUrls, prompt: undefined, counts: [], signal });
  }

  generate({ prompts }: GenerateRequest, signal: AbortSignal): Promise<Accepted> {
    const counts = prompts.map(({ count }) => count);
    return this.paid({ kind: 'generate', photoUrls: [], prompt: prompts[0]?.prompt, counts, signal });
  }

  generateInstant({ photoUrl, prompt, count }: InstantRequest, signal: AbortSignal): Promise<Accepted> {
    return this.paid({ kind: 'instant', photoUrls: [photoUrl], prompt, counts: [count], signal });
  }

  training(ref: string): Promise<UpstreamState> {
    return this.poll(ref);
  }

  generation({ ref }: GenerationRef): Promise<UpstreamState> {
    return this.poll(ref);
  }

  checkAccount(): Promise<AccountCheck> {
    this.checks += 1;
    return Promise.resolve(this.check);
  }

  trustsHost(): boolean {
    return false;
  }

  correlationIdOf(): null {
    return null;
  }

  async stop(): Promise<void> {
    // Nothing was started.
  }

  private async paid(call: PaidCall): Promise<Accepted> {
    this.calls.push(call);
    const response = this.responses.shift() ?? accepts();
    await this.onCall(call);
    return response();
  }

  private async poll(ref: string): Promise<UpstreamState> {
    this.polls.set(ref, (this.polls.get(ref) ?? 0) + 1);
    const answer = this.states.get(ref) ?? this.otherwise;
    if (answer instanceof UpstreamError) throw answer;
    return answer;
  }
}
