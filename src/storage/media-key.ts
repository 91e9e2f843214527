const keyPattern =
  /^(?<folder>[a-z]{1,32})\/(?<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.[a-z0-9]{1,16}){0,3}$/;

/** A key's parts: `photos/<id>.jpg`. */
export interface MediaKey {
  folder: string;
  /** A UUID in lower case. */
  id: string;
}

/**
 * Parses a key; null if it is not valid. A valid key never refers to a path outside its folder or to a file of the
 * store itself.
 */
export function readMediaKey(key: string): MediaKey | null {
  const parts = keyPattern.exec(key)?.groups;
  return parts ? { folder: parts.folder!, id: parts.id! } : null;
}

/**
 * Parses a key that must be valid: keys are built by the program from ids.
 * @throws Error if it is not valid
 */
export function parseMediaKey(key: string): MediaKey {
  const parts = readMediaKey(key);
  if (!parts) throw new Error('A media key must have the form photos/<uuid>.jpg.');
  return parts;
}
