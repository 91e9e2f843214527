import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { codeOf } from '../core/errors';
import { eachOf } from '../core/iterators';
import {
  copiesAtOnce,
  measure,
  readLines,
  totalOf,
  writeLines,
  type CopiedFile,
  type DataFile,
} from './backup-files';
import { backupParts, type Manifest } from './backup-manifest';
import { ProgressBar } from './progress-bar';
import { CommandError, type Shell } from './shell';

const linesAtOnce = 1_000;

const fileLine = z.object({ path: z.string(), bytes: z.number(), sha256: z.string() });

/** Writes the list of a backup's files. */
export async function writeFileList(
  folder: string,
  files: readonly CopiedFile[],
): Promise<Manifest['media']> {
  const batches = function* (): Generator<string[]> {
    for (let first = 0; first < files.length; first += linesAtOnce)
      yield files.slice(first, first + linesAtOnce).map((file) => JSON.stringify(file));
  };
  const { sha256 } = await writeLines(join(folder, backupParts.files), Readable.from(batches()));
  return { ...totalOf(files), sha256 };
}

/** The path of the rows of a table. */
export const tablePath = (folder: string, name: string): string =>
  join(folder, backupParts.tables, `${name}.jsonl.gz`);

/**
 * Compares every file of a backup with its size and SHA-256. Backups of earlier builds have no list of files: of these, the
 * totals are compared.
 * @param files - the files that the backup has
 * @throws CommandError with the path of the first file that is missing, changed or not part of it
 */
export async function verifyBackup(
  shell: Shell,
  folder: string,
  { manifest, files }: { manifest: Manifest; files: readonly DataFile[] },
): Promise<void> {
  for (const { name, sha256 } of manifest.tables) await verify(tablePath(folder, name), { sha256 });
  const data = join(folder, backupParts.data);
  const { sha256 } = manifest.media;
  if (sha256 !== undefined) {
    const listed = await readFileList(folder, sha256);
    const paths = new Set(listed.map(({ path }) => path));
    const added = files.find(({ path }) => !paths.has(path));
    if (added) throw new CommandError(`${join(data, added.path)} is not a file of the backup.`);
    const bar = new ProgressBar(shell, listed.length);
    await eachOf(listed, copiesAtOnce, async (file) => {
      await verify(join(data, file.path), file);
      bar.add(1, 'files verified');
    });
    bar.end();
  }
  assertTotals(data, files, manifest);
}

/** Compares the totals of files with those of the backup. The first builds, which wrote no list of files, counted too few bytes. */
export function assertTotals(data: string, files: readonly DataFile[], { media }: Manifest): void {
  const found = totalOf(files);
  const isComplete = media.sha256 === undefined ? found.bytes >= media.bytes : found.bytes === media.bytes;
  if (found.files === media.files && isComplete) return;
  throw new CommandError(
    `${data} was changed since the backup, or is incomplete: it has ${found.files} files with ${found.bytes} bytes ` +
      `instead of ${media.files} with ${media.bytes}. Copy the whole backup again.`,
  );
}

async function readFileList(folder: string, sha256: string): Promise<CopiedFile[]> {
  await verify(join(folder, backupParts.files), { sha256 });
  const files: CopiedFile[] = [];
  for await (const lines of readLines(join(folder, backupParts.files), sha256, linesAtOnce))
    files.push(...lines.map((line) => fileLine.parse(JSON.parse(line))));
  return files;
}

async function verify(path: string, expected: { bytes?: number; sha256: string }): Promise<void> {
  const cure = 'Copy the whole backup again.';
  const found = await measure(createReadStream(path)).catch((error: unknown) => {
    const why =
      codeOf(error) === 'ENOENT' ? 'is missing' : `cannot be read (${codeOf(error) ?? 'unknown error'})`;
    throw new CommandError(`${path} ${why}: the backup is incomplete. ${cure}`, { cause: error });
  });
  if (expected.bytes !== undefined && expected.bytes !== found.bytes) {
    throw new CommandError(
      `${path} was changed since the backup, or is incomplete: it has ${found.bytes} bytes instead of ${expected.bytes}. ${cure}`,
    );
  }
  if (expected.sha256 !== found.sha256)
    throw new CommandError(`${path} was changed since the backup: its SHA-256 is another. ${cure}`);
}
