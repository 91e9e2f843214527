import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { inStore, type MediaStore, readObject, StorageUnavailableError } from './media-store';
import type { ObjectLinks } from './object-links';

/** The time limit of a request, and the validity of its URL, in milliseconds. */
const timeoutMs = 15_000;

const own = 'x';

/** The statuses with which a bucket says nothing about a request. 501 is a refusal of a header. */
const temporaryStatuses: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * Headers with which an upload would get the bytes of another object: a copy in S3, and a manifest, a link and a copy in Swift.
 * AWS refuses requests with headers that are not signed; not all compatible stores do.
 */
const borrowingHeaders = (bucket: string, key: string): Readonly<Record<string, string>> => ({
  'x-amz-copy-source': `/${bucket}/${key}`,
  'x-object-manifest': `${bucket}/${key}`,
  'x-symlink-target': `${bucket}/${key}`,
  'x-copy-from': `/${bucket}/${key}`,
});

/**
 * Checks that the holder of an upload URL can store only bytes that they send, by trying to store others. Otherwise an owner
 * could get photos of another.
 * @throws StorageUnavailableError if others can be stored, or if this cannot be tried
 */
export async function checkUploadUrls(
  store: MediaStore & { readonly links: ObjectLinks },
  bucket: string,
): Promise<void> {
  const other = newKey();
  await store.put(other, Readable.from([Buffer.from('other')]), 100);
  try {
    for (const [name, value] of Object.entries(borrowingHeaders(bucket, other))) {
      if (await storesOther(store, { [name]: value })) throw new StorageUnavailableError(lenient(name));
    }
  } finally {
    await store.delete(other);
  }
}

async function storesOther(
  store: MediaStore & { readonly links: ObjectLinks },
  headers: Readonly<Record<string, string>>,
): Promise<boolean> {
  const key = newKey();
  const url = await store.links.upload(key, own.length, Date.now() + timeoutMs);
  try {
    await inStore(async () => {
      const signal = AbortSignal.timeout(timeoutMs);
      const { body, status } = await fetch(url, { method: 'PUT', body: own, headers, signal });
      await body?.cancel();
      // An overloaded bucket may accept the same upload later.
      if (temporaryStatuses.has(status))
        throw new Error(`The bucket answered a trial upload with status ${status}.`);
    });
    const stored = await store.open(key);
    return stored !== null && (await readObject(stored)).toString() !== own;
  } finally {
    await store.delete(key);
  }
}

const newKey = (): string => `uploads/${randomUUID()}`;

function lenient(header: string): Error {
  return new Error(
    `the bucket lets holders of an upload URL store other objects of it as their own (by the header ${header}, which is not signed); set S3_UPLOADS=gateway, or let a proxy refuse presigned requests with this header`,
  );
}
