import type { UpstreamNotice } from '../provider';

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
export function waitAfterLimitMs(headers: Headers, nowMs: number): number {
  const waits = [readRetryAfterMs(headers, nowMs), resetMs(headers, nowMs)].filter((ms) => ms !== undefined);
  return waits.length > 0 ? Math.max(...waits) : unnamedWaitMs;
}

/**
 * `Retry-After` in milliseconds: seconds, or an HTTP date (RFC 9110, section 10.2.3).
 * @returns undefined if the header is absent or is neither
 */
export function readRetryAfterMs(headers: Headers, nowMs: number): number | undefined {
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
