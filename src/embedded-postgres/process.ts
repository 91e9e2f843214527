import { execFile } from 'node:child_process';
import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { pause } from '../core/clock';
import { codeOf, EmbeddedPostgresError } from './errors';

/** The longest that a start may take, in milliseconds; replaying a gigabyte of WAL after a crash takes some 30 s. */
const startLimitMs = 120_000;

/** Bounds everything that a start waits for, by time and by the caller's signal. */
export class StartLimit {
  private readonly lastMs = performance.now() + startLimitMs;

  constructor(
    private readonly dir: string,
    readonly signal?: AbortSignal,
  ) {}

  /** @throws the signal's reason once it is aborted, EmbeddedPostgresError once the time is over */
  check(): void {
    this.signal?.throwIfAborted();
    if (performance.now() < this.lastMs) return;
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL was not ready within ${startLimitMs / 1000} s. Look into ${this.dir}/server.log; if a process that hangs holds the folder, ` +
        `its id is in the first line of ${this.dir}/data/postmaster.pid: end it and start again.`,
    );
  }

  /** Waits a little, then checks. */
  async pause(ms: number): Promise<void> {
    await pause(ms, this.signal);
    this.check();
  }
}

/** A program to run, its path or name first. */
export type Command = readonly [program: string, ...args: string[]];

/** How a program ended: whether with 0, and what it printed on both channels. */
export interface Outcome {
  isDone: boolean;
  output: string;
}

/**
 * Runs a program to its end, at most `timeoutMs`. A program that cannot be started, fails or is late is an outcome,
 * not an exception.
 */
export function run(
  [program, ...args]: Command,
  env: Record<string, string>,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(program, args, { env, cwd: '/', timeout: timeoutMs, signal }, (error, stdout, stderr) => {
      resolve({ isDone: error === null, output: `${stdout}\n${stderr}`.trim() || (error?.message ?? '') });
    });
  });
}

/** Whether a process of this id exists, of whatever user, dead but unreaped ones included. */
export function isTaken(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/**
 * Whether this process is the server that works in this data folder. An id alone proves nothing: after a reboot, or
 * in a restarted container, the id of a server that died belongs to somebody else. A server's working directory is
 * its data folder; a process that died and was not reaped yet has none.
 */
export async function isServerOf(data: string, pid: number): Promise<boolean> {
  if (!isTaken(pid)) return false;
  if (process.platform !== 'linux') return true;
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === (await realpath(data));
  } catch (error) {
    return codeOf(error) !== 'ENOENT' && isLivePostgres(pid);
  }
}

/**
 * Whether any server works in this data folder, whatever its note says. On Linux all processes of the folder's owner
 * are looked at; elsewhere the answer is yes, since it cannot be known.
 */
export async function hasServer(data: string): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const owner = (await stat(data)).uid;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  for (const pid of pids) {
    const uid = await stat(`/proc/${pid}`).then(
      (found) => found.uid,
      () => null,
    );
    if (uid === owner && (await isLivePostgres(pid)) && (await isServerOf(data, pid))) return true;
  }
  return false;
}

/** What everyone may know of another user's process, in containers even root: its name and whether it is a zombie. */
async function isLivePostgres(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return /^\d+ \(postgres\) [^ZX]/.test(status);
}

/** Whether the server has ended within the time. */
export async function hasEnded(data: string, pid: number, withinMs: number): Promise<boolean> {
  const lastMs = performance.now() + withinMs;
  while (await isServerOf(data, pid)) {
    if (performance.now() > lastMs) return false;
    await pause(10);
  }
  return true;
}
