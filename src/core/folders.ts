import { mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from './errors';

/** Readable by this user only. */
const defaultMode = 0o700;

/**
 * Creates a folder with its parents. Node's own recursive `mkdir` never returns, and uses a processor, where a folder exists
 * in which none can be created and the system reports ENOENT, as in /proc.
 * @param mode - of created folders
 * @returns the first folder that was created; undefined if all existed
 * @throws the error of the system
 */
export async function createFolder(path: string, mode = defaultMode): Promise<string | undefined> {
  const isFolder = (folder: string): Promise<boolean> =>
    stat(folder).then(
      (stats) => stats.isDirectory(),
      () => false,
    );
  const create = async (): Promise<string | undefined> => {
    try {
      await mkdir(path, { mode });
      return path;
    } catch (error) {
      if (await isFolder(path)) return undefined;
      throw error;
    }
  };
  try {
    return await create();
  } catch (error) {
    const parent = dirname(path);
    if (codeOf(error) !== 'ENOENT' || parent === path) throw error;
    // If the parent exists, another call may have created it meanwhile.
    const first = (await isFolder(parent)) ? undefined : await createFolder(parent, mode);
    return await create().then((made) => first ?? made);
  }
}

/** {@link createFolder}, which returns when the folder exists. */
export function createFolderSync(path: string, mode = defaultMode): void {
  const isFolder = (folder: string): boolean =>
    statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const create = (): void => {
    try {
      mkdirSync(path, { mode });
    } catch (error) {
      if (!isFolder(path)) throw error;
    }
  };
  try {
    create();
  } catch (error) {
    const parent = dirname(path);
    if (codeOf(error) !== 'ENOENT' || parent === path) throw error;
    if (!isFolder(parent)) createFolderSync(parent, mode);
    create();
  }
}

/** Whether a file system has made an entry of its root: for files that it has repaired, or for snapshots. Users cannot access it. */
export function isOfFileSystem(name: string): boolean {
  return name === 'lost+found' || name === '.snapshot';
}
