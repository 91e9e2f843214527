/** The key that the viewer pasted. It lives as long as the tab, and is never shown or logged. */
const storageKey = 'likeness.accessKey';

/** Where GraphiQL keeps the key that was pasted there, in the same tab. */
const graphiqlStorageKey = 'likeness:key';

/** Where the browser permits no storage, or it is full, the key lives until the page is loaded again. */
let unstored: string | null = null;

export function readAccessKey(): string | null {
  if (unstored !== null) return unstored;
  try {
    return sessionStorage.getItem(storageKey);
  } catch {
    return null;
  }
}

export function storeAccessKey(key: string): void {
  forgetAccessKey();
  try {
    sessionStorage.setItem(storageKey, key);
  } catch {
    unstored = key;
  }
}

export function forgetAccessKey(): void {
  unstored = null;
  try {
    sessionStorage.removeItem(storageKey);
  } catch {
    // There is no storage.
  }
}

/** Forgets the keys of the studio and of GraphiQL in this tab, for the next person at it. */
export function forgetAllKeys(): void {
  forgetAccessKey();
  try {
    sessionStorage.removeItem(graphiqlStorageKey);
  } catch {
    // There is no storage.
  }
}

/** The header of requests, also the payload of `connection_init`; empty without a key. */
export function authorization(): Record<string, string> {
  const key = readAccessKey();
  return key === null ? {} : { Authorization: `Bearer ${key}` };
}

/**
 * The key in a text that was pasted: with quotes around it, as the value of a header, or broken into lines.
 * @returns null if the text is not a key: a request with such characters could not be sent
 */
export function readPastedKey(text: string): string | null {
  const key = text
    .replace(/^[\s"'`“”‘’]*(?:authorization\s*:)?\s*(?:bearer\s)?/i, '')
    .replace(/[\s"'`“”‘’\u200b\ufeff]/g, '');
  return /^[\x21-\x7e]+$/.test(key) ? key : null;
}
