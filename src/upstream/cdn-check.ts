import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { withSignal } from '../core/clock';
import type { MediaStore } from '../storage/media-store';

const timeoutMs = 10_000;
/** More of an answer is not read. */
const maxBytes = 100_000;

/** A prefix of objects that the CDN must serve: without it, a refusal of other objects proves nothing. */
const publicFolder = 'avatars';
/** The prefixes of objects that only the gateway may read: their keys are made of ids. */
const privateFolders = ['photos', 'uploads'] as const;

/**
 * What the CDN does with objects of a prefix; `unknown`: it does not serve avatars either, cannot be reached, or has a problem
 * of another kind.
 */
export type CdnVerdict = 'readable' | 'refused' | 'unknown';

/** An answer of the CDN; null: it cannot be reached. */
type Answer = { readonly status: number; readonly body: Buffer; readonly type: string } | null;

/** A grey JPEG of 8×8 pixels. A CDN for pictures refuses other content everywhere. */
const picture = Buffer.from(
  '/9j/2wBDABQUFBQVFBcZGRcfIh4iHy4rJycrLkYyNjI2MkZqQk5CQk5Cal5yXVZdcl6phXZ2hanDpJukw+zT0+z/////////2wBDARQUFBQVFBcZGRcfIh4iHy4rJyc' +
    'rLkYyNjI2MkZqQk5CQk5Cal5yXVZdcl6phXZ2hanDpJukw+zT0+z/////////wgARCAAIAAgDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAL/xAAUAQ' +
    'EAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIQAxAAAACwf//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAT8Af//EABQRAQAAAAAAAAAAAAAAAAAAAAD/2gA' +
    'IAQIBAT8Af//EABQRAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQMBAT8Af//Z',
  'base64',
);

/**
 * Tries to read pictures of its own through the CDN, under each prefix that the CDN must refuse and under one that it serves.
 * Returns the verdicts by prefix.
 * @param signal - ends the check; its verdicts are unknown then
 */
export async function examineCdn(
  publicUrl: string,
  store: MediaStore,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, CdnVerdict>> {
  const read = (folder: string): Promise<Answer> =>
    readPicture(publicUrl, store, folder, signal).catch(() => null);
  const control = await read(publicFolder);
  const verdicts = new Map<string, CdnVerdict>();
  for (const folder of privateFolders) verdicts.set(`${folder}/`, verdictOf(await read(folder), control));
  return verdicts;
}

async function readPicture(
  publicUrl: string,
  store: MediaStore,
  folder: string,
  signal: AbortSignal,
): Promise<Answer> {
  signal.throwIfAborted();
  const key = `${folder}/${randomUUID()}.jpg`;
  await store.put(key, Readable.from([picture]), picture.length);
  try {
    const url = `${publicUrl.replace(/\/+$/, '')}/${key}`;
    return await withSignal(signal, timeoutMs, (limited) => ask(url, limited));
  } finally {
    // If this fails the sweep of orphans deletes it.
    await store.delete(key).catch(() => undefined);
  }
}

async function ask(url: string, signal: AbortSignal): Promise<Answer> {
  const { status, headers, body } = await fetch(url, { signal });
  const chunks: Uint8Array[] = [];
  let byteSize = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    byteSize += chunk.length;
    if (byteSize > maxBytes) break;
  }
  return { status, body: Buffer.concat(chunks), type: headers.get('content-type') ?? '' };
}

function verdictOf(answer: Answer, control: Answer): CdnVerdict {
  if (answer === null) return 'unknown';
  if (isPicture(answer) && [picture, control?.body].some((bytes) => bytes?.equals(answer.body)))
    return 'readable';
  return control !== null && isPicture(control) && isRefusal(answer) ? 'refused' : 'unknown';
}

/** A CDN may convert pictures, and send their bytes without a type. */
function isPicture({ status, body, type }: NonNullable<Answer>): boolean {
  return status === 200 && (type.startsWith('image/') || body.equals(picture));
}

/** Some CDNs answer each unknown path with a page and 200. */
function isRefusal(answer: NonNullable<Answer>): boolean {
  const { status } = answer;
  return (status >= 400 && status < 500 && status !== 429) || (status === 200 && !isPicture(answer));
}
