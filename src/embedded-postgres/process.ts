import { execFile } from 'node:child_process';
import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { pause } from '../core/clock';
import { codeOf } from '../core/errors';
import { EmbeddedPostgresError } from './errors';

/** Maximum duration of a start, in milliseconds; replaying a gigabyte of WAL after a crash takes about 30 s. */
const startLimitMs = 120_000;

/** Limits a start by time and by the caller's signal. */
export class StartLimit {
  private readonly lastMs = performance.now() + startLimitMs;

  constructor(
    private readonly dir: string,
    readonly signal?: AbortSignal,
  ) {}

  /** @throws the signal's reason if it is aborted, EmbeddedPostgresError after the time limit */
  check(): void {
    this.signal?.throwIfAborted();
    if (performance.now() < this.lastMs) return;
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL was not ready within ${startLimitMs / 1000} s. See ${this.dir}/server.log; if a hanging process uses the folder, ` +
        `its id is in the first line of ${this.dir}/data/postmaster.pid: end it and start again.`,
    );
  }

  /** Waits, then checks. */
  async pause(ms: number): Promise<void> {
    await pause(ms, this.signal);
    this.check();
  }
}

/** A program with its arguments; the program's path or name first. */
export type Command = readonly [program: string, ...args: string[]];

/** The result of a program: whether it exited with 0, and its output on both channels. */
export interface Outcome {
  isDone: boolean;
  output: string;
}

/**
 * Runs a program to its end, for at most `timeoutMs`. A program that cannot be started, fails, times out or is aborted is a
 * result, not an exception.
 */
export function run(
  [program, ...args]: Command,
  env: Record<string, string>,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { env, cwd: '/', timeout: timeoutMs }, (error, stdout, stderr) => {
      signal?.removeEventListener('abort', stop);
      resolve({ isDone: error === null, output: `${stdout}\n${stderr}`.trim() || (error?.message ?? '') });
    });
    // With its own option `signal`, execFile would report the end before the program has ended.
    const stop = (): void => void child.kill();
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted) stop();
  });
}

/** Whether a process with this id exists, of any user, including zombies. */
export function isTaken(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/**
 * Whether this process is the server of this data folder. The id alone is not sufficient: after a reboot or in a
 * restarted container it may belong to another process. A server's working directory is its data folder; a zombie
 * has none.
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
 * Whether a server uses this data folder, regardless of postmaster.pid. On Linux all processes of the folder's
 * owner are checked; elsewhere the result is true, since it cannot be determined.
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

/** Uses what is readable for another user's process, even in containers: its name and whether it is a zombie. */
async function isLivePostgres(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return /^\d+ \(postgres\) [^ZX]/.test(status);
}

/** Whether the server ends within the time limit. */
export async function hasEnded(data: string, pid: number, withinMs: number): Promise<boolean> {
  const lastMs = performance.now() + withinMs;
  while (await isServerOf(data, pid)) {
    if (performance.now() > lastMs) return false;
    await pause(10);
  }
  return true;
}
