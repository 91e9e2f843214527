import type { ExchangeAnswer } from '../exchange-answer';
import type { ExchangeError } from '../http-exchange';
import { UpstreamError, type UpstreamNotice, type UpstreamOutcome, type UpstreamRefusal } from '../provider';
import { parseBody, readReason } from './wire-format';

type Headers = Readonly<Record<string, string>>;

/** Maximum accepted wait, in milliseconds, so that an invalid value cannot stop all calls. */
const maxWaitMs = 24 * 60 * 60 * 1_000;

/** The wait after a 429 without a time, in milliseconds: Picsart's rate limits are per minute. */
const unnamedWaitMs = 60_000;

/** Reads the standard headers of Picsart's services, which errors have too. */
export function readNotice(headers: Headers): UpstreamNotice {
  const rateLimit = {
    limit: wholeNumber(headers['x-picsart-ratelimit-limit']),
    available: wholeNumber(headers['x-picsart-ratelimit-available']),
    resetSeconds: wholeNumber(headers['x-picsart-ratelimit-reset-time']),
  };
  const hasRateLimit = Object.values(rateLimit).some((value) => value !== undefined);
  return {
    correlationId: headers['x-picsart-correlation-id']?.replace(/[^\x21-\x7e]/g, '').slice(0, 200),
    rateLimit: hasRateLimit ? rateLimit : undefined,
    creditsAvailable: wholeNumber(headers['x-picsart-credit-available']),
  };
}

/** How long to pause, in milliseconds: the longer of Retry-After and the reset time of the rate limit. */
function waitAfterLimitMs(headers: Headers, nowMs: number): number {
  const waits = [readRetryAfterMs(headers, nowMs), resetMs(headers, nowMs)].filter((ms) => ms !== undefined);
  return waits.length > 0 ? Math.max(...waits) : unnamedWaitMs;
}

/**
 * `Retry-After` in milliseconds: seconds, or an HTTP date (RFC 9110, section 10.2.3).
 * @returns undefined if the header is absent or is neither
 */
function readRetryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const text = headers['retry-after']?.trim();
  if (!text) return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return bounded(Number(text) * 1_000);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : bounded(date - nowMs);
}

/** The documented form is seconds until the reset; Unix time in seconds is accepted too. */
function resetMs(headers: Headers, nowMs: number): number | undefined {
  const seconds = wholeNumber(headers['x-picsart-ratelimit-reset-time']);
  if (seconds === undefined) return undefined;
  return bounded(seconds > 1_000_000_000 ? seconds * 1_000 - nowMs : seconds * 1_000);
}

function bounded(ms: number): number {
  return Math.min(maxWaitMs, Math.max(0, Math.ceil(ms)));
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}(\.\d+)?$/.test(text.trim()) ? Math.ceil(Number(text)) : undefined;
}

/** Maximum size of an answer that is stored for the operator, in bytes. */
const evidenceBytes = 8_000;

/** The error of a call without an answer: certainly not executed only if the request cannot have been sent. */
export function unansweredError(error: ExchangeError): UpstreamError {
  return new UpstreamError(error.sent ? 'UNKNOWN' : 'NOT_SENT', `The upstream ${error.message}.`, {
    cause: error,
  });
}

/**
 * The error of an answer whose status is not 2xx:
 *
 * - 429: not executed, with a time to retry; 503 likewise, but only if it has a time
 * - 4xx: refused, except 408, which a proxy may return for a request that it has forwarded
 * - everything else (3xx, 500, 502, 504, 503 without a time): unknown
 */
export function refusedError(answer: ExchangeAnswer): UpstreamError {
  const { status, headers } = answer;
  if (saysWhen(answer)) {
    const retryAfterMs = waitAfterLimitMs(headers, Date.now());
    return errorOf(answer, 'LATER', `answered ${status}: retry later.`, { retryAfterMs });
  }
  if (status < 400 || status >= 500 || status === 408) return unclearError(answer, `answered ${status}`);
  const reason = answer.cut ? undefined : readReason(parseBody(answer.body));
  const refusal = refusalOf(status, reason);
  return errorOf(answer, 'REFUSED', `answered ${status}${reason ? `: ${reason}` : '.'}`, { refusal });
}

