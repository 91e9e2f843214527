/** The longest subject, in characters; as OpenID Connect bounds `sub`. */
const maxSubjectLength = 255;

/** Begins the owners that keys act for; nobody else's may look like one. */
const behalfPattern = /^@[^/]*\//;

/**
 * Why a token's `sub` or a key's owner cannot own anything, in words for a sentence that begins with its name; null if
 * it can. Control characters and halves of surrogate pairs are refused: the database would refuse the first, and write
 * different ones of the second alike, so that two people became one.
 */
export function problemOfSubject(subject: unknown): string | null {
  if (typeof subject !== 'string' || subject === '') return 'is missing';
  if (subject.length > maxSubjectLength) return `is longer than ${maxSubjectLength} characters`;
  if (/[\p{Cc}\p{Cs}]/u.test(subject)) return 'holds control characters';
  if (behalfPattern.test(subject)) return 'looks like one that a key acts for (@…/…)';
  return null;
}

/** Why a key with this owner cannot act for others, or null. Without the slash, no two keys can mean the same owner. */
export function problemOfBehalfOwner(owner: string): string | null {
  return owner.includes('/') ? 'must hold no slash if the key acts on behalf of others' : null;
}

/** Why nobody can be acted for under this name, or null. Plain characters only: headers carry no others unharmed. */
export function problemOfBehalf(subject: string): string | null {
  if (/^[\x21-\x7e]{1,255}$/.test(subject)) return null;
  return `must be 1 to ${maxSubjectLength} visible ASCII characters without spaces`;
}

/**
 * The owner that a key acts for: `@acme/bob` for the user `bob` of the key's owner `acme`. A namespace of its own: no
 * token's `sub` and no key's own owner can be in it, so `bob` himself and the `bob` that a backend speaks of never meet.
 */
export function ownerOnBehalf(keyOwner: string, subject: string): string {
  return `@${keyOwner}/${subject}`;
}
