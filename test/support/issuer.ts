import { createServer, type ServerResponse } from 'node:http';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose';
import { listening, stopped } from './servers';

/** A key pair of the issuer. */
interface IssuerKey {
  algorithm: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

/** Options of a token. */
export interface TokenOptions {
  kid?: string;
  algorithm?: string;
  /** Not included in the token if null. */
  subject?: string | null;
  issuer?: string;
  audience?: string | string[];
  /** The lifetime in seconds; unlimited if null. */
  endsInSeconds?: number | null;
  claims?: JWTPayload;
}

/** An identity provider: signs tokens and publishes its keys. */
export class Issuer {
  private readonly keys = new Map<string, IssuerKey>();
  private readonly published = new Set<string>();
  /** The number of requests for its keys. */
  visits = 0;
  /** The response instead of its keys. */
  broken: { status: number; body: string } | null = null;
  /** Whether it accepts requests without answering them. */
  isHanging = false;
  private readonly held = new Set<ServerResponse>();
  private port = 0;

  private readonly server = createServer(({ url: path }, response) => {
    this.visits += 1;
    if (this.isHanging) this.held.add(response);
    else if (path !== '/jwks') response.writeHead(404).end();
    else if (this.broken) response.writeHead(this.broken.status).end(this.broken.body);
    else void this.keySet().then((body) => response.writeHead(200).end(body));
  });

  /** Starts an issuer with a key `first` of the algorithm. */
  static async start(algorithm = 'RS256'): Promise<Issuer> {
    const issuer = new Issuer();
    issuer.port = await listening(issuer.server);
    await issuer.add('first', algorithm);
    return issuer;
  }

  get jwksUrl(): string {
    return `http://127.0.0.1:${this.port}/jwks`;
  }

  /** Creates a key, and publishes it by default. */
  async add(kid: string, algorithm: string, isPublished = true): Promise<void> {
    const pair = await generateKeyPair(algorithm, { extractable: true });
    this.keys.set(kid, { algorithm, ...pair });
    if (isPublished) this.published.add(kid);
  }

  publish(kid: string): void {
    this.published.add(kid);
  }

  withdraw(kid: string): void {
    this.published.delete(kid);
  }

  /** Closes the connections of hanging requests. */
  hangUp(): void {
    for (const response of this.held) response.destroy();
    this.held.clear();
  }

  /** A public key in PEM format. */
  async publicPem(kid: string): Promise<string> {
    return exportSPKI(this.keys.get(kid)!.publicKey);
  }

  /** A token for `alice` that expires in five minutes by default. */
  async token(options: TokenOptions = {}): Promise<string> {
    const { kid = 'first' } = options;
    const { algorithm, privateKey } = this.keys.get(kid)!;
    return signed(privateKey, { ...options, kid, algorithm });
  }

  async stop(): Promise<void> {
    this.hangUp();
    await stopped(this.server);
  }

  private async keySet(): Promise<string> {
    const keys = await Promise.all(
      [...this.published].map(async (kid) => {
        const { algorithm, publicKey } = this.keys.get(kid)!;
        return { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' };
      }),
    );
    return JSON.stringify({ keys });
  }
}

/** A token signed with a key, or with a shared secret. */
export async function signed(key: CryptoKey | string, options: TokenOptions): Promise<string> {
  const { subject = 'alice', algorithm = 'HS256', kid, issuer, audience, endsInSeconds = 300 } = options;
  const payload = {
    sub: subject ?? undefined,
    iss: issuer,
    aud: audience,
    exp: endsInSeconds === null ? undefined : Math.floor(Date.now() / 1_000) + endsInSeconds,
    ...options.claims,
  };
  const bytes = typeof key === 'string' ? new TextEncoder().encode(key) : key;
  return new SignJWT(payload).setProtectedHeader({ alg: algorithm, kid }).sign(bytes);
}

/** An unsigned token (`alg: none`). */
export function unsigned(payload: JWTPayload): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none', typ: 'JWT' })}.${part(payload)}.`;
}
