import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { constants, copyFile, mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline, Readable, Transform } from 'node:stream';
import { pipeline as completePipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { codeOf } from '../core/errors';
import { CommandError } from './shell';

const copiesAtOnce = 8;

/** What is copied from DATA_DIR. Pictures in other sizes and formats are made again when they are requested. */
const copied = ['media', 'journal', 'signing-secret'];
const skipped = new Set([join('media', '.drafts'), join('media', 'renditions')]);

/** A file of DATA_DIR, by its path in it. */
export interface DataFile {
  readonly path: string;
  readonly bytes: number;
}

/** The files to copy, with paths relative to the folder. */
export async function dataFiles(folder: string): Promise<DataFile[]> {
  const files: DataFile[] = [];
  for (const path of copied) await collect(folder, path, files);
  return files;
}

async function collect(folder: string, path: string, files: DataFile[]): Promise<void> {
  if (skipped.has(path)) return;
  try {
    const stats = await stat(join(folder, path));
    if (stats.isFile()) files.push({ path, bytes: stats.size });
    if (!stats.isDirectory()) return;
    for (const name of await readdir(join(folder, path))) await collect(folder, join(path, name), files);
  } catch (error) {
    // Deleted meanwhile.
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/**
 * Copies files between two folders; those that were deleted meanwhile are left out.
 * @returns the number of copied files and bytes
 */
export async function copyDataFiles(
  files: readonly DataFile[],
  { from, to }: { from: string; to: string },
  onCopied: () => void,
): Promise<{ files: number; bytes: number }> {
  const total = { files: 0, bytes: 0 };
  const rest = files.values();
  const worker = async (): Promise<void> => {
    for (const { path } of rest) {
      const target = join(to, path);
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      try {
        // A copy on write where the file system can.
        await copyFile(join(from, path), target, constants.COPYFILE_FICLONE);
        total.bytes += (await stat(target)).size;
        total.files += 1;
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error;
      }
      onCopied();
    }
  };
  await Promise.all(Array.from({ length: copiesAtOnce }, worker));
  return total;
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
