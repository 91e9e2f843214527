import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const cipher = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;
/** Standard Webhooks: 24 to 64 bytes. */
const secretBytes = 32;

/**
 * Makes and encrypts the secrets of webhooks. The key of the encryption is derived from the signing secrets of the server: the
 * first one encrypts, all of them decrypt.
 */
export class WebhookSecrets {
  private readonly keys: readonly Buffer[];

  constructor(signingSecrets: readonly string[]) {
    this.keys = signingSecrets.map((secret) =>
      Buffer.from(hkdfSync('sha256', secret, '', 'likeness webhook secrets', 32)),
    );
  }

  /** A new secret, as its owner receives it. */
  create(): string {
    return `whsec_${randomBytes(secretBytes).toString('base64')}`;
  }

  /** @param webhookId - the encrypted text is valid for this webhook only */
  encrypt(secret: string, webhookId: string): string {
    const nonce = randomBytes(nonceBytes);
    const encryption = createCipheriv(cipher, this.keys[0]!, nonce).setAAD(Buffer.from(webhookId));
    const encrypted = Buffer.concat([encryption.update(secret, 'utf8'), encryption.final()]);
    return Buffer.concat([nonce, encryption.getAuthTag(), encrypted]).toString('base64url');
  }

  /** Whether secrets may be encrypted with another signing secret than the first one. */
  get areSeveral(): boolean {
    return this.keys.length > 1;
  }

  /** The text encrypted with the first signing secret; null if it is already, or cannot be decrypted. */
  renew(text: string, webhookId: string): string | null {
    if (this.decryptWith([this.keys[0]!], text, webhookId) !== null) return null;
    const secret = this.decrypt(text, webhookId);
    return secret === null ? null : this.encrypt(secret, webhookId);
  }

  /** Null if it was encrypted with a signing secret that the server no longer has. */
  decrypt(text: string, webhookId: string): string | null {
    return this.decryptWith(this.keys, text, webhookId);
  }

  private decryptWith(keys: readonly Buffer[], text: string, webhookId: string): string | null {
    const bytes = Buffer.from(text, 'base64url');
    const nonce = bytes.subarray(0, nonceBytes);
    const tag = bytes.subarray(nonceBytes, nonceBytes + tagBytes);
    const encrypted = bytes.subarray(nonceBytes + tagBytes);
    for (const key of keys) {
      try {
        const decryption = createDecipheriv(cipher, key, nonce, { authTagLength: tagBytes })
          .setAAD(Buffer.from(webhookId))
          .setAuthTag(tag);
        return Buffer.concat([decryption.update(encrypted), decryption.final()]).toString('utf8');
      } catch {
        // Encrypted with another key.
      }
    }
    return null;
  }
}
