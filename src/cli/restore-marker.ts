import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { codeOf } from '../core/errors';
import { syncFolder } from '../storage/disk-store';
import { CommandError } from './shell';

const marker = z.object({
  /** The server of the database: its `system_identifier`. */
  server: z.string(),
  /** The OID of the database. */
  database: z.string(),
  /** The transaction that commits the rows. */
  transaction: z.string(),
  /** The files that the restore writes, relative to DATA_DIR. */
  paths: z.array(z.string()),
});

/** A restore that has begun to write files. The state of its transaction is the state of the restore. */
export type RestoreMarker = z.output<typeof marker>;

const pathIn = (dataDir: string): string => join(dataDir, 'restore.json');

/** The marker of a restore into DATA_DIR that was interrupted, or is running; null without one. */
export async function readMarker(dataDir: string): Promise<RestoreMarker | null> {
  const path = pathIn(dataDir);
  try {
    return marker.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null;
    throw new CommandError(
      `${path} of an interrupted restore cannot be read. Restore into a new DATA_DIR and a new database.`,
      { cause: error },
    );
  }
}

/**
 * Writes the marker, before the first file.
 * @param dataDir - must exist
 * @throws CommandError if another restore has begun to write into DATA_DIR
 */
export async function writeMarker(dataDir: string, content: RestoreMarker): Promise<void> {
  const path = pathIn(dataDir);
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error;
    throw new CommandError(`Another restore into ${dataDir} has begun. Restore into a new DATA_DIR.`);
  });
  try {
    await file.writeFile(JSON.stringify(content));
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await syncFolder(dataDir);
}

/** Removes the marker, when the files are complete or removed. */
export async function removeMarker(dataDir: string): Promise<void> {
  await rm(pathIn(dataDir), { force: true });
}
