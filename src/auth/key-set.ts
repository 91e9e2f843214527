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
import type { ExchangeAnswer, ExchangeRequest } from '../upstream/http-exchange';

/** What {@link KeySet} is made of. */
export interface KeySetDeps {
  /** Where the issuer publishes its keys. */
  url: string;
  /** Makes bounded calls. */
  exchange: { get(request: ExchangeRequest): Promise<ExchangeAnswer> };
  logger: Logger;
  /**
   * The time in Unix milliseconds.
   * @defaultValue the system's
   */
  now?: () => number;
  /**
   * How often it is checked whether the keys are to be fetched again, in milliseconds.
   * @defaultValue 30 seconds
   */
  checkMs?: number;
}

/** Milliseconds for one call to the issuer, well below the 10 s of an operation. */
const timeoutMs = 5_000;
/** A set of keys is one or two kilobytes. */
const maxBytes = 256_000;
/** How old keys are, in milliseconds, when they are fetched again: a key that the issuer withdraws is accepted that long. */
const refreshMs = 300_000;
/** How long they are used while the issuer cannot be reached. */
const maxAgeMs = 3_600_000;
/** A token with an unknown key makes us ask again, but not more often than this: anybody can make up such tokens. */
const unknownKeyMs = 30_000;
/** How long an issuer that failed is not asked again, in milliseconds: without usable keys, and with them. */
const retryMs = 3_000;
const refreshRetryMs = 30_000;

const keySetShape = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

type Find = ReturnType<typeof createLocalJWKSet>;

/**
 * The issuer's public keys: fetched when first needed and kept fresh in the background from then on. A token whose key is
 * known never waits for the issuer; one with an unknown key waits for a single bounded call that all of them share.
 */
export class KeySet {
  private keys: { find: Find; atMs: number } | null = null;
  private loading: Promise<boolean> | null = null;
  private failedAtMs = -Infinity;
  private timer: NodeJS.Timeout | null = null;
  private readonly now: () => number;

  constructor(private readonly deps: KeySetDeps) {
    this.now = deps.now ?? Date.now;
  }

  /**
   * The key that a token says it was signed with.
   * @throws DomainError SERVICE_UNAVAILABLE if the issuer cannot be asked: the token may be good
   * @throws JOSEError if the issuer has no such key
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

  /** Ends the refreshing in the background. */
  stop(): void {
    if (this.timer) clearInterval(this.timer);
  }

  private get ageMs(): number {
    return this.keys ? this.now() - this.keys.atMs : Infinity;
  }

  private keepFresh(): void {
    this.timer ??= setInterval(() => this.refresh(), this.deps.checkMs ?? 30_000).unref();
    this.refresh();
  }

  /** Never waited for. {@link fetch} does not throw. */
  private refresh(): void {
    if (this.keys && this.ageMs >= refreshMs) void this.load(refreshRetryMs);
  }

  /**
   * One call at a time, however many wait for it.
   * @param pauseMs - how long after a failure no call is made
   * @returns whether there are new keys
   */
  private async load(pauseMs: number): Promise<boolean> {
    if (this.now() - this.failedAtMs < pauseMs) return false;
    this.loading ??= this.fetch().finally(() => (this.loading = null));
    return this.loading;
  }

  private async fetch(): Promise<boolean> {
    const { exchange, url, logger } = this.deps;
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
        'the keys at JWT_JWKS_URL cannot be fetched; known keys are used for up to an hour',
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
    'Your token cannot be checked right now: who issued it does not answer. Send the request again in a few seconds.',
    { details: { retryAfterSeconds: retryMs / 1_000 } },
  );
}
