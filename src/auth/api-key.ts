import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** What a key's text begins with, so that scanners for leaked secrets can know it. */
export const keyPrefix = 'lk_';

const idBytes = 8;
const secretBytes = 32;
const keyPattern = /^lk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** A key in its two parts: the one that it is found by, and the one that proves it. */
export interface KeyFields {
  readonly id: string;
  readonly secret: string;
}

/** A new key: 64 random bits to be found by, 256 to prove it. */
export function newKey(): KeyFields {
  return {
    id: randomBytes(idBytes).toString('hex'),
    secret: randomBytes(secretBytes).toString('base64url'),
  };
}

/** The key as its holder sends it: `lk_<id>_<secret>`. */
export function writeKey({ id, secret }: KeyFields): string {
  return `${keyPrefix}${id}_${secret}`;
}

/** The parts of a key's text, or null if it has not the form of one. */
export function readKey(text: string): KeyFields | null {
  const match = keyPattern.exec(text);
  return match ? { id: match[1]!, secret: match[2]! } : null;
}

/** SHA-256 of a secret, lower-case hex: all that is stored of it. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** The hash of no key, to compare with where a key is unknown. */
const dummyHash = hashSecret(newKey().secret);

/**
 * Whether a secret is that of a key. Takes the same time for every secret, and as long for a key that is unknown, which
 * is null.
 */
export function verifySecret(secret: string, key: { secretSha256: string } | null): boolean {
  const given = Buffer.from(hashSecret(secret), 'hex');
  const isSame = timingSafeEqual(given, Buffer.from(key?.secretSha256 ?? dummyHash, 'hex'));
  return isSame && key !== null;
}
