import type { UpstreamResult } from '../upstream/provider';
import type { AvatarEntity } from './avatar.entity';

/** A recorded picture. */
export type RecordedResult = Pick<AvatarEntity, 'position' | 'resultRef' | 'sourceUrl'>;

/**
 * Finds the entry of each recorded picture in a later answer of the upstream. An entry is a picture's own
 * - if it has the picture's id, or, where one of them has no id,
 * - if its URL differs from the picture's only in the query, or
 * - if it has the picture's position in an answer with as many entries as the first one, in which no id and no URL
 *   is at another position.
 *
 * An answer with fewer or more entries does not show by position which ones it lacks: it may have dropped any entry,
 * and a picture would be stored twice and another one never. Its entries are used only by id and URL.
 *
 * @param count - the number of entries of the first answer; deleted pictures are not in `pictures`
 * @returns for each picture the entry's URL; null if the upstream has no usable URL for it; undefined if the answer
 * does not show which entry is the picture's
 */
export function matchResults(
  pictures: readonly RecordedResult[],
  results: readonly UpstreamResult[],
  count: number,
): (string | null | undefined)[] {
  const refs = pictures.map(({ resultRef }) => resultRef);
  const ids = results.map(({ id }) => id ?? null);
  const byId = pair(refs, ids);
  const byAddress = pair(
    pictures.map(({ sourceUrl }) => addressOf(sourceUrl)),
    results.map(({ url }) => addressOf(url)),
  );
  const identified = pictures.map((_, row) => byId[row] ?? byAddress[row]);
  const isInOrder =
    results.length === count &&
    pictures.every(({ position }, row) => (identified[row] ?? position) === position);
  // A picture that is missing although the answer has ids, or is empty, does not exist upstream.
  const absent = (ref: string | null): null | undefined =>
    ids.every((id) => id !== null) && (ref === null ? results.length === 0 : !ids.includes(ref))
      ? null
      : undefined;
  return pictures.map(({ position, resultRef }, row) => {
    const index = identified[row] ?? (isInOrder ? position : results.length);
    const result = results[index];
    const isSameAddress = byAddress[row] === index;
    const isOwn = result && isIdOf(result.id, { ref: resultRef, refs, isSameAddress });
    return isOwn ? result.url : absent(resultRef);
  });
}

/**
 * Whether an entry with this id may be a picture's: it is the picture's id, or neither the picture's nor another one's
 * is known. A picture with an id is found in an entry without one by its URL only.
 */
function isIdOf(
  id: string | undefined,
  known: { ref: string | null; refs: readonly (string | null)[]; isSameAddress: boolean },
): boolean {
  if (known.ref === null) return id === undefined || !known.refs.includes(id);
  return id === undefined ? known.isSameAddress : id === known.ref;
}

/** For each key of a picture the index of the result with this key, if no other picture and no other result has it. */
function pair(
  pictures: readonly (string | null)[],
  results: readonly (string | null)[],
): (number | undefined)[] {
  const indexes = indexOnce(results);
  const own = indexOnce(pictures);
  return pictures.map((key) => (key !== null && own.has(key) ? indexes.get(key) : undefined));
}

function indexOnce(keys: readonly (string | null)[]): Map<string, number> {
  const indexes = new Map<string, number>();
  const repeated = new Set<string>();
  keys.forEach((key, index) => {
    if (key === null) return;
    if (indexes.has(key)) repeated.add(key);
    indexes.set(key, index);
  });
  for (const key of repeated) indexes.delete(key);
  return indexes;
}

function addressOf(url: string | null): string | null {
  if (url === null || !URL.canParse(url)) return null;
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