/** A 429 always has a time, since limits are per minute; a 503 must state it. */
function saysWhen({ status, headers }: ExchangeAnswer): boolean {
  return status === 429 || (status === 503 && readRetryAfterMs(headers, Date.now()) !== undefined);
}

/** The error of an answer that proves nothing. */
export function unclearError(answer: ExchangeAnswer, problem: string): UpstreamError {
  return errorOf(answer, 'UNKNOWN', `${problem}.`);
}

function errorOf(
  answer: ExchangeAnswer,
  outcome: UpstreamOutcome,
  problem: string,
  facts: Pick<UpstreamError, 'refusal' | 'retryAfterMs'> = {},
): UpstreamError {
  return new UpstreamError(outcome, `The upstream ${problem}`, {
    ...facts,
    status: answer.status,
    evidence: evidenceOf(answer),
    notice: readNotice(answer.headers),
  });
}

/**
 * What a refusal concerns, by its status. Picsart documents 401 (key missing or invalid) and 402 (credits
 * exhausted) as refusals of the account. For 403 only the number is documented: it concerns the account if its text
 * mentions the key, the account, its plan or its credits, and otherwise the account or the job (`FORBIDDEN`).
 */
const refusals: ReadonlyMap<number, UpstreamRefusal> = new Map([
  [401, 'UPSTREAM_AUTH'],
  [402, 'UPSTREAM_CREDITS'],
  [403, 'FORBIDDEN'],
  [404, 'NOT_FOUND'],
]);
const namesCredits = /\b(credits?|balance|payment|billing|quota)\b/i;
const namesAccount = /\b(api[ -]?key|key|token|credentials?|account|subscription|plan|unauthori[sz]ed)\b/i;

/** Picsart answers 422 for a bad request and also after a 404 or 429 for a photo's URL; only the text differs. */
function refusalOf(status: number, reason = ''): UpstreamRefusal {
  if (status === 422 && speaksOfAddress.test(reason) && speaksOfFailure.test(reason))
    return 'PHOTO_UNREACHABLE';
  const named = status === 403 ? namedRefusal(reason) : null;
  return named ?? refusals.get(status) ?? 'UPSTREAM_REJECTED';
}

/** What a 403 concerns according to its text. */
function namedRefusal(reason: string): UpstreamRefusal | null {
  if (namesCredits.test(reason)) return 'UPSTREAM_CREDITS';
  return namesAccount.test(reason) ? 'UPSTREAM_AUTH' : null;
}

const speaksOfAddress = /\b(urls?|images?|photos?|pictures?|links?|files?|address(es)?)\b/i;
const speaksOfFailure =
  /\b(4\d\d|5\d\d|un(reachable|available|accessible)|inaccessible|timed? ?out|not (be )?(found|reachable|accessible|available|publicly|download\w*|fetch\w*|load\w*|retriev\w*|access\w*|open\w*|reach\w*)|(failed|unable|cannot|can't|couldn't|impossible) (to )?(download|fetch|load|retrieve|access|open|reach|get))\b/i;

/** An address, also one within JSON that escapes slashes. */
const address = /https?:(?:\\?\/){2}[^\s"'<>]*/gi;

/**
 * Status, type and the beginning of the body, without control characters: PostgreSQL cannot store NUL in text. An answer may
 * quote the request, so addresses are removed: those of photos are signed.
 */
function evidenceOf(answer: ExchangeAnswer): string {
  const type = answer.headers['content-type'] ?? 'no content type';
  const cut = answer.cut ? `, cut: ${answer.cut}` : '';
  const head = `HTTP ${answer.status}, ${type}, ${answer.body.length} bytes${cut}\n`;
  const body = answer.body
    .subarray(0, evidenceBytes)
    .toString('utf8')
    .replace(/[^\P{Cc}\n\t]/gu, '\uFFFD')
    .replace(address, '[address]');
  return Buffer.from(head + body)
    .subarray(0, evidenceBytes)
    .toString('utf8');
}
