import { forbidden, unauthenticated } from '../accounts/account.errors';
import { type Viewer, localViewer } from '../core/viewer';
import { keyPrefix } from './api-key';
import type { ApiKeyService } from './api-key.service';
import type { TokenVerifier } from './token-verifier';

/** The credentials of a caller, as they were sent. */
export interface Credentials {
  /** Every header `Authorization`: `Bearer …`. */
  readonly authorization?: readonly string[];
  /** Every header `X-Likeness-Owner`: the user that the holder of an API key acts for. */
  readonly onBehalfOf?: readonly string[];
  /** The payload of a WebSocket's `connection_init`: the same under the headers' names, in any case. */
  readonly connectionParams?: unknown;
}

/** Which proofs are taken; both may be. */
export interface AuthMethods {
  tokens: Pick<TokenVerifier, 'verify'> | null;
  keys: Pick<ApiKeyService, 'authenticate'> | null;
  /** Whether nobody is asked: AUTH=none. */
  isOpen: boolean;
}

/**
 * Tells who is asking. What is shown says by its form what it is: `lk_…` is a key, everything else a token. The same
 * for HTTP, SSE and WebSocket.
 */
export class Authentication {
  constructor(private readonly proofs: AuthMethods) {}

  /**
   * @throws DomainError UNAUTHENTICATED, FORBIDDEN; SERVICE_UNAVAILABLE if it cannot be found out now. None of them
   * repeats what was shown.
   */
  readonly authenticate = async (credentials: Credentials): Promise<Viewer> => {
    const { isOpen, keys, tokens } = this.proofs;
    if (isOpen) return localViewer;
    const proof = bearerOf(
      onlyValue('Authorization', credentials.authorization, credentials.connectionParams),
    );
    const behalf = onlyValue('X-Likeness-Owner', credentials.onBehalfOf, credentials.connectionParams);
    if (proof.startsWith(keyPrefix)) {
      if (!keys) throw unauthenticated('API keys are not accepted here. Send a token.');
      return keys.authenticate(proof, behalf);
    }
    if (!tokens)
      throw unauthenticated('Tokens are not accepted here. Send an API key, which is lk_<id>_<secret>.');
    if (behalf !== undefined) throw forbidden('Only API keys act for others. Leave X-Likeness-Owner out.');
    return tokens.verify(proof);
  };
}

function bearerOf(header: string | undefined): string {
  if (header === undefined) {
    throw unauthenticated(
      'Say who you are: send the header `Authorization: Bearer <token or API key>`, over WebSocket as `Authorization` in the payload of connection_init.',
    );
  }
  const match = /^Bearer +([^\s,]+) *$/i.exec(header);
  if (!match) throw unauthenticated('The Authorization header must be `Bearer <token or API key>`.');
  return match[1]!;
}

/**
 * The one value that a caller has sent under a name, in headers and parameters together; undefined if it has sent none.
 * A value that cannot be used is refused, never ignored: the caller, or a proxy in front of it, meant something by it.
 * @throws DomainError UNAUTHENTICATED if the values differ, or one of them is not a text
 */
function onlyValue(name: string, headers: readonly string[] = [], params: unknown): string | undefined {
  const [first, ...others] = new Set<unknown>([...headers, ...paramsNamed(name, params)]);
  if (others.length > 0) throw unauthenticated(`${name} was sent with different values. Send it once.`);
  if (first === undefined || typeof first === 'string') return first;
  throw unauthenticated(`${name} in connection_init must be a string.`);
}

/** The parameters of a name; like names of headers, it has no case. */
function paramsNamed(wanted: string, params: unknown): unknown[] {
  if (typeof params !== 'object' || params === null) return [];
  const named = Object.entries(params).filter(([name]) => name.toLowerCase() === wanted.toLowerCase());
  return named.map(([, value]) => value as unknown);
}
