import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, type Stats } from 'node:fs';
import { constants, copyFile, lstat, open, readdir, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline, Readable, Transform } from 'node:stream';
import { pipeline as completePipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { codeOf } from '../core/errors';
import { createFolder, isOfFileSystem } from '../core/folders';
import { eachOf } from '../core/iterators';
import { syncFolder } from '../storage/disk-store';
import { storeMarkerKey } from '../storage/media-store';
import { CommandError } from './shell';

/** Concurrent copies or verifications of files. */
export const copiesAtOnce = 8;

/** The folders that are copied from DATA_DIR, besides the signing secret. Pictures in other sizes and formats are made again when they are requested. */
export const copiedFolders = ['media', 'journal'] as const;
const copied = [...copiedFolders, 'signing-secret'];
const skipped = new Set(['.drafts', 'renditions', storeMarkerKey].map((name) => join('media', name)));
const isSkipped = (path: string): boolean => skipped.has(path) || isOfFileSystem(basename(path));

/** A file of DATA_DIR, by its path in it. */
export interface DataFile {
  readonly path: string;
  readonly bytes: number;
}

/**
 * The files to copy, with paths relative to the folder.
 * @param isOwn - whether the folder is DATA_DIR, in which the operator may have linked the parts to other places
 * @throws CommandError if there is anything but files and folders: a link could copy files from anywhere
 */
export async function dataFiles(folder: string, { isOwn }: { isOwn: boolean }): Promise<DataFile[]> {
  const files: DataFile[] = [];
  if (!isOwn && (await unlessDeleted(lstat(folder)))?.isDirectory() === false) throw notRegular(folder);
  for (const path of copied) await collect(folder, path, files, isOwn ? stat : lstat);
  return files;
}

async function collect(
  folder: string,
  path: string,
  files: DataFile[],
  readStats: (path: string) => Promise<Stats> = lstat,
): Promise<void> {
  if (isSkipped(path)) return;
  const full = join(folder, path);
  const stats = await unlessDeleted(readStats(full));
  if (stats === null) return;
  if (stats.isFile()) {
    files.push({ path, bytes: stats.size });
    return;
  }
  if (!stats.isDirectory()) throw notRegular(full);
  const names = (await unlessDeleted(readdir(full))) ?? [];
  for (const name of names) await collect(folder, join(path, name), files);
}

const notRegular = (path: string): CommandError =>
  new CommandError(`${path} is neither a file nor a folder. Links are not copied: remove it.`);

/** Null if the file was deleted meanwhile. */
function unlessDeleted<Result>(read: Promise<Result>): Promise<Result | null> {
  return read.catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error;
    return null;
  });
}

/** A file of a backup. */
export interface CopiedFile extends DataFile {
  readonly sha256: string;
}

/** The number and size of files. */
export interface FileTotal {
  readonly files: number;
  readonly bytes: number;
}

/** The total of files. */
export function totalOf(files: readonly DataFile[]): FileTotal {
  return { files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** Throws an error if files may no longer be written or removed: called before each of them. */
export type AssertAllowed = () => void;

/** What {@link copyDataFiles} calls. */
export interface CopyHooks {
  readonly onCopied: () => void;
  readonly assertAllowed?: AssertAllowed | undefined;
}

/**
 * Copies files between two folders durably; those that were deleted meanwhile are left out.
 * @returns the copies
 */
export async function copyDataFiles(
  files: readonly DataFile[],
  { from, to }: { from: string; to: string },
  { onCopied, assertAllowed }: CopyHooks,
): Promise<CopiedFile[]> {
  const copies: CopiedFile[] = [];
  const folders = new Set([to]);
  await eachOf(files, copiesAtOnce, async ({ path }) => {
    const target = join(to, path);
    await createFolder(dirname(target));
    for (let made = dirname(path); made !== '.'; made = dirname(made)) folders.add(join(to, made));
    assertAllowed?.();
    const copy = await unlessDeleted(copyDurably(join(from, path), target));
    if (copy !== null) copies.push({ path, ...copy });
    onCopied();
  });
  for (const folder of folders) await syncFolder(folder);
  return copies;
}

/** Removes copies of {@link copyDataFiles} that cannot be used, also parts of them, and the folders that are empty then. */
export async function removeCopies(
  paths: readonly string[],
  folder: string,
  assertAllowed: AssertAllowed,
): Promise<void> {
  const folders = new Set<string>();
  for (const path of paths) {
    assertAllowed();
    await rm(join(folder, path), { force: true });
    for (let made = dirname(path); made !== '.'; made = dirname(made)) folders.add(made);
  }
  const deepestFirst = [...folders].sort((one, other) => other.length - one.length);
  for (const made of deepestFirst) await rmdir(join(folder, made)).catch(() => undefined);
}

/** The size and the SHA-256 of what a stream has. */
export async function measure(stream: Readable): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** @returns the size and the SHA-256 of the copy */
async function copyDurably(from: string, to: string): Promise<{ bytes: number; sha256: string }> {
  // A copy on write where the file system can.
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  // A copy of a file without the right to write has no such right either. Only Windows needs it to sync.
  const file = await open(to, process.platform === 'win32' ? 'r+' : 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  return measure(createReadStream(to));
}

/**
 * Writes lines to a compressed file.
 * @returns the number of lines, and the SHA-256 of the compressed file
 */
export async function writeLines(
  path: string,
  lines: AsyncIterable<readonly string[]>,
): Promise<{ rows: number; sha256: string }> {
  const hash = createHash('sha256');
  let rows = 0;
  const text = async function* (): AsyncGenerator<string> {
    for await (const batch of lines) {
      rows += batch.length;
      if (batch.length > 0) yield `${batch.join('\n')}\n`;
    }
  };
  const output = createWriteStream(path, { mode: 0o600, flush: true });
  await completePipeline(Readable.from(text()), createGzip(), hashing(hash), output);
  return { rows, sha256: hash.digest('hex') };
}

/**
 * Reads the lines of a file of {@link writeLines} in batches.
 * @throws CommandError at the end if the file was changed
 */
export async function* readLines(path: string, sha256: string, batchSize: number): AsyncGenerator<string[]> {
  const hash = createHash('sha256');
  const source = pipeline(createReadStream(path), hashing(hash), createGunzip(), () => undefined);
  const changed = (cause?: unknown): CommandError =>
    new CommandError(`${path} was changed since the backup.`, { cause });
  let batch: string[] = [];
  try {
    for await (const line of linesOf(source.setEncoding('utf8'))) {
      batch.push(line);
      if (batch.length < batchSize) continue;
      yield batch;
      batch = [];
    }
  } catch (error) {
    // An error of decompression.
    throw codeOf(error)?.startsWith('Z_') ? changed(error) : error;
  }
  if (batch.length > 0) yield batch;
  if (hash.digest('hex') !== sha256) throw changed();
}

/** The lines of a text; each ends with a line break. */
async function* linesOf(text: AsyncIterable<unknown>): AsyncGenerator<string> {
  let rest = '';
  for await (const part of text) {
    const lines = (rest + String(part)).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
}

function hashing(hash: ReturnType<typeof createHash>): Transform {
  return new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
}
