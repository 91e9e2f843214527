import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { codeOf, isDiskFull } from '../core/errors';
import { createFolder } from '../core/folders';
import { syncFolder } from '../storage/disk-store';
import { CommandError } from './shell';

/** Errors of the path, with their causes. Others, such as those of the database, are left as they are. */
const causes: Readonly<Record<string, string>> = {
  ...{
    ENOENT: 'its folder does not exist',
    ENOTDIR: 'a part of the path is a file',
    EISDIR: 'it is a folder',
    EEXIST: 'there is a file',
  },
  ...{ EACCES: 'permission denied', EPERM: 'permission denied', EROFS: 'read-only file system' },
  ...{ ENAMETOOLONG: 'the name is too long', ELOOP: 'too many links' },
  ...{ ENOSPC: 'the disk is full', EDQUOT: 'the quota is used up', EFBIG: 'it is too large for the system' },
};

/**
 * Writes a file that is readable by this user only. An existing file is replaced when the new one is complete and durable, so
 * that an error or the end of the process leaves it as it was. A device or pipe, such as /dev/stdout, is written to.
 * @throws CommandError naming the path
 */
export async function writePrivateFile(path: string, text: AsyncIterable<string>): Promise<void> {
  const found = await stat(path).catch(() => null);
  try {
    if (found !== null && !found.isFile())
      await pipeline(Readable.from(text), createWriteStream(path, { flags: 'a' }));
    else await replace(found === null ? path : await realpath(path), text);
  } catch (error) {
    throw withCause(error, `${path} cannot be written`, 'Name a file in a folder that this user can write.');
  }
}

/**
 * Creates a folder with its parents, readable by this user only.
 * @returns whether it did not exist
 * @throws CommandError naming the path
 */
export async function createNamedFolder(path: string): Promise<boolean> {
  try {
    return (await createFolder(path)) !== undefined;
  } catch (error) {
    throw withCause(
      error,
      `The folder ${path} cannot be created`,
      'Name a folder that this user can create.',
    );
  }
}

/** An error of the system as one for the user, with the cure if the disk is not full; others as they are. */
function withCause(error: unknown, problem: string, cure: string): unknown {
  const cause = causes[codeOf(error) ?? ''];
  if (cause === undefined) return error;
  const advice = isDiskFull(error) ? 'Free space there, or name another disk.' : cure;
  return new CommandError(`${problem}: ${cause}. ${advice}`, { cause: error });
}

async function replace(path: string, text: AsyncIterable<string>): Promise<void> {
  // Processes of several containers have the same id.
  const draft = `${path}.${randomUUID()}.part`;
  try {
    await pipeline(Readable.from(text), createWriteStream(draft, { flags: 'wx', mode: 0o600, flush: true }));
    await rename(draft, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** The path without symbolic links; of one that does not exist, that of its parents with the rest. */
export async function realPath(path: string): Promise<string> {
  const parent = dirname(path);
  try {
    return await realpath(path);
  } catch {
    return parent === path ? path : join(await realPath(parent), basename(path));
  }
}
