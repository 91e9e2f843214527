import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** The prefix of every key, which secret scanners can detect. */
export const keyPrefix = 'lk_';

const idBytes = 8;
const secretBytes = 32;
const keyPattern = /^lk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** The two parts of a key: the id for lookup and the secret. */
export interface KeyFields {
  readonly id: string;
  readonly secret: string;
}

/** A new key: an id of 64 random bits and a secret of 256. */
export function newKey(): KeyFields {
  return {
    id: randomBytes(idBytes).toString('hex'),
    secret: randomBytes(secretBytes).toString('base64url'),
  };
}

/** The text form of a key: `lk_<id>_<secret>`. */
export function writeKey({ id, secret }: KeyFields): string {
  return `${keyPrefix}${id}_${secret}`;
}

/** Parses the text form of a key; null if it is malformed. */
export function readKey(text: string): KeyFields | null {
  const match = keyPattern.exec(text);
  return match ? { id: match[1]!, secret: match[2]! } : null;
}

/** The stored form of a secret: SHA-256, lower-case hex. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Compared with if a key is unknown, so that the comparison takes the same time. */
const dummyHash = hashSecret(newKey().secret);

/**
 * Whether the secret matches the key, in constant time. For an unknown key (null), takes the same time and returns
 * false.
 */
export function verifySecret(secret: string, key: { secretSha256: string } | null): boolean {
  const given = Buffer.from(hashSecret(secret), 'hex');
  const isSame = timingSafeEqual(given, Buffer.from(key?.secretSha256 ?? dummyHash, 'hex'));
  return isSame && key !== null;
}
