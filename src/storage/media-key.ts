const keyPattern =
  /^(?<folder>[a-z]{1,32})\/(?<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.[a-z0-9]{1,16}){0,3}$/;

/** A key's parts: `photos/<id>.jpg`. */
export interface MediaKey {
  folder: string;
  /** A UUID in lower case. */
  id: string;
}

/** Reads a key; null for whatever is none: no key leads out of its folder, or to a file of the store's own. */
export function readMediaKey(key: string): MediaKey | null {
  const parts = keyPattern.exec(key)?.groups;
  return parts ? { folder: parts.folder!, id: parts.id! } : null;
}

/**
 * Reads a key that must be one. Keys are made by the program from ids, so that anything else is a bug.
 * @throws Error
 */
export function parseMediaKey(key: string): MediaKey {
  const parts = readMediaKey(key);
  if (!parts) throw new Error('A media key must look like photos/<uuid>.jpg.');
  return parts;
}
