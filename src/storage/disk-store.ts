import { createHash, randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { mkdir, open, opendir, rename, rm, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { parseMediaKey, readMediaKey } from './media-key';
import {
  ObjectTooLargeError,
  StorageUnavailableError,
  type ByteRange,
  type MediaStore,
  type OpenObject,
  type StoredObject,
} from './media-store';

/** How long a draft is left alone, in milliseconds. No upload or download is allowed to take as long. */
const staleDraftMs = 3_600_000;

/** How much is written to see whether the disk takes anything, in bytes: about what a prepared photo has. */
const probeBytes = 65_536;

/** How many files are deleted at once. More would make other file operations of the process wait longer. */
const deletionsAtOnce = 16;

/**
 * Media below one directory: `photos/<uuid>.jpg` lies in `photos/<last two digits of the uuid>/`, so that no directory
 * grows too long (the first digits of our ids are the time, and would fill one after the other). Drafts lie in
 * `.drafts`. Files are the process's own to read, 0600, and directories 0700.
 *
 * Everything that the disk refuses becomes a StorageUnavailableError; errors of the bytes' source pass through.
 */
export class DiskStore implements MediaStore {
  private readonly root: string;
  private readonly drafts: string;
  /** Directories that are known to be there for good: a file is only as durable as the way to it. */
  private readonly folders = new Map<string, Promise<void>>();

  /** @param root - made when it is first needed; may be shared by processes of one machine */
  constructor(root: string) {
    this.root = resolve(root);
    this.drafts = join(this.root, '.drafts');
  }

  async put(key: string, bytes: AsyncIterable<Uint8Array>, maxBytes: number): Promise<StoredObject> {
    const path = this.pathOf(key);
    return this.drafting(async (draft) => {
      const stored = await writeDurably(draft, bytes, maxBytes);
      await onDisk(async () => {
        await this.ensureFolder(dirname(path));
        await rename(draft, path);
        await syncFolder(dirname(path));
      });
      return stored;
    });
  }

  async open(key: string, range?: ByteRange): Promise<OpenObject | null> {
    const path = this.pathOf(key);
    const file = await onDisk(() => unlessMissing(open(path, 'r')));
    if (!file) return null;
    const byteSize = (await onDisk(() => file.stat())).size;
    const end = Math.min(range?.end ?? Infinity, byteSize - 1);
    const start = range?.start ?? 0;
    if (start <= end) return { byteSize, stream: file.createReadStream({ start, end }) };
    await file.close();
    return { byteSize, stream: Readable.from([]) };
  }

  async delete(key: string): Promise<void> {
    const failures = await this.deleteMany([key]);
    if (failures.has(key)) throw failures.get(key);
  }

  /**
   * Removes all files first and then syncs each directory once. The first sync writes what belongs to all of them, so
   * that the others cost little; a sync between two files would wait for the disk each time.
   */
  async deleteMany(keys: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    const failures = new Map<string, unknown>();
    const folders = new Map<string, string[]>();
    await eachOf(keys, async (key) => {
      try {
        const path = this.pathOf(key);
        await onDisk(() => unlessMissing(unlink(path)));
        folders.set(dirname(path), [...(folders.get(dirname(path)) ?? []), key]);
      } catch (error) {
        failures.set(key, error);
      }
    });
    await eachOf([...folders], async ([folder, within]) => {
      try {
        // Also where there was no file: the process that removed it may have ended before this.
        await onDisk(() => unlessMissing(syncFolder(folder)));
      } catch (error) {
        for (const key of within) failures.set(key, error);
      }
    });
    return failures;
  }

  /** Also removes drafts that a dead process has left. */
  async *list(prefix: string, olderThanMs: number): AsyncGenerator<string> {
    await this.sweepDrafts();
    const writtenBefore = Date.now() - olderThanMs;
    for await (const key of this.keys()) {
      if (key.startsWith(prefix) && (await isOlder(this.pathOf(key), writtenBefore))) yield key;
    }
  }

  async check(): Promise<void> {
    await this.drafting((draft) =>
      writeDurably(draft, Readable.from([Buffer.alloc(probeBytes)]), probeBytes),
    );
  }

  private pathOf(key: string): string {
    const { folder, id } = parseMediaKey(key);
    return join(this.root, folder, id.slice(-2), key.slice(folder.length + 1));
  }

  /** Gives `work` the path of a new draft in the same file system, and leaves none behind. */
  private async drafting<T>(work: (draft: string) => Promise<T>): Promise<T> {
    const draft = join(this.drafts, randomUUID());
    try {
      await onDisk(() => this.ensureFolder(this.drafts));
      return await work(draft);
    } catch (error) {
      // Somebody may have taken the directories away: look again.
      if (error instanceof StorageUnavailableError) this.folders.clear();
      throw error;
    } finally {
      // What cannot be removed now is swept later; why it cannot matters less than what happened before.
      await rm(draft, { force: true }).catch(() => undefined);
    }
  }

  private ensureFolder(path: string): Promise<void> {
    const known = this.folders.get(path) ?? makeFolder(path, this.root);
    this.folders.set(path, known);
    return known;
  }

  /** All keys; whatever else somebody has laid there is passed over. */
  private async *keys(): AsyncGenerator<string> {
    for await (const folder of entries(this.root)) {
      for await (const shard of entries(join(this.root, folder))) {
        for await (const name of entries(join(this.root, folder, shard))) {
          const key = `${folder}/${name}`;
          if (readMediaKey(key)?.id.endsWith(shard)) yield key;
        }
      }
    }
  }

  private async sweepDrafts(): Promise<void> {
    const writtenBefore = Date.now() - staleDraftMs;
    for await (const name of entries(this.drafts)) {
      const draft = join(this.drafts, name);
      if (await isOlder(draft, writtenBefore)) await onDisk(() => rm(draft, { force: true }));
    }
  }
}

async function eachOf<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: deletionsAtOnce }, worker));
}

