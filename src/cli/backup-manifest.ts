import { readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { codeOf } from '../core/errors';
import { syncFolder } from '../storage/disk-store';
import { lateErasure } from './backup-erasures.repository';
import { lateRevocations } from './backup-revocations.repository';
import { createNamedFolder } from './command-files';
import { CommandError } from './shell';

/** The version of the format. */
const format = 1;

const manifest = z.object({
  format: z.literal(format),
  /** When the snapshot of the database was taken. */
  createdAt: z.iso.datetime(),
  /** The migrations of the database, in order. */
  migrations: z.array(z.string()),
  /** The tables with their numbers of rows, and the SHA-256 of their files. */
  tables: z.array(z.object({ name: z.string().regex(/^[a-z_]+$/), rows: z.number(), sha256: z.string() })),
  /** `sha256`: of the list of files. Earlier builds have not written it. */
  media: z.object({ files: z.number(), bytes: z.number(), sha256: z.string().optional() }),
  /** Erasures that were requested while the backup was made. Earlier builds have not written them. */
  erasures: z.array(lateErasure).default([]),
  /** What was revoked while the backup was made. Earlier builds have not written it. */
  revocations: lateRevocations.default({ keys: [], clientTokens: [] }),
});

/** The description of a complete backup: it is written last. */
export type Manifest = z.output<typeof manifest>;

/** The parts of a backup's folder. */
export const backupParts = {
  manifest: 'manifest.json',
  tables: 'tables',
  data: 'data',
  files: 'files.jsonl.gz',
} as const;

/** Creates the folder of a new backup, readable by this user only. It may exist if it is empty. */
export async function createBackupFolder(folder: string): Promise<void> {
  await createNamedFolder(folder);
  if ((await readdir(folder)).length > 0) throw notEmpty(folder);
  // Of several backups into the folder, only one creates this one.
  if (!(await createNamedFolder(join(folder, backupParts.tables)))) throw notEmpty(folder);
}

const notEmpty = (folder: string): CommandError =>
  new CommandError(`${folder} is not empty. Name a new folder for each backup.`);

/** Makes the folder of a backup that has copied nothing usable for the next try. */
export async function releaseBackupFolder(folder: string): Promise<void> {
  // Fails if there are copies.
  await rmdir(join(folder, backupParts.tables)).catch(() => undefined);
}

/** Writes the manifest, which completes the backup. */
export async function writeManifest(folder: string, facts: Omit<Manifest, 'format'>): Promise<void> {
  const text = `${JSON.stringify({ format, ...facts }, null, 2)}\n`;
  for (const path of [join(folder, backupParts.tables), folder]) await syncFolder(path);
  await writeFile(join(folder, backupParts.manifest), text, { mode: 0o600, flush: true });
  await syncFolder(folder);
}

/**
 * Reads the manifest of a backup.
 * @throws CommandError if it is missing or of another format
 */
export async function readManifest(folder: string): Promise<Manifest> {
  let text: string;
  try {
    text = await readFile(join(folder, backupParts.manifest), 'utf8');
  } catch (error) {
    throw new CommandError(
      `${folder} is not a complete backup: manifest.json cannot be read (${codeOf(error) ?? 'unknown error'}).`,
      { cause: error },
    );
  }
  const json = jsonIn(text);
  if (json === null)
    throw new CommandError(
      `${folder}/manifest.json was changed since the backup: it is not JSON. Copy the whole backup again.`,
    );
  const parsed = manifest.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new CommandError(
    `${folder}/manifest.json is not of this version: ${z.prettifyError(parsed.error)}\nRestore it with the version of likeness that made it.`,
  );
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
