import { randomBytes, randomUUID } from 'node:crypto';
import { constants, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../core/errors';
import { createFolder, createFolderSync, isOfFileSystem } from '../core/folders';

/** PostgreSQL limits the path of a file to 1,024 bytes; its own part is below 200. */
const maxPathBytes = 800;

/** Folders whose direct contents are checked too. Media are too many, and PostgreSQL checks its own files. */
const checkedFolders = ['journal', 'sandbox'];

/** The data directory cannot be used. The message states the cause and what to do. */
class DataDirectoryError extends Error {
  override readonly name = 'DataDirectoryError';
}

/**
 * Creates the data directory if it is missing, and checks that this user can access its contents.
 * @param path - absolute
 * @throws DataDirectoryError
 */
export async function prepareDataDirectory(path: string): Promise<void> {
  // A line break would corrupt PostgreSQL's lock file.
  if (/\p{Cc}/u.test(path))
    throw new DataDirectoryError(
      'DATA_DIR contains a line break or another control character. Set it to a path without control characters.',
    );
  const bytes = Buffer.byteLength(path);
  if (bytes > maxPathBytes)
    throw new DataDirectoryError(
      `The path of DATA_DIR is ${bytes} bytes long; the maximum is ${maxPathBytes}. Set DATA_DIR to a shorter path.`,
    );
  await createFolder(path).catch((error: unknown) => {
    throw new DataDirectoryError(
      `DATA_DIR ${path} cannot be created (${reasonOf(error)}). Set DATA_DIR to a folder that this user can write.`,
      { cause: error },
    );
  });
  await checkAccess(path, path);
  const folders = ['', ...checkedFolders];
  for (const folder of folders) {
    const names = await readdir(join(path, folder)).catch(() => []);
    const ours = names.filter((name) => !name.startsWith('postgres') && !isOfFileSystem(name));
    await Promise.all(ours.map((name) => checkAccess(path, join(path, folder, name))));
  }
}

async function checkAccess(dataDir: string, path: string): Promise<void> {
  try {
    const stats = await stat(path);
    const search = stats.isDirectory() ? constants.X_OK : 0;
    await access(path, constants.R_OK | constants.W_OK | search);
  } catch (error) {
    const code = codeOf(error);
    // Another gateway that shares the folder has just removed it.
    if (code === 'ENOENT') return;
    throw new DataDirectoryError(
      `${path} in DATA_DIR cannot be read and written by this user (${reasonOf(error)}). ${await cureOf(dataDir, path, code)}`,
      { cause: error },
    );
  }
}

async function cureOf(dataDir: string, path: string, code: string | undefined): Promise<string> {
  const elsewhere = 'set DATA_DIR to a folder that this user can write';
  if (code === 'EROFS') return `Mount it writable, or ${elsewhere}.`;
  const self = process.getuid?.();
  const owner = await stat(path).then(
    ({ uid }) => uid,
    () => undefined,
  );
  if (owner === undefined || owner === self)
    return `Restore access with chmod -R u+rwX "${dataDir}", or ${elsewhere}.`;
  return (
    `It belongs to another user (uid ${owner}, this is uid ${self}), who started Likeness earlier: start it as that user, ` +
    `give the folder to this one with sudo chown -R ${self} "${dataDir}", or ${elsewhere}.`
  );
}

function reasonOf(error: unknown): string {
  const code = codeOf(error) ?? 'unknown error';
  const reasons: Record<string, string> = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'read-only file system',
    ENOSPC: 'the disk is full',
    // Node reports ENOENT if a parent folder is on a read-only file system.
    ENOENT: 'the folder above it cannot be written',
    ENOTDIR: 'a part of the path is a file',
    EEXIST: 'it is a file',
  };
  return reasons[code] ?? code;
}

/**
 * The secrets that sign URLs: those of the settings, or one that is generated at the first start and stored in the
 * data folder, readable by its owner only. Processes that start concurrently use the same one.
 */
export function signingSecrets(given: readonly string[], dataDir: string): [string, ...string[]] {
  const [first, ...others] = given;
  if (first !== undefined) return [first, ...others];
  const path = join(dataDir, 'signing-secret');
  createFolderSync(dataDir);
  // Processes of several containers have the same id, and one that was killed may have left its draft as a link to the secret.
  const draft = `${path}.${randomUUID()}`;
  writeFileSync(draft, randomBytes(32).toString('base64url'), { mode: 0o600, flush: true });
  try {
    linkSync(draft, path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return [readFileSync(path, 'utf8').trim()];
}
