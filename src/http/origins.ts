import type { IncomingHttpHeaders } from 'node:http';
import { DomainError } from '../core/errors';
import { isLoopback } from '../core/networks';
import type { Headers } from './responses';

/** The message for requests of a foreign origin. */
export const foreignOriginMessage = 'Origin not allowed. Add it to CORS_ORIGINS.';

/** Headers that a page may send: our own, and those of Apollo Client, OpenTelemetry and server-sent events. */
const allowedHeaders = [
  ...['Authorization', 'Content-Type', 'X-Likeness-Owner', 'X-Request-Id', 'Last-Event-ID'],
  ...['Apollo-Require-Preflight', 'Apollographql-Client-Name', 'Apollographql-Client-Version'],
  ...['Traceparent', 'Tracestate', 'Baggage'],
].join(', ');

export interface OriginsOptions {
  /** The public URL of the gateway if it differs from the one that it listens on. */
  readonly publicUrl?: string;
  /** With AUTH=none: accept only loopback host names and the host of `publicUrl`. */
  readonly isLocalOnly: boolean;
  /**
   * Allowed cross-origin callers, such as `https://app.example.com`.
   * @defaultValue none: same origin only
   */
  readonly allowed?: readonly string[];
  /** Called for each refused request with its origin. @defaultValue none */
  readonly onRefused?: (origin: string | undefined) => void;
}

/** Checks the origin and host name of requests. All CORS rules are defined here. */
export class Origins {
  private readonly publicHost: string | undefined;
  private readonly isLocalOnly: boolean;
  private readonly allowed: ReadonlySet<string>;

  constructor(private readonly options: OriginsOptions) {
    this.publicHost = options.publicUrl === undefined ? undefined : new URL(options.publicUrl).host;
    this.isLocalOnly = options.isLocalOnly;
    this.allowed = new Set(options.allowed);
  }

  /**
   * Whether requests with this Host header are accepted. Prevents DNS rebinding: a website can resolve its own name to
   * 127.0.0.1 and access a gateway without authentication, but its requests carry that name.
   */
  isHostKnown(host: string | undefined): boolean {
    if (!this.isLocalOnly) return true;
    if (host === undefined) return false;
    return host.toLowerCase() === this.publicHost || isLoopback(host.replace(/:\d+$/, ''));
  }

  /** Whether a browser sent the request for a page of a foreign, not allowed origin. Other clients send no origin. */
  private isForeign(headers: IncomingHttpHeaders): boolean {
    const { origin, host } = headers;
    if (origin === undefined) return /^(cross-site|same-site)$/.test(headers['sec-fetch-site'] ?? '');
    if (this.allowed.has(origin)) return false;
    if (!URL.canParse(origin)) return true;
    const from = new URL(origin).host;
    return from !== host?.toLowerCase() && from !== this.publicHost;
  }

  /** Whether a browser sent the request for a page that may not use this gateway. It is reported. */
  refuses(headers: IncomingHttpHeaders): boolean {
    const isForeign = this.isForeign(headers);
    if (isForeign) this.options.onRefused?.(headers.origin);
    return isForeign;
  }

  /** @throws DomainError FORBIDDEN if {@link refuses} the request */
  check(headers: IncomingHttpHeaders): void {
    if (this.refuses(headers)) throw new DomainError('FORBIDDEN', foreignOriginMessage);
  }

  /** CORS headers; empty unless the origin is allowed, so that browsers withhold the response from other pages. */
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

  /** The headers of a preflight response in addition to {@link corsHeaders}. */
  preflightHeaders(headers: IncomingHttpHeaders, methods: readonly string[]): Headers {
    if (this.refuses(headers) || headers.origin === undefined || !this.allowed.has(headers.origin)) return {};
    return {
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': allowedHeaders,
      'access-control-max-age': 600,
    };
  }
}
