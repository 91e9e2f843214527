import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { MediaStore } from '../storage/media-store';

const timeoutMs = 10_000;

/** The prefixes of objects that only the gateway may read: their keys are made of ids. */
const privateFolders = ['photos', 'uploads'] as const;

/** What the CDN does with objects of a prefix; `unknown`: it cannot be reached, or has a problem of another kind. */
export type CdnVerdict = 'readable' | 'refused' | 'unknown';

/** What a CDN answers about an object that it does not give out. Some answer each unknown path with a page and 200. */
const refusals = [200, 401, 403, 404, 410];

/** Tries to read objects of its own through the CDN, under each prefix that the CDN must refuse. */
export async function examineCdn(
  publicUrl: string,
  store: MediaStore,
): Promise<ReadonlyMap<string, CdnVerdict>> {
  const verdicts = new Map<string, CdnVerdict>();
  for (const folder of privateFolders) {
    const verdict = await examineFolder(publicUrl, store, folder).catch(() => 'unknown' as const);
    verdicts.set(`${folder}/`, verdict);
  }
  return verdicts;
}

async function examineFolder(publicUrl: string, store: MediaStore, folder: string): Promise<CdnVerdict> {
  const key = `${folder}/${randomUUID()}.jpg`;
  const content = randomUUID();
  await store.put(key, Readable.from([Buffer.from(content)]), content.length);
  try {
    const url = `${publicUrl.replace(/\/+$/, '')}/${key}`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    if ((await answer.text()).includes(content)) return 'readable';
    return refusals.includes(answer.status) ? 'refused' : 'unknown';
  } finally {
    // If this fails the sweep of orphans deletes it.
    await store.delete(key).catch(() => undefined);
  }
}
