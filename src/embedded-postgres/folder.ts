import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf } from '../core/errors';
import { createFolder } from '../core/folders';
import type { Binaries } from './binaries';
import { EmbeddedPostgresError, explain, explainFileError } from './errors';
import { withIdentity, type Identity, type User } from './identity';
import { hasServer, isServerOf, isTaken, run, type StartLimit } from './process';

/** The paths of an embedded server. Its data folder is created atomically, by a rename. */
export interface ServerFolder {
  dir: string;
  /** PostgreSQL's data directory. */
  data: string;
  /** The password of the user `likeness`, readable by the owner only. */
  passwordFile: string;
  /** The server's log; truncated at a start if it exceeds a megabyte. */
  log: string;
}

/** initdb takes half a second; a slow disk may take much longer. */
const initialiseTimeoutMs = 60_000;

/** Files of an unfinished initialization that are older than any initialization can last are abandoned. */
const abandonedAfterMs = 2 * initialiseTimeoutMs;

/** The paths in the folder of a server. */
export function serverFolder(dir: string): ServerFolder {
  const whole = resolve(dir);
  return {
    dir: whole,
    data: join(whole, 'data'),
    passwordFile: join(whole, 'password'),
    log: join(whole, 'server.log'),
  };
}

/**
 * The owner of the data; null if there are no data yet.
 * @throws EmbeddedPostgresError if the data belong to another user and this process is not root
 */
export async function ownerOfData({ dir }: ServerFolder): Promise<User | null> {
  const found = await stat(dir).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw explainFileError(`The folder ${dir} of the embedded PostgreSQL cannot be read`, error);
  });
  if (found === null) return null;
  const self = process.getuid?.() ?? 0;
  if (self !== 0 && found.uid !== self) {
    throw new EmbeddedPostgresError(
      `The data of the embedded PostgreSQL in ${dir} belongs to another user (uid ${found.uid}, this is uid ${self}), who started it earlier. ` +
        `Start Likeness as that user, or stop it and change the owner with: sudo chown -R ${self} "${dirname(dir)}", or set DATA_DIR to another folder.`,
    );
  }
  return (await isInitialised({ dir })) ? { uid: found.uid, gid: found.gid } : null;
}

/** The password stored in the folder. */
export async function readPassword({ passwordFile, dir }: ServerFolder): Promise<string> {
  try {
    return (await readFile(passwordFile, 'utf8')).trim();
  } catch (error) {
    throw explainFileError(
      `The password of the embedded PostgreSQL cannot be read from ${passwordFile}. ` +
        `Restore the file, or move ${dir} away to start with an empty database`,
      error,
    );
  }
}

/**
 * Creates the data, unless another process has: in a temporary folder that is renamed when complete, so that a
 * crash or a race leaves no incomplete database.
 * @param isDurable - whether the files are synced before the rename
 */
