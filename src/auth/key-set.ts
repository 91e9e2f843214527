import {
  createLocalJWKSet,
  errors,
  type CryptoKey,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
} from 'jose';
import { z } from 'zod';
import { DomainError } from '../core/errors';
import type { Logger } from '../core/logger';
import type { ExchangeAnswer } from '../upstream/exchange-answer';
import type { ExchangeRequest } from '../upstream/http-exchange';

/** Timeout of one call to the issuer, well below the 10 s limit of an operation. */
const timeoutMs = 5_000;
/** Maximum size of the JWKS document, which typically has one or two kilobytes. */
const maxBytes = 256_000;
/** The age at which keys are refreshed. A key that the issuer withdraws is accepted up to this long. */
const refreshMs = 300_000;
/** How long cached keys are used while the issuer is unavailable. */
const maxAgeMs = 3_600_000;
/** Minimum age of the keys before an unknown key id triggers a refresh, because anyone can forge such tokens. */
const unknownKeyMs = 30_000;
/** The pause after a failed call, in milliseconds: without usable keys, and with cached keys. */
const retryMs = 3_000;
const refreshRetryMs = 30_000;

const keySetShape = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

type Find = ReturnType<typeof createLocalJWKSet>;

/**
 * The issuer's public keys, fetched on first use and then refreshed in the background. Tokens with a cached key never
 * wait for the issuer; tokens with an unknown key share one call with a time limit.
 */
export class KeySet {
  private keys: { find: Find; atMs: number } | null = null;
  private loading: Promise<boolean> | null = null;
  private failedAtMs = -Infinity;
  private timer: NodeJS.Timeout | null = null;

  constructor(
    /** The issuer's JWKS URL. */
    private readonly url: string,
    /** HTTP client with limits on time and size. */
    private readonly exchange: { get(request: ExchangeRequest): Promise<ExchangeAnswer> },
    private readonly logger: Logger,
    /** The current time in Unix milliseconds. */
    private readonly now: () => number = Date.now,
    /** How often the age of the keys is checked, in milliseconds. */
    private readonly checkMs = 30_000,
  ) {}

  /**
   * The public key for the key id in a token's header.
   * @throws DomainError SERVICE_UNAVAILABLE if the issuer is unavailable, because the token may be valid
   * @throws JOSEError if the issuer does not have this key
   */
  readonly find = async (header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> => {
    this.keepFresh();
    if (this.ageMs >= maxAgeMs) await this.load(retryMs);
    if (!this.keys || this.ageMs >= maxAgeMs) throw unreachable();
    try {
      return await this.keys.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || this.ageMs < unknownKeyMs) throw error;
    }
    if (!(await this.load(retryMs))) throw unreachable();
    return this.keys.find(header, token);
  };

  /** The keys as an object that identifies them: another one whenever they were fetched. Null if {@link find} must wait. */
  current(): object | null {
    this.keepFresh();
    return this.ageMs < maxAgeMs ? this.keys : null;
  }

  /** Stops the background refresh. */
  stop(): void {
    if (this.timer) clearInterval(this.timer);
  }

  private get ageMs(): number {
    return this.keys ? this.now() - this.keys.atMs : Infinity;
  }

  private keepFresh(): void {
    this.timer ??= setInterval(() => this.refresh(), this.checkMs).unref();
    this.refresh();
  }

  /** Runs in the background; {@link fetch} does not throw. */
  private refresh(): void {
    if (this.keys && this.ageMs >= refreshMs) void this.load(refreshRetryMs);
  }

  /**
   * Fetches the keys; concurrent callers share one call.
   * @param pauseMs - the minimum time since the last failure
   * @returns whether the keys were fetched
   */
  private async load(pauseMs: number): Promise<boolean> {
    if (this.now() - this.failedAtMs < pauseMs) return false;
    this.loading ??= this.fetch().finally(() => (this.loading = null));
    return this.loading;
  }

  private async fetch(): Promise<boolean> {
    const { exchange, url, logger } = this;
    try {
      const answer = await exchange.get({
        url: new URL(url),
        headers: { accept: 'application/json, application/jwk-set+json' },
        timeoutMs,
        maxBytes,
        signal: new AbortController().signal,
      });
      this.keys = { find: createLocalJWKSet(readKeySet(answer)), atMs: this.now() };
      this.failedAtMs = -Infinity;
      return true;
    } catch (error) {
      this.failedAtMs = this.now();
      logger.warn(
        { err: error },
        'fetching keys from JWT_JWKS_URL failed; cached keys are used for up to one hour',
      );
      return false;
    }
  }
}

function readKeySet({ status, body, cut }: ExchangeAnswer): z.infer<typeof keySetShape> {
  if (status !== 200 || cut) throw new Error(`The issuer answered ${status}${cut ? `, cut: ${cut}` : ''}.`);
  return keySetShape.parse(JSON.parse(body.toString('utf8')));
}

function unreachable(): DomainError {
  return new DomainError(
    'SERVICE_UNAVAILABLE',
    'The token cannot be verified because its issuer is unavailable. Retry in a few seconds.',
    { details: { retryAfterSeconds: retryMs / 1_000 } },
  );
}
