/** An environment variable that looks like a setting but is not one. */
export interface UnknownSetting {
  readonly name: string;
  /** The known setting with the most similar name. */
  readonly nearest: string;
}

/**
 * Finds variables that begin like a setting but are not: the first word of their name, up to `_`, is that of a setting
 * (`PICSART_KEY`), or they extend a setting of one word by further words or by one letter (`AUTH_MODE`, `PORTS`). They may
 * belong to another program, so they do not stop the start.
 * @param known - the names of all settings
 */
export function unknownSettings(
  environment: Readonly<Record<string, string | undefined>>,
  known: readonly string[],
): UnknownSetting[] {
  const prefixes = new Set(known.filter((name) => name.includes('_')).map(prefixOf));
  const words = known.filter((name) => !name.includes('_'));
  const nearestTo = (name: string): string | undefined =>
    prefixes.has(prefixOf(name)) ? nearestOf(name, known) : words.find((word) => isExtensionOf(word, name));
  return Object.entries(environment)
    .filter(([name, value]) => !known.includes(name) && !isOfOthers(name, value))
    .map(([name]) => ({ name, nearest: nearestTo(name) }))
    .filter((setting): setting is UnknownSetting => setting.nearest !== undefined)
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

const prefixOf = (name: string): string => name.slice(0, name.indexOf('_') + 1);

const isExtensionOf = (word: string, name: string): boolean =>
  name.startsWith(word) && /^(_.*|[A-Z])$/.test(name.slice(word.length));

/** What Docker and Kubernetes set for services, such as `REDIS_SERVICE_HOST` and `PORT_5432_TCP`, and other programs use. */
const namesOfOthers =
  /_SERVICE_(HOST|PORT)(_|$)|_\d+_(TCP|UDP|SCTP)(_|$)|^AUTH_(TOKEN|SECRET|URL)$|^HOST_(IP|UID|GID)$/;

const isOfOthers = (name: string, value = ''): boolean =>
  namesOfOthers.test(name) || (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value));

/** The word with the smallest edit distance; the first one of several. */
function nearestOf(given: string, known: readonly string[]): string {
  const distances = known.map((name) => editDistance(given, name));
  return known[distances.indexOf(Math.min(...distances))]!;
}

/** Levenshtein's distance: how many characters to insert, delete or replace. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const replaced = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row.at(-1)!;
}
