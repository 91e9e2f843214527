import { createHmac, timingSafeEqual } from 'node:crypto';

/** The purpose of a signed URL. It is part of the signed text, so a signature is valid for one purpose only. */
export type Purpose =
  'photo-upload' | 'photo-upstream' | 'photo-view' | 'avatar-view' | 'avatar-download' | 'export';

/** The result of a verification. `expired` is returned only for signatures that are otherwise valid. */
export type SignatureVerdict = 'valid' | 'expired' | 'invalid';

/**
 * Signs URLs with HMAC-SHA256 over purpose, subject and expiry. For rotation, several secrets may be configured: the
 * first one signs, all of them verify.
 */
export class UrlSigner {
  constructor(private readonly secrets: readonly [string, ...string[]]) {}

  /**
   * The query string that grants access to `subject` for `purpose`.
   * @param expiresAtMs - Unix milliseconds; rounded up to the second
   * @returns `expires=<Unix seconds>&signature=<base64url>`
   */
  sign(purpose: Purpose, subject: string, expiresAtMs: number): string {
    const expires = Math.ceil(expiresAtMs / 1000);
    return `expires=${expires}&signature=${mac(this.secrets[0], purpose, subject, expires)}`;
  }

  /** Verifies a query made by {@link sign}. */
  verify(purpose: Purpose, subject: string, query: URLSearchParams, nowMs = Date.now()): SignatureVerdict {
    const expires = Number(query.get('expires'));
    const given = Buffer.from(query.get('signature') ?? '');
    if (!Number.isSafeInteger(expires)) return 'invalid';
    const isValid = this.secrets.some((secret) => {
      const expected = Buffer.from(mac(secret, purpose, subject, expires));
      return expected.length === given.length && timingSafeEqual(expected, given);
    });
    if (!isValid) return 'invalid';
    return expires * 1000 < nowMs ? 'expired' : 'valid';
  }
}

function mac(secret: string, purpose: Purpose, subject: string, expires: number): string {
  return createHmac('sha256', secret).update(`${purpose}\n${subject}\n${expires}`).digest('base64url');
}
