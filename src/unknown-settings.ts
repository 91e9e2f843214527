/** An environment variable that looks like a setting but is not one. */
export interface UnknownSetting {
  readonly name: string;
  /** The known setting with the most similar name. */
  readonly nearest: string;
}

/**
 * Finds variables that begin like a setting but are not, such as `PICSART_KEY`: the first word of their name, up to `_`,
 * is that of a setting. They may belong to another program, so they do not stop the start.
 * @param known - the names of all settings
 */
export function unknownSettings(
  environment: Readonly<Record<string, string | undefined>>,
  known: readonly string[],
): UnknownSetting[] {
  const prefixes = new Set(known.filter((name) => name.includes('_')).map(prefixOf));
  return Object.keys(environment)
    .filter((name) => !known.includes(name) && name.includes('_') && prefixes.has(prefixOf(name)))
    .sort()
    .map((name) => ({ name, nearest: nearestOf(name, known) }));
}

const prefixOf = (name: string): string => name.slice(0, name.indexOf('_') + 1);

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
