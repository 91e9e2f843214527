import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Logger } from '../../core/logger';
import { OutageLog } from '../../core/outage';
import { traced, type Span, type SpanAttributes } from '../../core/tracing';
import { joined, type ExchangeAnswer } from '../exchange-answer';
import { ExchangeError, HttpExchange } from '../http-exchange';
import {
  UpstreamError,
  type Accepted,
  type AccountCheck,
  type AvatarProvider,
  type CallName,
  type CallOutcome,
  type GenerateRequest,
  type GenerationRef,
  type InstantRequest,
  type PollOptions,
  type ProviderFacts,
  type ProviderStyle,
  type TrainRequest,
  type UpstreamCall,
  type UpstreamNotice,
  type UpstreamState,
} from '../provider';
import { readNotice, refusedError, unansweredError, unclearError } from './answer-errors';
import { picsartFacts, picsartStyles } from './facts';
import { readGeneration, readTraining } from './job-state';
import { PollQueue } from './poll-queue';
import {
  apiKeyHeader,
  balanceUrlOf,
  generateBody,
  instantBody,
  paths,
  readCredits,
  parseBody,
  readReference,
  trainBody,
} from './wire-format';

/** Options of {@link PicsartProvider}. */
export interface PicsartProviderOptions {
  /** Stored with each job. */
  name: 'picsart' | 'sandbox';
  /** The base URL without a path; a trailing `/v1` is accepted. */
  baseUrl: string;
  /** The base URL for the balance. @defaultValue see {@link balanceUrlOf} */
  balanceUrl?: string;
  apiKey: string;
  /** Maximum duration of a paid call, from connecting to the last byte, in milliseconds. */
  submitTimeoutMs: number;
  /** Maximum duration of other calls, in milliseconds, from the time at which one of the connections is free. */
  pollTimeoutMs: number;
  /** Maximum number of connections that polls keep open; further polls wait for one. */
  pollConnections: number;
  /** Divides the durations of {@link picsartFacts}; 1 for the real service. */
  speed: number;
  /** @defaultValue the public style */
  styles?: readonly ProviderStyle[];
  logger: Logger;
  /** Called at the end of each call. @defaultValue none */
  onCall?: (call: UpstreamCall) => void;
}

/** Maximum size of an answer in bytes; a real one has a few hundred. */
const maxAnswerBytes = 1_000_000;

/** Picsart AI Avatar, or any server that speaks its wire format. */
export class PicsartProvider implements AvatarProvider {
  readonly name: string;
  readonly account: string;
  readonly facts: ProviderFacts;
  /** Without a trailing slash. */
  private readonly baseUrl: string;
  private readonly exchange: HttpExchange;
  private readonly polls: PollQueue;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly outages: OutageLog;

  constructor(private readonly options: PicsartProviderOptions) {
    this.name = options.name;
    this.outages = new OutageLog(options.logger, {
      begin: 'the avatar service does not answer',
      end: 'the avatar service answers again',
    });
    this.exchange = new HttpExchange(options.pollConnections);
    this.polls = new PollQueue(options.pollConnections);
    const { href } = new URL(options.baseUrl.replace(/\/+$/, '').replace(/\/v1$/, ''));
    this.baseUrl = href.replace(/\/$/, '');
    this.account = createHash('sha256').update(`${href}\n${options.apiKey}`).digest('hex').slice(0, 16);
    const displayName = { picsart: 'Picsart', sandbox: 'Sandbox' }[options.name];
    this.facts = picsartFacts(options.speed, options.styles ?? picsartStyles, displayName);
    this.headers = {
      [apiKeyHeader]: options.apiKey,
      // Without it Picsart answers 406.
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'likeness',
    };
  }

  async train(request: TrainRequest, signal: AbortSignal): Promise<Accepted> {
    return this.submit('train', { path: paths.models, body: trainBody(request), idName: 'model_id' }, signal);
  }

  async training(ref: string, signal: AbortSignal, options?: PollOptions): Promise<UpstreamState> {
    return this.ask({ call: 'training', path: paths.model(ref), read: readTraining }, signal, options);
  }

  async generate(request: GenerateRequest, signal: AbortSignal): Promise<Accepted> {
    const path = paths.inferences(request.modelRef);
    return this.submit('generate', { path, body: generateBody(request), idName: 'inference_id' }, signal);
  }

  async generateInstant(request: InstantRequest, signal: AbortSignal): Promise<Accepted> {
    const submission = { path: paths.instants, body: instantBody(request), idName: 'inference_id' } as const;
    return this.submit('generateInstant', submission, signal);
  }

  async generation(
    { modelRef, ref }: GenerationRef,
    signal: AbortSignal,
    options?: PollOptions,
  ): Promise<UpstreamState> {
    const path = modelRef === null ? paths.instant(ref) : paths.inference(modelRef, ref);
    return this.ask({ call: 'generation', path, read: readGeneration }, signal, options);
  }

  async checkAccount(signal: AbortSignal): Promise<AccountCheck> {
    const url = this.options.balanceUrl ?? balanceUrlOf(this.baseUrl);
    try {
      const answer = await this.get('balance', new URL(url), signal);
      const credits = readCredits(parseBody(answer.body));
      return { acceptsKey: credits === null ? null : true, credits };
    } catch (error) {
      const status = error instanceof UpstreamError ? error.status : undefined;
      if (status === 402) return { acceptsKey: true, credits: 0 };
      return { acceptsKey: status === 401 ? false : null, credits: null };
    }
  }

  trustsHost(hostname: string): boolean {
    return withoutBrackets(hostname) === withoutBrackets(new URL(this.baseUrl).hostname);
  }