/** Writes a new file and returns when it would survive a power cut; its name may not, that is its directory's. */
async function writeDurably(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<StoredObject> {
  const file = await onDisk(() => open(path, 'wx', 0o600));
  try {
    const stored = await copy(bytes, file, maxBytes);
    await onDisk(() => file.sync());
    return stored;
  } finally {
    await onDisk(() => file.close());
  }
}

async function copy(
  bytes: AsyncIterable<Uint8Array>,
  file: FileHandle,
  maxBytes: number,
): Promise<StoredObject> {
  const hash = createHash('sha256');
  let byteSize = 0;
  for await (const chunk of bytes) {
    byteSize += chunk.length;
    if (byteSize > maxBytes) throw new ObjectTooLargeError(maxBytes);
    hash.update(chunk);
    await onDisk(() => file.appendFile(chunk));
  }
  return { byteSize, sha256: hash.digest('hex') };
}

/**
 * Makes a directory with those above it, durably: also where it is there already, since whoever made it a moment ago
 * may not have synced it yet. Above the root only what was made now is synced; the rest need not be ours to read.
 */
async function makeFolder(path: string, root: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  const minLength = Math.min(first?.length ?? Infinity, root.length + 1);
  for (let made = path; made.length >= minLength; made = dirname(made)) await syncFolder(dirname(made));
}

/** Makes new, renamed and removed names in a directory durable. */
async function syncFolder(path: string): Promise<void> {
  // Windows cannot do this, and keeps names in order by itself.
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The names in a directory that are not hidden; none if it is not there, or is none. */
async function* entries(path: string): AsyncGenerator<string> {
  const folder = await onDisk(() => unlessMissing(opendir(path)));
  if (!folder) return;
  for await (const { name } of folder as AsyncIterable<Dirent>) if (!name.startsWith('.')) yield name;
}

async function isOlder(path: string, writtenBefore: number): Promise<boolean> {
  const found = await onDisk(() => unlessMissing(stat(path)));
  return found !== null && Math.floor(found.mtimeMs) <= writtenBefore;
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

async function onDisk<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new StorageUnavailableError(error);
  }
}
