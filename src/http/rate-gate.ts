import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RateLimiter, RatePolicy } from '../auth/rate-limiter';
import { DomainError } from '../core/errors';
import { isLoopback } from '../core/networks';
import type { Viewer } from '../core/viewer';
import { callerOf, type ClientAddresses } from './client-address';

/** A rate limit. Null disables it. */
export interface RateRule {
  readonly policy: RatePolicy;
  /** Whether loopback requests are counted. */
  readonly countsLoopback: boolean;
}

export interface RateGateOptions {
  readonly counter: Pick<RateLimiter, 'consume'>;
  readonly addresses: ClientAddresses;
  readonly owner: RateRule | null;
  readonly address: RateRule | null;
}

/** A request with the response that receives the RateLimit headers, or the address of a WebSocket. */
export type Asking =
  { readonly request: IncomingMessage; readonly response?: ServerResponse } | { readonly address: string };

/**
 * Limits GraphQL operations by address before authentication and by owner after it, over HTTP, SSE and WebSocket. Sends
 * the headers RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10).
 */
export class RateGate {
  constructor(private readonly options: RateGateOptions) {}

  /** The address of the client that sent a request. */
  addressOf(request: IncomingMessage): string {
    return this.options.addresses.of(request);
  }

  /**
   * @param count - the number of operations
   * @throws DomainError RATE_LIMITED with `retryAfterSeconds`
   */
  countAddress(asking: Asking, count = 1): void {
    const { address } = this.options;
    if (address) this.count(address, callerOf(this.addressIn(asking)), asking, count);
  }

  /**
   * @param count - the number of operations
   * @throws DomainError RATE_LIMITED with `retryAfterSeconds`
   */
  countOwner(viewer: Viewer, asking: Asking, count = 1): void {
    const { owner } = this.options;
    if (owner) this.count(owner, viewer.owner, asking, count);
  }

  private count({ policy, countsLoopback }: RateRule, subject: string, asking: Asking, count: number): void {
    const { counter } = this.options;
    if (count === 0) return;
    if (!countsLoopback && isLoopback(this.addressIn(asking))) return;
    const { isAllowed, remaining, resetsInMs } = counter.consume(policy, subject, count);
    const seconds = Math.ceil(resetsInMs / 1_000);
    const { name, quota, windowMs } = policy;
    const response = 'response' in asking ? asking.response : undefined;
    append(response, 'RateLimit-Policy', `"${name}";q=${quota};w=${Math.round(windowMs / 1_000)}`);
    append(response, 'RateLimit', `"${name}";r=${remaining};t=${seconds}`);
    if (!isAllowed) throw tooOften(policy, seconds);
  }

  private addressIn(asking: Asking): string {
    return 'address' in asking ? asking.address : this.addressOf(asking.request);
  }
}

function append(response: ServerResponse | undefined, name: string, value: string): void {
  if (!response || response.headersSent) return;
  const item = value.slice(0, value.indexOf(';'));
  const others = String(response.getHeader(name) ?? '')
    .split(', ')
    .filter((other) => other !== '' && !other.startsWith(item));
  response.setHeader(name, [...others, value].join(', '));
}

function tooOften({ name, quota, windowMs }: RatePolicy, seconds: number): DomainError {
  const whose = name === 'owner' ? 'your account' : 'your address';
  return new DomainError(
    'RATE_LIMITED',
    `Rate limit of ${quota} operations per ${Math.round(windowMs / 1_000)} s exceeded for ${whose}. Retry in ${seconds} s.`,
    { details: { limit: name, maximum: quota, retryAfterSeconds: seconds } },
  );
}