export async function initialise(
  folder: ServerFolder,
  binaries: Binaries,
  identity: Identity,
  isDurable: boolean,
  limit: StartLimit,
): Promise<void> {
  const aside = serverFolder(await makeAside(folder));
  try {
    await writePassword(aside, identity);
    const options = [
      '--username=likeness',
      `--pwfile=${aside.passwordFile}`,
      '--auth=scram-sha-256',
      '--no-instructions',
    ];
    // Orders text by code points and folds case by Unicode, identically on every machine, independent of its C
    // library.
    const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    checkShellSafe(binaries.initdb);
    const command = withIdentity(identity, [
      binaries.initdb,
      '-D',
      aside.data,
      ...options,
      ...locale,
      ...(isDurable ? [] : ['--no-sync']),
    ]);
    const { isDone, output } = await run(command, binaries.env, initialiseTimeoutMs, limit.signal);
    limit.check();
    if (!isDone)
      throw explain(
        `The embedded PostgreSQL could not initialize its data in ${folder.dir} (as ${identity.name})`,
        output,
      );
    await putInPlace(aside, folder);
    if (isDurable) await forceToDisk(dirname(folder.dir));
  } finally {
    await rm(aside.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** initdb runs other programs through a shell, with their paths in double quotes. */
function checkShellSafe(program: string): void {
  if (!/["$`\\]/.test(program)) return;
  throw new EmbeddedPostgresError(
    `The embedded PostgreSQL cannot run initdb from ${dirname(program)}: the path contains one of the characters " $ \` \\. ` +
      'Move the project to a folder without them, or set DATABASE_URL to another PostgreSQL.',
  );
}

/** Creates the parent of a server's folder, and removes the remains of failed initializations from it. */
export async function prepareParent({ dir }: ServerFolder): Promise<void> {
  await createFolder(dirname(dir), 0o777).catch((error: unknown) => {
    throw explainFileError(`The folder ${dirname(dir)} for the embedded PostgreSQL cannot be created`, error);
  });
  const siblings = await readdir(dirname(dir)).catch(() => []);
  for (const name of siblings.filter((sibling) => sibling.startsWith(asidePrefix(dir)))) {
    const path = join(dirname(dir), name);
    const found = await stat(path).catch(() => null);
    if (found && Date.now() - found.mtimeMs > abandonedAfterMs)
      await rm(path, { recursive: true, force: true });
  }
}

/** The content of a server's postmaster.pid. */
export interface ServerNote {
  pid: number;
  port: number;
  isReady: boolean;
}

/** The postmaster.pid of the server that uses the folder, in any state; null if there is no server. */
export async function readServerNote({ data }: ServerFolder): Promise<ServerNote | null> {
  const note = await readNote(data);
  return note !== null && (await isServerOf(data, note.pid)) ? note : null;
}

/**
 * Removes the postmaster.pid of an exited server if PostgreSQL would refuse to start because of it: the process id
 * belongs to another process, or the file is empty or corrupt and no server uses the folder. Concurrent servers are
 * also prevented by their shared memory.
 */
export async function removeStaleNote({ data }: ServerFolder): Promise<void> {
  const note = await readNote(data);
  const isStale =
    note === null ? await isDamaged(data) : isTaken(note.pid) && !(await isServerOf(data, note.pid));
  if (isStale) await rm(noteFile(data), { force: true });
}

/** A starting server has an empty postmaster.pid for a moment, so the file is read again at the end. */
async function isDamaged(data: string): Promise<boolean> {
  const exists = (await stat(noteFile(data)).catch(() => null)) !== null;
  return exists && !(await hasServer(data)) && (await readNote(data)) === null;
}

/** The port of the folder's last server, so that the next one can use it again. */
export async function lastPort({ data }: ServerFolder): Promise<number | null> {
  const options = await readFile(join(data, 'postmaster.opts'), 'utf8').catch(() => '');
  const port = /"-p" "(\d+)"/.exec(options)?.[1];
  return port === undefined ? null : Number(port);
}

/** The lines of postmaster.pid: process id, data folder, start time, port, socket folder, address, memory key, state. */
async function readNote(data: string): Promise<ServerNote | null> {
  const lines = (await readFile(noteFile(data), 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  return pid > 0 ? { pid, port: Number(lines[3]), isReady: lines[7]?.trim() === 'ready' } : null;
}

function noteFile(data: string): string {
  return join(data, 'postmaster.pid');
}

async function isInitialised({ dir }: Pick<ServerFolder, 'dir'>): Promise<boolean> {
  return (await stat(join(dir, 'data', 'PG_VERSION')).catch(() => null)) !== null;
}

function asidePrefix(dir: string): string {
  return `${basename(dir)}.new-`;
}

async function makeAside({ dir }: ServerFolder): Promise<string> {
  try {
    return await mkdtemp(join(dirname(dir), asidePrefix(dir)));
  } catch (error) {
    throw explainFileError(`The embedded PostgreSQL cannot create its data in ${dirname(dir)}`, error);
  }
}

async function writePassword({ dir, passwordFile }: ServerFolder, { owner }: Identity): Promise<void> {
  // 192 bits, without characters that need escapes in a URL.
  await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600, flush: true });
  if (owner === undefined) return;
  await chown(passwordFile, owner.uid, owner.gid);
  await chown(dir, owner.uid, owner.gid);
}

async function putInPlace(aside: ServerFolder, folder: ServerFolder): Promise<void> {
  try {
    await rename(aside.dir, folder.dir);
  } catch (error) {
    // Another process has created the data in the meantime.
    if (await isInitialised(folder)) return;
    if (!['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(codeOf(error) ?? '')) {
      throw explainFileError(`The embedded PostgreSQL cannot move its data to ${folder.dir}`, error);
    }
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL cannot create its data in ${folder.dir}, because it already exists with other contents. Move it away, or set DATA_DIR to an empty folder.`,
      { cause: error },
    );
  }
}

async function forceToDisk(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
