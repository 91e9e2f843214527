import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { inStore, type MediaStore, readObject, StorageUnavailableError } from './media-store';
import type { ObjectLinks } from './object-links';

/** The time limit of a request, in milliseconds. */
const timeoutMs = 15_000;
/** The validity of a URL, for several requests and the difference of the clocks, in milliseconds. */
const validMs = 60_000;

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

/** A refusal counts only if the same URL is accepted without the headers afterwards: it may have expired. */
async function storesOther(
  store: MediaStore & { readonly links: ObjectLinks },
  headers: Readonly<Record<string, string>>,
): Promise<boolean> {
  const key = newKey();
  const url = await store.links.upload(key, own.length, Date.now() + validMs);
  try {
    const status = await upload(url, headers);
    // It has looked for the other object.
    if (status === 404) return true;
    if (status >= 300) {
      const control = await upload(url, {});
      if (control < 300) return false;
      throw unclear(`The bucket answered a trial upload with status ${control}.`);
    }
    const stored = await store.open(key);
    if (stored === null) throw unclear('The bucket does not have the trial upload that it accepted.');
    return (await readObject(stored)).toString() !== own;
  } finally {
    await store.delete(key);
  }
}

/** @returns the status of the answer */
function upload(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return inStore(async () => {
    const signal = AbortSignal.timeout(timeoutMs);
    const { body, status } = await fetch(url, { method: 'PUT', body: own, headers, signal });
    await body?.cancel();
    // An overloaded bucket may accept the same upload later.
    if (temporaryStatuses.has(status))
      throw new Error(`The bucket answered a trial upload with status ${status}.`);
    return status;
  });
}

const unclear = (message: string): StorageUnavailableError => new StorageUnavailableError(new Error(message));

const newKey = (): string => `uploads/${randomUUID()}`;

function lenient(header: string): Error {
  return new Error(
    `the bucket lets holders of an upload URL store other objects of it as their own (by the header ${header}, which is not signed); set S3_UPLOADS=gateway, or let a proxy refuse presigned requests with this header`,
  );
}
