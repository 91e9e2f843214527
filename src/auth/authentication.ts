import { forbidden, unauthenticated } from '../core/errors';
import { type Viewer, localViewer } from '../core/viewer';
import { keyPrefix, type ApiKeyService } from './api-key.service';
import { clientTokenPrefix, type ClientTokenService } from './client-token.service';
import type { TokenVerifier } from './token-verifier';

/** The credentials of a request, not yet verified. */
export interface Credentials {
  /** All `Authorization` headers: `Bearer …`. */
  readonly authorization?: readonly string[];
  /** All `X-Likeness-Owner` headers: the user that the holder of an API key acts for. */
  readonly onBehalfOf?: readonly string[];
  /** The payload of a WebSocket's `connection_init`: the same values under the headers' names, case-insensitive. */
  readonly connectionParams?: unknown;
}

/** The enabled authentication methods. */
export interface AuthMethods {
  tokens: Pick<TokenVerifier, 'verify'> | null;
  keys: Pick<ApiKeyService, 'authenticate'> | null;
  /** Null without API keys, unless authentication is disabled. */
  clientTokens: Pick<ClientTokenService, 'authenticate'> | null;
  /** Whether authentication is disabled: AUTH=none. */
  isOpen: boolean;
}

/**
 * Authenticates requests over HTTP, SSE and WebSocket. Credentials that start with `lk_` are API keys, those with `lct_`
 * are client tokens, all others are tokens of the identity provider.
 */
export class Authentication {
  constructor(private readonly methods: AuthMethods) {}

  /**
   * @returns the viewer, at once if nothing must be read to verify the credentials
   * @throws DomainError UNAUTHENTICATED, FORBIDDEN; SERVICE_UNAVAILABLE if the credentials cannot be verified now. The
   * messages never contain the credentials.
   */
  readonly authenticate = (credentials: Credentials): Viewer | Promise<Viewer> => {
    const { isOpen, keys } = this.methods;
    // Without authentication a client token still has its limits, so that it can be tried.
    if (isOpen && !hasClientToken(credentials)) return localViewer;
    const credential = bearerOf(
      onlyValue('Authorization', credentials.authorization, credentials.connectionParams),
    );
    const behalf = onlyValue('X-Likeness-Owner', credentials.onBehalfOf, credentials.connectionParams);
    if (credential.startsWith(keyPrefix)) {
      if (!keys) throw unauthenticated('API keys are disabled. Send a token.');
      return keys.authenticate(credential, behalf);
    }
    if (behalf !== undefined) throw forbidden('X-Likeness-Owner requires an API key. Remove the header.');
    return this.verifierOf(credential)(credential);
  };

  /** Verifies credentials other than an API key. */
  private verifierOf(credential: string): (credential: string) => Viewer | Promise<Viewer> {
    const { clientTokens, tokens } = this.methods;
    if (credential.startsWith(clientTokenPrefix)) {
      if (!clientTokens) throw unauthenticated('Client tokens are disabled. Send a token.');
      return (token) => clientTokens.authenticate(token);
    }
    if (!tokens) throw unauthenticated('Tokens are disabled. Send an API key (lk_<id>_<secret>).');
    return (token) => tokens.verify(token);
  }
}

/** Whether a value of `Authorization` is a client token. */
function hasClientToken({ authorization = [], connectionParams }: Credentials): boolean {
  const values = [...authorization, ...paramsNamed('Authorization', connectionParams)];
  return values.some((value) => typeof value === 'string' && clientTokenPattern.test(value));
}

const clientTokenPattern = new RegExp(`^Bearer +${clientTokenPrefix}`, 'i');

function bearerOf(header: string | undefined): string {
  if (header === undefined) {
    throw unauthenticated(
      'Authentication required. Send the header `Authorization: Bearer <token or API key>`, over WebSocket as `Authorization` in the payload of connection_init.',
    );
  }
  const match = /^Bearer +([^\s,]+) *$/i.exec(header);
  if (!match) throw unauthenticated('The Authorization header must be `Bearer <token or API key>`.');
  return match[1]!;
}

/**
 * The single value of a header or connection parameter; undefined if it was not sent. Invalid values are refused rather
 * than ignored, because ignoring them could authenticate a different identity than intended.
 * @throws DomainError UNAUTHENTICATED if the values differ or are not strings
 */
function onlyValue(name: string, headers: readonly string[] = [], params: unknown): string | undefined {
  const [first, ...others] = new Set<unknown>([...headers, ...paramsNamed(name, params)]);
  if (others.length > 0) throw unauthenticated(`${name} was sent with different values. Send it once.`);
  if (first === undefined || typeof first === 'string') return first;
  throw unauthenticated(`${name} in connection_init must be a string.`);
}

/** All parameters with this name, case-insensitive like header names. */
function paramsNamed(header: string, params: unknown): unknown[] {
  if (typeof params !== 'object' || params === null) return [];
  const named = Object.entries(params).filter(([name]) => name.toLowerCase() === header.toLowerCase());
  return named.map(([, value]) => value as unknown);
}
