/** In characters; the limit of OpenID Connect for `sub`. */
const maxSubjectLength = 255;

/** The prefix of owners that keys act for. Reserved: other owners must not match it. */
const behalfPattern = /^@[^/]*\//;

/**
 * Validates a token's `sub` or a key's owner. Returns the predicate of an error message, or null if it is valid. Control
 * characters and lone surrogates are refused: PostgreSQL rejects the former and stores different ones of the latter as
 * the same text, which would merge two owners.
 */
export function problemOfSubject(subject: unknown): string | null {
  if (typeof subject !== 'string' || subject === '') return 'is missing';
  if (subject.length > maxSubjectLength) return `is longer than ${maxSubjectLength} characters`;
  if (/[\p{Cc}\p{Cs}]/u.test(subject)) return 'contains control characters';
  if (behalfPattern.test(subject)) return 'uses the reserved form @…/…';
  return null;
}

/** Validates the owner of a key that acts for others. Without a slash, two keys cannot produce the same owner. */
export function problemOfBehalfOwner(owner: string): string | null {
  return owner.includes('/') ? 'must not contain a slash if the key acts on behalf of others' : null;
}

/** Validates X-Likeness-Owner. ASCII only, because HTTP headers do not transmit other characters reliably. */
export function problemOfBehalf(subject: string): string | null {
  if (/^[\x21-\x7e]{1,255}$/.test(subject)) return null;
  return `must be 1 to ${maxSubjectLength} visible ASCII characters without spaces`;
}

/**
 * The owner that a key acts for: `@acme/bob` for the user `bob` of the key's owner `acme`. The namespace is reserved, so
 * it cannot collide with a token's `sub` or a key's own owner.
 */
export function ownerOnBehalf(keyOwner: string, subject: string): string {
  return `@${keyOwner}/${subject}`;
}

/** Validates an owner of any kind: that of a token or key, or a user that a key acts for, `@acme/bob`. */
export function problemOfOwner(owner: string): string | null {
  const [, keyOwner, user] = /^@([^/]*)\/(.*)$/su.exec(owner) ?? [];
  if (keyOwner === undefined || user === undefined) return problemOfSubject(owner);
  if (keyOwner === '') return 'uses the reserved form @/…';
  return problemOfSubject(keyOwner) ?? problemOfBehalf(user);
}
