/** The key that the viewer pasted. It lives as long as the tab, and is never shown or logged. */
const storageKey = 'likeness.accessKey';

export function readAccessKey(): string | null {
  return sessionStorage.getItem(storageKey);
}

export function storeAccessKey(key: string): void {
  sessionStorage.setItem(storageKey, key);
}

export function forgetAccessKey(): void {
  sessionStorage.removeItem(storageKey);
}

/** The header of requests, also the payload of `connection_init`; empty without a key. */
export function authorization(): Record<string, string> {
  const key = readAccessKey();
  return key === null ? {} : { Authorization: `Bearer ${key}` };
}
