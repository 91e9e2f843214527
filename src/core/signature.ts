import { createHmac, timingSafeEqual } from 'node:crypto';

/** What a signature may be for. It is part of what is signed, so a URL for one purpose never opens another. */
export type Purpose = 'photo-upload' | 'photo-upstream' | 'photo-view' | 'avatar-view' | 'export';

/** How a check ended; `expired` is told apart only for signatures that were once right. */
export type SignatureVerdict = 'valid' | 'expired' | 'invalid';

/**
 * Signs the URLs given out: HMAC-SHA256 over purpose, subject and expiry. Several secrets may be known so that they
 * can be rotated with overlap: the first signs, all verify.
 */
export class UrlSigner {
  constructor(private readonly secrets: readonly [string, ...string[]]) {}

  /**
   * The query string that opens `subject` for `purpose`.
   * @param expiresAtMs - Unix milliseconds; rounded up to the second
   * @returns `expires=<Unix seconds>&signature=<base64url>`
   */
  sign(purpose: Purpose, subject: string, expiresAtMs: number): string {
    const expires = Math.ceil(expiresAtMs / 1000);
    return `expires=${expires}&signature=${mac(this.secrets[0], purpose, subject, expires)}`;
  }

  /** Checks a query made by {@link sign}. */
  verify(purpose: Purpose, subject: string, query: URLSearchParams, nowMs = Date.now()): SignatureVerdict {
    const expires = Number(query.get('expires'));
    const given = Buffer.from(query.get('signature') ?? '');
    if (!Number.isSafeInteger(expires)) return 'invalid';
    const right = this.secrets.some((secret) => {
      const wanted = Buffer.from(mac(secret, purpose, subject, expires));
      return wanted.length === given.length && timingSafeEqual(wanted, given);
    });
    if (!right) return 'invalid';
    return expires * 1000 < nowMs ? 'expired' : 'valid';
  }
}

function mac(secret: string, purpose: Purpose, subject: string, expires: number): string {
  return createHmac('sha256', secret).update(`${purpose}\n${subject}\n${expires}`).digest('base64url');
}
