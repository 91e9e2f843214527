import { type Viewer, localViewer } from '../core/viewer';
import { forbidden, unauthenticated } from './account.errors';
import { keyPrefix } from './api-key';
import type { ApiKeyService } from './api-key.service';
import type { TokenVerifier } from './token-verifier';

/** What a caller shows of itself, by header or by a socket's `connection_init`. */
export interface ShownCredentials {
  /** The header, as it was sent: `Bearer …`. */
  readonly authorization?: string;
  /** The header `X-Likeness-Owner`: whom the holder of a key speaks for. */
  readonly onBehalfOf?: string;
  /** The payload of a WebSocket's `connection_init`: the same under the headers' names, in any case. */
  readonly connectionParams?: unknown;
}

/** Which proofs are taken; both may be. */
export interface Proofs {
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
  constructor(private readonly proofs: Proofs) {}

  /**
   * @throws DomainError UNAUTHENTICATED, FORBIDDEN; SERVICE_UNAVAILABLE if it cannot be found out now. None of them
   * repeats what was shown.
   */
  readonly authenticate = async (shown: ShownCredentials): Promise<Viewer> => {
    const { isOpen, keys, tokens } = this.proofs;
    if (isOpen) return localViewer;
    const param = (name: string): string | undefined => paramOf(shown.connectionParams, name);
    const proof = bearerOf(param('authorization') ?? shown.authorization);
    const behalf = param('x-likeness-owner') ?? shown.onBehalfOf;
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

/** A text among the parameters; names of headers have no case. */
function paramOf(params: unknown, wanted: string): string | undefined {
  if (typeof params !== 'object' || params === null) return undefined;
  const found = Object.entries(params).find(([name]) => name.toLowerCase() === wanted);
  return typeof found?.[1] === 'string' ? found[1] : undefined;
}