  correlationIdOf(headers: IncomingHttpHeaders): string | null {
    return readNotice(joined(headers)).correlationId ?? null;
  }

  async stop(): Promise<void> {
    await this.exchange.stop();
  }

  private async submit(call: CallName, submission: Submission, signal: AbortSignal): Promise<Accepted> {
    const answer = await this.answered(call, signal, () =>
      this.exchange.postOnce({
        url: new URL(this.baseUrl + submission.path),
        headers: { ...this.headers, 'content-type': 'application/json' },
        body: JSON.stringify(submission.body),
        timeoutMs: this.options.submitTimeoutMs,
        maxBytes: maxAnswerBytes,
        signal,
      }),
    );
    const body = parseBody(answer.body);
    const ref = body && readReference(body, submission.idName);
    if (!ref) throw unclearError(answer, 'accepted the call without a usable id');
    return { ref, notice: noticeOf(answer) };
  }

  private async ask(
    { call, path, read }: Poll,
    signal: AbortSignal,
    options?: PollOptions,
  ): Promise<UpstreamState> {
    const answer = await this.get(call, new URL(this.baseUrl + path), signal, options);
    const body = parseBody(answer.body);
    if (!body) throw unclearError(answer, 'returned a body that is not a JSON object');
    return read(body, answer.status, noticeOf(answer));
  }

  private async get(
    call: CallName,
    url: URL,
    signal: AbortSignal,
    { group = call, onSend }: PollOptions = {},
  ): Promise<ExchangeAnswer> {
    const { pollTimeoutMs: timeoutMs } = this.options;
    const request = { url, headers: this.headers, timeoutMs, maxBytes: maxAnswerBytes, signal };
    const send = (): Promise<ExchangeAnswer> => this.answered(call, signal, () => this.exchange.get(request));
    return this.polls.send(send, { group, onSend, signal });
  }

  /** The balance has another server, with a limit of its own. */
  private withholdPolls(call: CallName, error: UpstreamError): void {
    if (error.outcome === 'LATER' && call !== 'balance') this.polls.withhold(error);
  }

  /** Returns a complete 2xx answer, in a span, and reports the call. */
  private answered(
    call: CallName,
    signal: AbortSignal,
    exchange: () => Promise<ExchangeAnswer>,
  ): Promise<ExchangeAnswer> {
    const attributes = { 'server.address': new URL(this.baseUrl).hostname, 'likeness.provider': this.name };
    const work = async (span: Span): Promise<ExchangeAnswer> => {
      const startedMs = performance.now();
      let outcome: CallOutcome = 'UNKNOWN';
      try {
        const answer = await this.answer(call, exchange);
        outcome = 'OK';
        this.outages.succeeded();
        span.set({ 'http.response.status_code': answer.status, ...idOf(answer) });
        return answer;
      } catch (error) {
        if (error instanceof UpstreamError) {
          outcome = error.refusal ?? error.outcome;
          this.withholdPolls(call, error);
          if (isOutage(error) && !signal.aborted) this.outages.failed(error);
          span.set({
            'http.response.status_code': error.status,
            'likeness.correlation_id': error.notice.correlationId,
          });
        }
        span.fail(outcome);
        throw error;
      } finally {
        this.options.onCall?.({ call, outcome, seconds: (performance.now() - startedMs) / 1_000 });
      }
    };
    return traced(`upstream ${call}`, attributes, work, { kind: 'client' });
  }

  private async answer(call: CallName, exchange: () => Promise<ExchangeAnswer>): Promise<ExchangeAnswer> {
    const startedMs = Date.now();
    let answer: ExchangeAnswer;
    try {
      answer = withoutKey(await exchange(), this.options.apiKey);
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      this.options.logger.debug(
        { call, ms: Date.now() - startedMs, problem: error.message },
        'upstream call failed',
      );
      throw unansweredError(error);
    }
    const { status, cut, headers } = answer;
    this.options.logger.debug(
      { call, ms: Date.now() - startedMs, status, ...readNotice(headers) },
      'upstream answered',
    );
    if (status < 200 || status > 299) throw refusedError(answer);
    if (cut) throw unclearError(answer, `returned an incomplete answer (${cut})`);
    return answer;
  }
}

interface Submission {
  readonly path: string;
  readonly body: object;
  readonly idName: 'model_id' | 'inference_id';
}

interface Poll {
  readonly call: CallName;
  readonly path: string;
  readonly read: (body: Record<string, unknown>, status: number, notice: UpstreamNotice) => UpstreamState;
}

/** Removes the key from an answer, since an error message that quotes it may be stored. */
function withoutKey(answer: ExchangeAnswer, apiKey: string): ExchangeAnswer {
  if (!answer.body.includes(apiKey)) return answer;
  return { ...answer, body: Buffer.from(answer.body.toString('utf8').replaceAll(apiKey, '[key]')) };
}

/** Whether the upstream did not answer, or failed itself. */
function isOutage({ status, outcome }: UpstreamError): boolean {
  return outcome === 'NOT_SENT' || status === undefined || status >= 500;
}

/** The upstream's id of the exchange, for a span. */
function idOf({ headers }: ExchangeAnswer): SpanAttributes {
  return { 'likeness.correlation_id': readNotice(headers).correlationId };
}

/** Host names are case-insensitive; an IPv6 address has brackets in a URL only. */
function withoutBrackets(hostname: string): string {
  return hostname.toLowerCase().replace(/^\[(.*)\]$/, '$1');
}

function noticeOf({ headers, status }: ExchangeAnswer): UpstreamNotice {
  return { ...readNotice(headers), httpStatus: status };
}
