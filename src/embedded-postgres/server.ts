import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Binaries } from './binaries';
import { codeOf } from './errors';
import { lastPort, readServerNote, removeStaleNote, type ServerFolder } from './folder';
import { withIdentity, type Identity } from './identity';
import { hasEnded, run, type Command, type StartLimit } from './process';

/** How a server shall be. */
export interface ServerOptions {
  isDurable: boolean;
  maxConnections: number;
  /** Whether the port of the folder's last server was found taken; then a free one is chosen. */
  isPortTaken: boolean;
}

/** A try to start a server. */
export interface Launch {
  /** Not set if the program could not even be started. */
  pid: number | undefined;
  /** What it said if it ended instead of being ready. */
  said: string;
  /** Whether another try may help, where this one failed or the server is gone again. */
  hope: 'other port' | 'later' | 'none';
}

const maxLogBytes = 1_000_000;

/** Everything that is needed to start programs for a folder. */
export interface Workshop {
  folder: ServerFolder;
  binaries: Binaries;
  identity: Identity;
}

/**
 * Starts a server, and waits until it is ready or has ended. It listens on loopback only, at the port of the folder's
 * last server or, if that is taken, at a free one.
 *
 * A durable server lives on when this process is killed: the next start finds it and attaches. One that is not
 * durable is for tests: nothing waits for the disk, and on Linux it ends with the process that started it.
 */
export async function launch(workshop: Workshop, options: ServerOptions, limit: StartLimit): Promise<Launch> {
  const { folder, identity, binaries } = workshop;
  await removeStaleNote(folder);
  const [program, ...args] = await serverCommand(workshop, options);
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
    const said = ending === null ? '' : `${await readFrom(folder.log, log.startsAt)}\n${ending}`;
    return { pid: child.pid, said, hope: hopeAfter(said) };
  } finally {
    await log.close();
  }
}

/**
 * Ends a server: politely (SIGINT rolls back what is open and writes a checkpoint), then at once (SIGQUIT; the next
 * start recovers), then by force. Returns when it is gone; bounded by 16 s.
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
    // Statements that fail, and the rows they were about, stay out of the log: they hold what users wrote.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    log_checkpoints: 'off',
    ...durability,
  };
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

async function serverCommand(
  { folder, binaries, identity }: Workshop,
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

/** @returns how the process ended, or null once the server is ready */
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

/** Ends a server that is still starting, which may not have noted its process id yet. Returns when it has exited. */
async function endChild(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGINT');
  const late = setTimeout(() => child.kill('SIGQUIT'), 5_000);
  await exited;
  clearTimeout(late);
}

function hopeAfter(said: string): Launch['hope'] {
  if (/Address already in use|could not bind|could not create any TCP/i.test(said)) return 'other port';
  // Another server has the data, or the last one's processes are about to leave it.
  const isOccupied = /lock file ".*" already exists|shared memory block .* is still in use/i.test(said);
  return said === '' || isOccupied ? 'later' : 'none';
}

/** What makes a program end with its parent, where the machine has it. SIGINT is PostgreSQL's fast shutdown. */
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

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => {
        resolve(port);
      });
    });
  });
}
