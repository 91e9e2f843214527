import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, stat } from 'node:fs/promises';
import { codeOf } from '../core/errors';
import { freePort } from '../core/free-port';
import type { Binaries } from './binaries';
import { lastPort, readServerNote, removeStaleNote, type ServerFolder } from './folder';
import { withIdentity, type Identity } from './identity';
import { hasEnded, run, type Command, type StartLimit } from './process';

/** Options of {@link launch}. */
export interface ServerOptions {
  isDurable: boolean;
  maxConnections: number;
  /** Whether the port of the folder's last server is in use; a free one is then chosen. */
  isPortTaken: boolean;
}

/** The result of a start. */
export interface Launch {
  /** Undefined if the program could not be executed. */
  pid: number | undefined;
  /** The output of a server that ended instead of becoming ready. */
  output: string;
  /** How to retry after a failure. */
  retry: 'other port' | 'later' | 'none';
}

const maxLogBytes = 1_000_000;

/** Everything that is needed to run PostgreSQL's programs for a folder. */
export interface ServerContext {
  folder: ServerFolder;
  binaries: Binaries;
  identity: Identity;
}

/**
 * Starts a server, and waits until it is ready or has ended. It listens on loopback only, on the port of the
 * folder's last server or, if that is in use, on a free one.
 *
 * A durable server continues when this process is killed: the next start attaches to it. A server that is not
 * durable is for tests: it does not sync to disk, and on Linux it ends with the process that started it.
 */
export async function launch(
  context: ServerContext,
  options: ServerOptions,
  limit: StartLimit,
): Promise<Launch> {
  const { folder, identity, binaries } = context;
  await removeStaleNote(folder);
  const [program, ...args] = await serverCommand(context, options);
  const log = await openLog(folder, identity);
  try {
    const child = spawn(program, args, {
      cwd: '/',
      env: binaries.env,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    child.unref();
    const ending = await readyOrEnded(folder, child, limit);
    const output = ending === null ? '' : `${await readFrom(folder.log, log.startsAt)}\n${ending}`;
    return { pid: child.pid, output, retry: retryAfter(output) };
  } finally {
    await log.close();
  }
}

/**
 * Stops a server: first with SIGINT (rolls back open transactions and writes a checkpoint), then with SIGQUIT (the
 * next start recovers), then with SIGKILL. Returns when it has ended, within 16 s.
 */
export async function endServer({ data }: ServerFolder, pid: number): Promise<void> {
  const steps = [
    ['SIGINT', 10_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 1_000],
  ] as const;
  for (const [signal, patienceMs] of steps) {
    if (await hasEnded(data, pid, 0)) return;
    send(pid, signal);
    if (await hasEnded(data, pid, patienceMs)) return;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

function settings({ isDurable, maxConnections }: ServerOptions): string[] {
  const durability = isDurable
    ? { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' }
    : {
        fsync: 'off',
        synchronous_commit: 'off',
        full_page_writes: 'off',
        wal_level: 'minimal',
        max_wal_senders: '0',
      };
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: String(maxConnections),
    // Failing statements and their rows are not logged, since they contain personal data.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    log_checkpoints: 'off',
    ...durability,
  };
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

async function serverCommand(
  { folder, binaries, identity }: ServerContext,
  options: ServerOptions,
): Promise<Command> {
  const port = (options.isPortTaken ? null : await lastPort(folder)) ?? (await freePort());
  const endsWithParent = options.isDurable ? [] : await endingWithParent(binaries.env);
  const prefix = [...identity.prefix, ...endsWithParent];
  return withIdentity({ ...identity, prefix }, [
    binaries.postgres,
    ...['-D', folder.data, '-p', String(port)],
    ...settings(options),
  ]);
}

/** @returns how the process ended, or null when the server is ready */
async function readyOrEnded(
  folder: ServerFolder,
  child: ChildProcess,
  limit: StartLimit,
): Promise<string | null> {
  const watched: { ending: string | null } = { ending: null };
  child.once('exit', (code, signal) => (watched.ending = `It ended with ${code ?? signal ?? 'nothing'}.`));
  child.once('error', (error) => (watched.ending = error.message));
  try {
    while (watched.ending === null) {
      const note = await readServerNote(folder);
      if (note?.isReady && note.pid === child.pid) return null;
      await limit.pause(10);
    }
    return watched.ending;
  } catch (error) {
    if (watched.ending === null) await endChild(child);
    throw error;
  }
}

/** Stops a server that is still starting, possibly before it has written its process id. Returns when it has exited. */
async function endChild(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGINT');
  const late = setTimeout(() => child.kill('SIGQUIT'), 5_000);
  await exited;
  clearTimeout(late);
}

function retryAfter(output: string): Launch['retry'] {
  if (/Address already in use|could not bind|could not create any TCP/i.test(output)) return 'other port';
  // Another server uses the data, or processes of the last one are still ending.
  const isOccupied = /lock file ".*" already exists|shared memory block .* is still in use/i.test(output);
  return output === '' || isOccupied ? 'later' : 'none';
}

/** The command that ends a program with its parent, if the machine has it. SIGINT is PostgreSQL's fast shutdown. */
async function endingWithParent(env: Record<string, string>): Promise<string[]> {
  const prefix = ['--pdeathsig', 'INT', '--'];
  const { isDone } = await run(['setpriv', ...prefix, 'true'], env, 5_000);
  return isDone ? ['setpriv', ...prefix] : [];
}

async function openLog(
  { log }: ServerFolder,
  { owner }: Identity,
): Promise<{ fd: number; startsAt: number; close(): Promise<void> }> {
  const size = await stat(log).then(
    ({ size: bytes }) => bytes,
    () => 0,
  );
  const startsAt = size > maxLogBytes ? 0 : size;
  const handle = await open(log, startsAt < size ? 'w' : 'a', 0o600);
  if (owner) await handle.chown(owner.uid, owner.gid);
  return { fd: handle.fd, startsAt, close: () => handle.close() };
}

async function readFrom(path: string, startsAt: number): Promise<string> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  return bytes.subarray(startsAt).toString('utf8');
}
