import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const secretBytes = 32;

/** A new secret of an API key or client token: 43 characters of base64url. */
export function newSecret(): string {
  return randomBytes(secretBytes).toString('base64url');
}

/** The stored form of a secret: SHA-256, lower-case hex. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Compared with if a key or token is unknown, so that the comparison takes the same time. */
const dummyHash = hashSecret(newSecret());

/**
 * Whether the secret matches the stored one, in constant time. For an unknown one (null), takes the same time and returns
 * false.
 */
export function verifySecret(secret: string, stored: { secretSha256: string } | null): boolean {
  const given = Buffer.from(hashSecret(secret), 'hex');
  const isSame = timingSafeEqual(given, Buffer.from(stored?.secretSha256 ?? dummyHash, 'hex'));
  return isSame && stored !== null;
}
