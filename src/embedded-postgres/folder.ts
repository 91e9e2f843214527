import { randomBytes } from 'node:crypto';
import {
  chown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Binaries } from './binaries';
import { codeOf, EmbeddedPostgresError, explain, explainFileError } from './errors';
import { withIdentity, type Identity, type User } from './identity';
import { hasServer, isServerOf, isTaken, run, type StartLimit } from './process';

/** The folder of one embedded server; it comes into being whole, by a rename. */
export interface ServerFolder {
  dir: string;
  /** PostgreSQL's own folder. */
  data: string;
  /** The user's password, readable by the owner only. */
  passwordFile: string;
  /** What the server says; begun anew at a start once it is longer than a megabyte. */
  log: string;
}

/** Making a database takes half a second; a slow disk may take much longer. */
const initialiseTimeoutMs = 60_000;

/** What is left in a folder that was begun and is older than any initialisation can last belongs to nobody. */
const abandonedAfterMs = 2 * initialiseTimeoutMs;

/** The places in the folder of a server. */
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
 * To whom the data belongs, null if there is none yet.
 * @throws EmbeddedPostgresError if it is somebody else's, and this process is not root
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
      `The data of the embedded PostgreSQL in ${dir} belongs to another user (uid ${found.uid}, this is uid ${self}): an earlier start was theirs. ` +
        `Start Likeness as that user, or stop it and give the data to this one with: sudo chown -R ${self} "${dirname(dir)}", or set DATA_DIR to a folder of your own.`,
    );
  }
  return (await isInitialised({ dir })) ? { uid: found.uid, gid: found.gid } : null;
}

/** The password of the folder's user. */
export async function readPassword({ passwordFile, dir }: ServerFolder): Promise<string> {
  try {
    return (await readFile(passwordFile, 'utf8')).trim();
  } catch (error) {
    throw explainFileError(
      `The password of the embedded PostgreSQL cannot be read; it belongs beside its data, in ${passwordFile}. ` +
        `Put the file back, or move ${dir} away to begin with an empty database`,
      error,
    );
  }
}

/**
 * Makes the data, unless another process is faster: in a folder aside that is renamed when it is whole, so that no
 * crash and no race leaves half a database.
 * @param isDurable - whether the files are forced to the disk before the rename
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
    // Code points order text and Unicode folds its case, the same on every machine, whatever its C library knows.
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
        `The embedded PostgreSQL could not make its data in ${folder.dir} (as ${identity.name})`,
        output,
      );
    await putInPlace(aside, folder);
    if (isDurable) await forceToDisk(dirname(folder.dir));
  } finally {
    await rm(aside.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** initdb runs the programs beside it through a shell, between double quotes. */
function checkShellSafe(program: string): void {
  if (!/["$`\\]/.test(program)) return;
  throw new EmbeddedPostgresError(
    `The embedded PostgreSQL cannot make its data from ${dirname(program)}: the path contains one of the characters " $ \` \\. ` +
      'Move the project to a folder without, or set DATABASE_URL to a PostgreSQL of your own.',
  );
}

/** Makes the folder in which a server's folder lies, and removes from it what crashed initialisations left. */
export async function makeRoom({ dir }: ServerFolder): Promise<void> {
  await mkdir(dirname(dir), { recursive: true }).catch((error: unknown) => {
    throw explainFileError(`The folder ${dirname(dir)} for the embedded PostgreSQL cannot be made`, error);
  });
  const siblings = await readdir(dirname(dir)).catch(() => []);
  for (const name of siblings.filter((sibling) => sibling.startsWith(asidePrefix(dir)))) {
    const path = join(dirname(dir), name);
    const found = await stat(path).catch(() => null);
    if (found && Date.now() - found.mtimeMs > abandonedAfterMs)
      await rm(path, { recursive: true, force: true });
  }
}

/** What a server notes of itself in its data while it runs. */
export interface ServerNote {
  pid: number;
  port: number;
  isReady: boolean;
}

/** The note of the server that works in the folder now, in whatever state; null if none does. */
export async function readServerNote({ data }: ServerFolder): Promise<ServerNote | null> {
  const note = await readNote(data);
  return note !== null && (await isServerOf(data, note.pid)) ? note : null;
}

/**
 * Removes the note of a server that died where PostgreSQL would refuse to start: its process id belongs to another
 * process by now, or the note is empty or garbled and no server works in the folder. Servers that do overlap are kept
 * apart by their shared memory besides.
 */
export async function removeStaleNote({ data }: ServerFolder): Promise<void> {
  const note = await readNote(data);
  const isStale =
    note === null ? await isDamaged(data) : isTaken(note.pid) && !(await isServerOf(data, note.pid));
  if (isStale) await rm(noteFile(data), { force: true });
}

/** A server that is starting has an empty note for a moment, and then another one: so it is read again at the end. */
async function isDamaged(data: string): Promise<boolean> {
  const exists = (await stat(noteFile(data)).catch(() => null)) !== null;
  return exists && !(await hasServer(data)) && (await readNote(data)) === null;
}

/** The port that the folder's last server had, so that whoever knew it finds the next one there. */
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
    throw explainFileError(`The embedded PostgreSQL cannot make its data in ${dirname(dir)}`, error);
  }
}

async function writePassword({ dir, passwordFile }: ServerFolder, { owner }: Identity): Promise<void> {
  // 192 bits, in letters that need no escape in a URL.
  await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600, flush: true });
  if (owner === undefined) return;
  await chown(passwordFile, owner.uid, owner.gid);
  await chown(dir, owner.uid, owner.gid);
}

async function putInPlace(aside: ServerFolder, folder: ServerFolder): Promise<void> {
  try {
    await rename(aside.dir, folder.dir);
  } catch (error) {
    // Another process was faster, and its data is as good as ours.
    if (await isInitialised(folder)) return;
    if (!['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(codeOf(error) ?? '')) {
      throw explainFileError(`The embedded PostgreSQL cannot put its data into ${folder.dir}`, error);
    }
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL wants to make its data in ${folder.dir}, but something else is there. Move it away, or set DATA_DIR to an empty folder.`,
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
