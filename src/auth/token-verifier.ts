import { webcrypto } from 'node:crypto';
import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import { LRUCache } from 'lru-cache';
import { unauthenticated } from '../core/errors';
import type { Scope, Viewer } from '../core/viewer';
import type { KeySet } from './key-set';
import { problemOfSubject } from './subjects';

/** Which tokens are accepted. */
export interface TokenRules {
  /** The issuer's public keys; null: only tokens signed with the shared secret are accepted. */
  keys: Pick<KeySet, 'find' | 'current'> | null;
  /** The shared secret; null: only tokens signed with the issuer's keys are accepted. */
  secret: string | null;
  /** The required `iss`; undefined: any. */
  issuer: string | undefined;
  /** The required value in `aud`; undefined: any. */
  audience: string | undefined;
}

/** Maximum clock difference between issuer and gateway. */
const leewaySeconds = 60;
/** Maximum memory for verified tokens, in bytes. */
const maxVerifiedBytes = 10_000_000;
/** Longer than any token of an identity provider. Limits the cost of verification. */
const maxTokenLength = 8_192;

/**
 * Algorithms by origin of the key. The lists are disjoint, so that a public key is never used as a shared secret, and
 * neither contains `none` (RFC 8725, 3.1).
 */
const algorithms = {
  keys: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
  secret: ['HS256'],
};

interface VerifiedToken {
  readonly viewer: Viewer;
  /** The keys that verified it. */
  readonly keys: object;
}

/** Authenticates JSON Web Tokens. */
export class TokenVerifier {
  private readonly secret: Promise<webcrypto.CryptoKey> | null;
  /** Until they expire, the keys of the issuer are read again, or they are evicted. */
  private readonly verified = new LRUCache<string, VerifiedToken>({
    maxSize: maxVerifiedBytes,
    // A viewer takes about 500 bytes.
    sizeCalculation: (_verified, token) => token.length + 500,
  });
  /** Clients that connect again open several sockets with one token. */
  private readonly verifying = new Map<string, Promise<Viewer>>();

  constructor(private readonly rules: TokenRules) {
    // Imported once; jose would import other forms for each token, also a `KeyObject`.
    this.secret = rules.secret === null ? null : importSecret(rules.secret);
  }

  /**
   * Verifies signature, times (`exp` is required), issuer and audience; reads `sub` and the scopes.
   * @returns the viewer, at once for a token that was verified before
   * @throws DomainError UNAUTHENTICATED, naming the failed check; SERVICE_UNAVAILABLE if the issuer's keys are unavailable
   */
  verify(token: string): Viewer | Promise<Viewer> {
    const keys = this.rules.keys ? this.rules.keys.current() : this.secret;
    const { viewer, keys: usedKeys } = this.verified.get(token) ?? {};
    if (viewer && usedKeys === keys && Date.now() < viewer.expiresAtMs!) return viewer;
    const running = this.verifying.get(token);
    if (running) return running;
    const verifying = this.verifyNew(token, keys).finally(() => this.verifying.delete(token));
    this.verifying.set(token, verifying);
    return verifying;
  }

  private async verifyNew(token: string, keys: object | null): Promise<Viewer> {
    const payload = await this.payloadOf(token);
    const problem = problemOfSubject(payload.sub);
    if (problem !== null) throw unauthenticated(`The token's sub ${problem}.`);
    const viewer: Viewer = {
      owner: payload.sub!,
      scopes: new Set(scopesOf(payload)),
      expiresAtMs: (payload.exp! + leewaySeconds) * 1_000,
    };
    if (keys) this.verified.set(token, { viewer, keys });
    return viewer;
  }

  private async payloadOf(token: string): Promise<JWTPayload> {
    if (token.length > maxTokenLength) throw unauthenticated('The token is too long.');
    try {
      return await this.checked(token);
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      throw unauthenticated(sentenceFor(error), error);
    }
  }

  private async checked(token: string): Promise<JWTPayload> {
    const { issuer, audience, keys } = this.rules;
    const options: JWTVerifyOptions = {
      issuer,
      audience,
      clockTolerance: leewaySeconds,
      requiredClaims: ['exp'],
    };
    const isShared = algorithmOf(token) === 'HS256';
    if (isShared && this.secret) {
      return (await jwtVerify(token, await this.secret, { ...options, algorithms: algorithms.secret }))
        .payload;
    }
    if (isShared || !keys) throw new errors.JOSEAlgNotAllowed();
    return (await jwtVerify(token, keys.find, { ...options, algorithms: algorithms.keys })).payload;
  }
}

function importSecret(secret: string): Promise<webcrypto.CryptoKey> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  return webcrypto.subtle.importKey('raw', Buffer.from(secret), algorithm, false, ['verify']);
}

function algorithmOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).alg;
  } catch (error) {
    throw unauthenticated('The credentials are neither a token nor an API key.', error);
  }
}

/** The messages of jose are not used because they may quote the token's content. */
function sentenceFor(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired. Get a new one.';
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'exp') return 'The token has no valid exp claim. Get a token with an expiry.';
    const claim = ['iss', 'aud', 'nbf', 'sub'].find((name) => name === error.claim);
    return `The token is not valid for this gateway or not valid yet${claim ? `: check its ${claim} claim` : ''}.`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'The signature algorithm of the token is not accepted.';
  return 'The token is not valid: its signature does not match a trusted key.';
}

/** Scopes by their name in tokens. `admin` needs its prefix, because tokens for other services may contain `admin`. */
const scopesByName = new Map<string, Scope>([
  ['read', 'read'],
  ['write', 'write'],
  ['likeness:read', 'read'],
  ['likeness:write', 'write'],
  ['likeness:admin', 'admin'],
  ['likeness.read', 'read'],
  ['likeness.write', 'write'],
  ['likeness.admin', 'admin'],
]);

/**
 * Scopes from `scope` (RFC 8693: space-separated) or `scp` (Microsoft, Okta: string or list). A token without a scope of
 * this gateway, such as one with only `openid profile`, may read and write.
 */
function scopesOf({ scope, scp }: JWTPayload): Scope[] {
  const claims = [scope, scp].flatMap((claim) => (Array.isArray(claim) ? (claim as unknown[]) : [claim]));
  const names = claims.filter((claim) => typeof claim === 'string').flatMap((text) => text.split(/\s+/));
  const hasOwnScope = names.some((name) => scopesByName.has(name) || /^likeness[:.]/.test(name));
  if (!hasOwnScope) return ['read', 'write'];
  return names.map((name) => scopesByName.get(name)).filter((scope) => scope !== undefined);
}
