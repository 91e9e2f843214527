/** A value that survives a reload, as JSON in localStorage; null if it is not stored. */
export function readStored(key: string): unknown {
  try {
    const text = localStorage.getItem(`likeness.${key}`);
    return text === null ? null : (JSON.parse(text) as unknown);
  } catch {
    return null;
  }
}

/** Null removes the value. Storage may be full or forbidden: then nothing is kept. */
export function store(key: string, value: unknown): void {
  try {
    if (value === null) localStorage.removeItem(`likeness.${key}`);
    else localStorage.setItem(`likeness.${key}`, JSON.stringify(value));
  } catch {
    // The page works without; only a reload forgets.
  }
}

/** The keys of stored values that start with a prefix. */
export function storedKeys(prefix: string): string[] {
  const start = 'likeness.';
  try {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(start + prefix));
    return keys.map((key) => key.slice(start.length));
  } catch {
    return [];
  }
}

/** Calls back when another tab changes the value. Returns a function that ends it. */
export function onStoredElsewhere(key: string, listener: () => void): () => void {
  const listen = (event: StorageEvent): void => {
    if (event.key === `likeness.${key}` || event.key === null) listener();
  };
  addEventListener('storage', listen);
  return () => removeEventListener('storage', listen);
}
