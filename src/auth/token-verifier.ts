import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import { unauthenticated } from '../accounts/account.errors';
import type { Scope, Viewer } from '../core/viewer';
import type { KeySet } from './key-set';
import { problemOfSubject } from './subjects';

/** What makes a token good. */
export interface TokenRules {
  /** The issuer's public keys; null: only tokens of the shared secret are taken. */
  keys: Pick<KeySet, 'find'> | null;
  /** The shared secret; null: only tokens of the issuer's keys are taken. */
  secret: string | null;
  /** What `iss` must be, if anything. */
  issuer: string | undefined;
  /** What `aud` must be or hold, if anything. */
  audience: string | undefined;
}

/** Seconds by which the clocks of issuer and gateway may differ. */
const leewaySeconds = 60;
/** Longer than any token of an identity provider; checking costs time. */
const maxTokenLength = 8_192;

/**
 * Algorithms by where the key comes from. Two lists that share nothing: a public key is never taken for a shared
 * secret, and `none` is in neither (RFC 8725, 3.1).
 */
const algorithms = {
  keys: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
  secret: ['HS256'],
};

/** Tells who is asking from a JSON Web Token. */
export class TokenVerifier {
  private readonly secret: Uint8Array | null;

  constructor(private readonly rules: TokenRules) {
    this.secret = rules.secret === null ? null : new TextEncoder().encode(rules.secret);
  }

  /**
   * Checks signature, times, issuer and audience, of which `exp` must be there, and reads `sub` and the scopes.
   * @throws DomainError UNAUTHENTICATED saying which of these was wrong; SERVICE_UNAVAILABLE if the issuer's keys
   * cannot be had
   */
  async verify(token: string): Promise<Viewer> {
    const payload = await this.payloadOf(token);
    const problem = problemOfSubject(payload.sub);
    if (problem !== null) throw unauthenticated(`The token's sub ${problem}.`);
    return {
      owner: payload.sub!,
      scopes: new Set(scopesOf(payload)),
      expiresAtMs: (payload.exp! + leewaySeconds) * 1_000,
    };
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
      return (await jwtVerify(token, this.secret, { ...options, algorithms: algorithms.secret })).payload;
    }
    if (isShared || !keys) throw new errors.JOSEAlgNotAllowed();
    return (await jwtVerify(token, keys.find, { ...options, algorithms: algorithms.keys })).payload;
  }
}

function algorithmOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).alg;
  } catch (error) {
    throw unauthenticated('This is neither a token nor an API key.', error);
  }
}

/** The error's own message may quote the token's content. */
function sentenceFor(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired. Get a new one.';
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'exp') return 'The token has no valid exp. Get one that expires.';
    const claim = ['iss', 'aud', 'nbf', 'sub'].find((name) => name === error.claim);
    return `The token is not for this gateway, or not yet${claim ? `: see its ${claim}` : ''}.`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return 'Tokens signed like this one are not accepted here.';
  return 'The token is not valid: nobody trusted here has signed it.';
}

/** What each word of a token's scopes means here. Others' `admin` is not ours: that one needs its full name. */
const scopeWords = new Map<string, Scope>([
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
 * The scopes in `scope` (RFC 8693: words in one text) or `scp` (Microsoft, Okta: a text or a list). A token that says
 * nothing about us, as one with `openid profile` only, may read and write.
 */
function scopesOf({ scope, scp }: JWTPayload): Scope[] {
  const claims = [scope, scp].flatMap((claim) => (Array.isArray(claim) ? (claim as unknown[]) : [claim]));
  const words = claims.filter((claim) => typeof claim === 'string').flatMap((text) => text.split(/\s+/));
  const isAboutUs = words.some((word) => scopeWords.has(word) || /^likeness[:.]/.test(word));
  if (!isAboutUs) return ['read', 'write'];
  return words.map((word) => scopeWords.get(word)).filter((found) => found !== undefined);
}
