import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { MediaStore } from '../storage/media-store';

const timeoutMs = 10_000;

/** The prefixes of objects that only the gateway may read: their keys are made of ids. */
const privateFolders = ['photos', 'uploads'] as const;

/**
 * Tries to read objects of its own through the CDN, under each prefix that the CDN must refuse.
 * @returns the prefixes that can be read by anyone
 * @throws StorageUnavailableError if nothing can be stored; the error of the request if the CDN does not answer
 */
export async function prefixesReadableAt(publicUrl: string, store: MediaStore): Promise<string[]> {
  const readable: string[] = [];
  for (const folder of privateFolders) {
    const key = `${folder}/${randomUUID()}.jpg`;
    const content = randomUUID();
    await store.put(key, Readable.from([Buffer.from(content)]), content.length);
    try {
      const url = `${publicUrl.replace(/\/+$/, '')}/${key}`;
      const answer = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
      // Some CDNs answer each unknown path with a page and 200.
      if ((await answer.text()).includes(content)) readable.push(`${folder}/`);
    } finally {
      await store.delete(key);
    }
  }
  return readable;
}
