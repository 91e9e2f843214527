/**
 * A place for texts. Browsers may forbid a storage, or it may be full, such as when other pages of this origin use it too:
 * then nothing is found or written there.
 */
interface Area {
  keys(): string[];
  read(key: string): string | null;
  /** Returns whether it was written. */
  write(key: string, text: string): boolean;
  remove(key: string): void;
}

const prefix = 'likeness.';

function attempt<Result>(access: () => Result, otherwise: Result): Result {
  try {
    return access();
  } catch {
    return otherwise;
  }
}

const areaOf = (open: () => Storage): Area => ({
  keys: () =>
    attempt(() => Object.keys(open()), [])
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length)),
  read: (key) => attempt(() => open().getItem(prefix + key), null),
  write: (key, text) => attempt(() => (open().setItem(prefix + key, text), true), false),
  remove: (key) => attempt(() => open().removeItem(prefix + key), undefined),
});

const texts = new Map<string, string>();

const areas = {
  browser: areaOf(() => localStorage),
  /** Survives a reload, but not the closing of the tab, and is not seen in other tabs. */
  tab: areaOf(() => sessionStorage),
  page: {
    keys: () => [...texts.keys()],
    read: (key) => texts.get(key) ?? null,
    write: (key, text) => texts.set(key, text).has(key),
    remove: (key) => void texts.delete(key),
  } satisfies Area as Area,
};
const all = Object.values(areas);

/** For how long a value is kept: until it is removed, until the tab is closed, or until the page is loaded again. */
export type Lifetime = keyof typeof areas;

/** A value that was stored, as JSON; null if it is missing. */
export function readStored(key: string): unknown {
  const text = all.map((area) => area.read(key)).find((found) => found !== null);
  return text === undefined ? null : attempt<unknown>(() => JSON.parse(text), null);
}

/** Stores a value that the page works without; null removes it. */
export function store(key: string, value: unknown): void {
  if (value !== null) areas.browser.write(key, JSON.stringify(value));
  else for (const area of all) area.remove(key);
}

/**
 * Stores a value for as long as possible.
 * @param isDispensable - whether another value may be removed to have space for it
 */
export function storeSafely(
  key: string,
  value: unknown,
  isDispensable: (key: string, value: unknown) => boolean,
): Lifetime {
  const text = JSON.stringify(value);
  const isInBrowser = areas.browser.write(key, text) || writeInPlaceOf(key, text, isDispensable);
  const others = ['tab', 'page'] as const;
  const lifetime = isInBrowser ? 'browser' : (others.find((name) => areas[name].write(key, text)) ?? 'page');
  for (const area of all) if (area !== areas[lifetime]) area.remove(key);
  return lifetime;
}

/** Removes dispensable values to write another; leaves them if that is not enough. */
function writeInPlaceOf(
  key: string,
  text: string,
  isDispensable: (key: string, value: unknown) => boolean,
): boolean {
  const { browser } = areas;
  const removed = browser
    .keys()
    .filter((other) => other !== key && isDispensable(other, readStored(other)))
    .map((other) => [other, browser.read(other)] as const);
  for (const [other] of removed) browser.remove(other);
  const isWritten = browser.write(key, text);
  if (!isWritten) for (const [other, before] of removed) browser.write(other, before ?? '');
  return isWritten;
}

/** For how long a value is kept that was stored safely. */
export function lifetimeOf(key: string): Lifetime {
  const lifetimes = Object.keys(areas) as Lifetime[];
  return lifetimes.find((name) => areas[name].read(key) !== null) ?? 'page';
}

/** The keys of stored values that start with a prefix. */
export function storedKeys(start: string): string[] {
  const keys = all.flatMap((area) => area.keys().filter((key) => key.startsWith(start)));
  return [...new Set(keys)];
}

/** Calls back when another tab changes the value. Returns a function that ends it. */
export function onStoredElsewhere(key: string, listener: () => void): () => void {
  const listen = (event: StorageEvent): void => {
    if (event.key === prefix + key || event.key === null) listener();
  };
  addEventListener('storage', listen);
  return () => removeEventListener('storage', listen);
}
