import { createHash, randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { open, opendir, rename, rm, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { codeOf } from '../core/errors';
import { createFolder } from '../core/folders';
import { eachOf } from '../core/iterators';
import {
  DeletionRefused,
  type MediaStore,
  ObjectTooLargeError,
  inStore,
  type OpenObject,
  partOf,
  partsOfKey,
  type RangeRequest,
  readMediaKey,
  StorageUnavailableError,
  type StoredObject,
  storeMarkerKey,
} from './media-store';

/** The minimum age of drafts to be removed, in milliseconds; longer than any upload or download. */
const staleDraftMs = 3_600_000;

/** How much is written to check that the disk is writable, in bytes: the typical size of a prepared photo. */
const probeBytes = 65_536;

/** Maximum concurrent deletions. More would delay other file operations of the process. */
const deletionsAtOnce = 16;

/**
 * Stores media in one directory: `photos/<uuid>.jpg` is in `photos/<last two digits of the uuid>/`, to limit the
 * size of directories (the first digits are the time and would fill one directory after another). Drafts are in
 * `.drafts`. Files have mode 0600 and directories 0700.
 *
 * Errors of the disk become StorageUnavailableError; errors of the source of the bytes pass through.
 */
export class DiskStore implements MediaStore {
  private readonly root: string;
  private readonly drafts: string;
  /** Directories that are durable: a file is only as durable as its parent directories. */
  private readonly folders = new Map<string, Promise<void>>();

  /** @param root - created when first needed; may be shared by processes of one machine */
  constructor(root: string) {
    this.root = resolve(root);
    this.drafts = join(this.root, '.drafts');
  }

  async put(key: string, bytes: AsyncIterable<Uint8Array>, maxBytes: number): Promise<StoredObject> {
    const path = this.pathOf(key);
    return this.drafting(async (draft) => {
      const stored = await writeDurably(draft, bytes, maxBytes);
      await inStore(async () => {
        await this.ensureFolder(dirname(path));
        await rename(draft, path);
        await syncFolder(dirname(path));
      });
      return stored;
    });
  }

  async open(key: string, range?: RangeRequest): Promise<OpenObject | null> {
    const path = this.pathOf(key);
    const file = await inStore(() => unlessMissing(open(path, 'r')));
    if (!file) return null;
    const byteSize = (await inStore(() => file.stat())).size;
    const part = partOf(byteSize, range);
    if (part) return { byteSize, part, stream: file.createReadStream(part) };
    await file.close();
    return { byteSize, part, stream: Readable.from([]) };
  }

  async delete(key: string): Promise<void> {
    const failures = await this.deleteMany([key]);
    if (failures.has(key)) throw failures.get(key);
  }

  /**
   * Removes all files first and then syncs each directory once: the first sync writes the changes of all, whereas a
   * sync after each file would wait for the disk each time.
   */
  async deleteMany(
    keys: readonly string[],
    mayDelete = (): boolean => true,
  ): Promise<ReadonlyMap<string, unknown>> {
    const failures = new Map<string, unknown>();
    const folders = new Map<string, string[]>();
    await eachOf(keys, deletionsAtOnce, async (key) => {
      try {
        const path = this.pathOf(key);
        if (!mayDelete()) throw new DeletionRefused();
        await inStore(() => unlessMissing(unlink(path)));
        folders.set(dirname(path), [...(folders.get(dirname(path)) ?? []), key]);
      } catch (error) {
        failures.set(key, error);
      }
    });
    await eachOf([...folders], deletionsAtOnce, async ([folder, within]) => {
      try {
        // Also without a file: the process that removed it may have ended before syncing.
        await inStore(() => unlessMissing(syncFolder(folder)));
      } catch (error) {
        for (const key of within) failures.set(key, error);
      }
    });
    return failures;
  }

  async *list(prefix: string, olderThanMs: number): AsyncGenerator<string> {
    const writtenBefore = olderThanMs === 0 ? Infinity : Date.now() - olderThanMs;
    for await (const key of this.keys()) {
      if (key.startsWith(prefix) && (await isOlder(this.pathOf(key), writtenBefore))) yield key;
    }
  }

  async removeUnfinished(): Promise<void> {
    const writtenBefore = Date.now() - staleDraftMs;
    for await (const name of entries(this.drafts)) {
      const draft = join(this.drafts, name);
      if (await isOlder(draft, writtenBefore)) await inStore(() => rm(draft, { force: true }));
    }
  }

  async check(): Promise<void> {
    await this.drafting((draft) =>
      writeDurably(draft, Readable.from([Buffer.alloc(probeBytes)]), probeBytes),
    );
  }

  private pathOf(key: string): string {
    return join(this.root, key === storeMarkerKey ? key : mediaPath(key));
  }

  /** Passes the path of a new draft in the same file system to `work`, and removes the draft afterwards. */
  private async drafting<T>(work: (draft: string) => Promise<T>): Promise<T> {
    const draft = join(this.drafts, randomUUID());
    try {
      await inStore(() => this.ensureFolder(this.drafts));
      return await work(draft);
    } catch (error) {
      // The directories may have been removed: check them again.
      if (error instanceof StorageUnavailableError) this.folders.clear();
      throw error;
    } finally {
      // A draft that cannot be removed is swept later; this error must not hide the first one.
      await rm(draft, { force: true }).catch(() => undefined);
    }
  }

  private ensureFolder(path: string): Promise<void> {
    const known = this.folders.get(path) ?? makeFolder(path, this.root);
    this.folders.set(path, known);
    return known;
  }

  /** All keys; unknown files are skipped. */
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
}

/** The path of a media key in the directory of a {@link DiskStore}. */
export function mediaPath(key: string): string {
  const { folder, id } = partsOfKey(key);
  return join(folder, id.slice(-2), key.slice(folder.length + 1));
}

/** Writes a new file and syncs its content. The caller syncs the directory. */
async function writeDurably(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<StoredObject> {
  const file = await inStore(() => open(path, 'wx', 0o600));
  try {
    const stored = await copy(bytes, file, maxBytes);
    await inStore(() => file.sync());
    return stored;
  } finally {
    await inStore(() => file.close());
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
    await inStore(() => file.appendFile(chunk));
  }
  return { byteSize, sha256: hash.digest('hex') };
}

/**
 * Creates a directory and its parents durably. Existing ones are synced too, since another process may have just
 * created them without a sync. Above the root only created directories are synced; others may not be readable.
 */
async function makeFolder(path: string, root: string): Promise<void> {
  const first = await createFolder(path);
  const minLength = Math.min(first?.length ?? Infinity, root.length + 1);
  for (let made = path; made.length >= minLength; made = dirname(made)) await syncFolder(dirname(made));
}

/** Syncs a directory, so that new, renamed and removed names are durable. */
export async function syncFolder(path: string): Promise<void> {
  // Windows cannot sync directories, and does not need it.
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The names in a directory that are not hidden; none if it is missing or not a directory. */
async function* entries(path: string): AsyncGenerator<string> {
  const folder = await inStore(() => unlessMissing(opendir(path)));
  if (!folder) return;
  for await (const { name } of folder as AsyncIterable<Dirent>) if (!name.startsWith('.')) yield name;
}

async function isOlder(path: string, writtenBefore: number): Promise<boolean> {
  const stats = await inStore(() => unlessMissing(stat(path)));
  return stats !== null && Math.floor(stats.mtimeMs) <= writtenBefore;
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}
