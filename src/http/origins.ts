import type { IncomingHttpHeaders } from 'node:http';
import { isIPv4 } from 'node:net';
import type { Headers } from './answers';

/** What {@link Origins} needs. */
export interface OriginsOptions {
  /** The address under which clients reach the gateway, where it is not the one that it listens on. */
  readonly publicUrl?: string;
  /** With AUTH=none: answer only to names of this machine, and to that of `publicUrl`. */
  readonly isLocalOnly: boolean;
  /** Origins of other pages that may call: `https://app.example.com`. \@defaultValue none: same origin only */
  readonly allowed?: readonly string[];
}

/** Where requests may come from, and to which names they may be sent. The one place for CORS. */
export class Origins {
  private readonly publicHost: string | undefined;
  private readonly isLocalOnly: boolean;
  private readonly allowed: ReadonlySet<string>;

  constructor(options: OriginsOptions) {
    this.publicHost = options.publicUrl === undefined ? undefined : new URL(options.publicUrl).host;
    this.isLocalOnly = options.isLocalOnly;
    this.allowed = new Set(options.allowed);
  }

  /**
   * Whether requests for this name are answered. A page on the internet can have its own name resolve to 127.0.0.1
   * and then talk to a gateway that asks nobody who they are; its requests still bear that name.
   */
  isHostKnown(host: string | undefined): boolean {
    if (!this.isLocalOnly) return true;
    if (host === undefined) return false;
    return host.toLowerCase() === this.publicHost || isLoopbackName(host);
  }

  /** Whether a browser sends this for a page of an origin that is neither ours nor allowed. Programs send no origin. */
  isForeign(headers: IncomingHttpHeaders): boolean {
    const { origin, host } = headers;
    if (origin === undefined) return /^(cross-site|same-site)$/.test(headers['sec-fetch-site'] ?? '');
    if (this.allowed.has(origin)) return false;
    if (!URL.canParse(origin)) return true;
    const from = new URL(origin).host;
    return from !== host?.toLowerCase() && from !== this.publicHost;
  }

  /** CORS headers: none unless the origin is allowed, which makes browsers keep the answer from other pages. */
  corsHeaders(headers: IncomingHttpHeaders): Headers {
    const { origin } = headers;
    if (this.allowed.size === 0) return {};
    if (origin === undefined || !this.allowed.has(origin)) return { vary: 'Origin' };
    return {
      vary: 'Origin',
      'access-control-allow-origin': origin,
      'access-control-expose-headers': 'X-Request-Id, Retry-After, RateLimit, RateLimit-Policy',
    };
  }

  /** The answer to a browser that asks before it sends, besides {@link corsHeaders}. */
  preflightHeaders(headers: IncomingHttpHeaders, methods: readonly string[]): Headers {
    if (headers.origin === undefined || !this.allowed.has(headers.origin)) return {};
    return {
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': 'Authorization, Content-Type, Apollo-Require-Preflight, X-Request-Id',
      'access-control-max-age': 600,
    };
  }
}

/** Whether an address is this machine's own, in the forms that sockets give it. */
export function isLoopbackAddress(address: string | undefined): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address ?? '');
}

function isLoopbackName(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name === '[::1]' || (isIPv4(name) && name.startsWith('127.'));
}
