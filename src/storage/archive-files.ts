import type { MediaStore, OpenObject } from './media-store';
import type { ZipEntry } from './zip';

/** What the files of an archive are read with. */
export interface ArchiveFileDeps {
  readonly media: Pick<MediaStore, 'open'>;
  /** Throws if the download must stop. */
  readonly check: () => Promise<void>;
}

/** The interval of checks in milliseconds. */
const checkIntervalMs = 1_000;

/** A stored object as a file of an archive. Yields nothing if the object has been deleted in the meantime. */
export async function* storedFile(
  { media, check }: ArchiveFileDeps,
  key: string,
  file: Pick<ZipEntry, 'path' | 'modifiedAt'>,
): AsyncGenerator<ZipEntry> {
  const object = await media.open(key);
  if (object) yield* openedFile(object, check, file);
}

/** An opened object as a file of an archive. */
export function* openedFile(
  object: OpenObject,
  check: ArchiveFileDeps['check'],
  file: Pick<ZipEntry, 'path' | 'modifiedAt'>,
): Generator<ZipEntry> {
  try {
    yield { ...file, isCompressible: false, bytes: watched(object.stream, check) };
  } finally {
    // The stream is not at its end if the client has disconnected.
    object.stream.destroy();
  }
}

/** Calls `check` before each item. */
export async function* watched<Item>(
  items: AsyncIterable<Item>,
  check: () => Promise<void>,
): AsyncGenerator<Item> {
  for await (const item of items) {
    await check();
    yield item;
  }
}

/** Limits calls of a check to one per {@link checkIntervalMs}. */
export function throttled(check: () => Promise<void>): () => Promise<void> {
  let dueMs = 0;
  return async () => {
    if (performance.now() < dueMs) return;
    await check();
    dueMs = performance.now() + checkIntervalMs;
  };
}
