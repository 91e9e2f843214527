import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { FailpointName } from '../../src/core/failpoint';
import { freePort } from '../../src/core/free-port';

const project = resolve(__dirname, '../..');
/** Loaded before the program. */
const preloaded = ['code-cache.cjs', 'failpoints.cjs'].flatMap((name) => ['-r', join(__dirname, name)]);

/** The time limit of a start in milliseconds; it takes one to two seconds on an idle machine. */
const startMs = 60_000;

/** The Linux system call numbers of `openat` on x86-64 and ARM64. */
const openCalls: ReadonlySet<string> = new Set(['257', '56']);

/** The maximum number of log lines that are kept. */
const maxLines = 20_000;

/** A line of the gateway's log. */
export interface LogLine extends Record<string, unknown> {
  level: string;
  msg: string;
}

/** Messages over the IPC channel of failpoints.cjs. */
type Message = { reached: FailpointName } | { armed: FailpointName } | Usage;

/** The memory and handles of a process after a garbage collection. */
export interface Usage {
  heapBytes: number;
  /** Sockets, servers, timers and requests. */
  handles: number;
}

/** A gateway as a separate process that can be killed. */
export class GatewayProcess {
  readonly log: LogLine[] = [];
  /** The error output, for messages of failed tests. */
  errors = '';
  private readonly waiting: { fits: (message: Message) => boolean; resolve: () => void }[] = [];
  private readonly exited: Promise<unknown>;
  /** Whether the test has caused, or may have caused, its end. */
  private isEnding = false;

  private constructor(
    private readonly child: ChildProcess,
    /** The URL of its server. */
    readonly url: string,
  ) {
    this.exited = once(child, 'exit');
    createInterface(child.stdout!).on('line', (line) => {
      this.read(line);
    });
    child.stderr!.on(
      'data',
      (chunk: Buffer) => (this.errors = (this.errors + chunk.toString()).slice(-8_000)),
    );
    child.on('message', (message) => {
      this.onMessage(message as Message);
    });
    child.on('exit', (code, signal) => {
      if (this.isReady && !this.isEnding) this.reportEnd(code ?? signal);
    });
  }

  /** Else a failed test would say only that there is no answer. */
  private reportEnd(how: number | string | null): void {
    const last = this.log.slice(-5).map((line) => JSON.stringify(line).slice(0, 2_000));
    process.stderr.write(`A gateway has ended by itself (${how}):\n${last.join('\n')}\n${this.errors}\n`);
  }

  /** {@link launch}, and returns when the gateway is ready. A port that another test has taken meanwhile is replaced. */
  static async start(...options: Parameters<typeof GatewayProcess.launch>): Promise<GatewayProcess> {
    for (let left = 3; ; left -= 1) {
      const gateway = await GatewayProcess.launch(...options);
      try {
        await gateway.untilReady();
        return gateway;
      } catch (error) {
        const isTaken = options[0].PORT === undefined && gateway.errors.includes('cannot listen on port');
        if (!isTaken || left === 1) throw error;
      }
    }
  }

  /**
   * Starts a gateway without waiting until it is ready.
   * @param settings - the whole environment, besides PATH
   * @param openFiles - its limit of open files (`ulimit -n`); by default that of this process
   * @param installed - the folder of the installation; by default this one
   */
  static async launch(
    settings: Readonly<Record<string, string>>,
    openFiles?: number,
    installed = project,
  ): Promise<GatewayProcess> {
    const port = settings.PORT ?? String(await freePort());
    const command = [process.execPath, '--expose-gc', ...preloaded, join(installed, 'dist/main.js')];
    const limited = openFiles === undefined ? command : ['prlimit', `--nofile=${openFiles}`, ...command];
    const child = spawn(limited[0]!, limited.slice(1), {
      cwd: settings.DATA_DIR,
      env: { PATH: process.env.PATH, ...settings, PORT: port },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    return new GatewayProcess(child, `http://127.0.0.1:${port}`);
  }

  get pid(): number {
    return this.child.pid!;
  }

  get isReady(): boolean {
    return this.said(/^Likeness is ready$/).length > 0;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  get port(): string {
    return new URL(this.url).port;
  }

  /**
   * Arms a failpoint. Returns once it is armed; `reached` resolves when the process has reached the point for the nth time
   * and is blocked.
   */
  async arm(name: FailpointName, nth = 1): Promise<{ reached: Promise<void> }> {
    const isArmed = this.message((message) => 'armed' in message && message.armed === name);
    const reached = this.message((message) => 'reached' in message && message.reached === name);
    this.child.send({ arm: name, nth });
    await isArmed;
    return { reached };
  }

  /** Resumes a process that is blocked at its failpoint. */
  release(): void {
    this.child.send({ release: true });
  }

  /** Causes an error that the program does not handle, and returns the exit code. */
  async fail(how: 'exception' | 'rejection'): Promise<number | null> {
    this.isEnding = true;
    this.child.send({ fail: how });
    return this.exitCode();
  }

  /** Sends a signal without waiting for its effect. */
  signal(name: NodeJS.Signals): void {
    this.isEnding = true;
    this.child.kill(name);
  }

  /** Waits until it has exited; null after a signal that ended it. */
  async exitCode(): Promise<number | null> {
    await this.exited;
    return this.child.exitCode;
  }

  /** Kills it with SIGKILL, and returns when it has exited. */
  async kill(): Promise<void> {
    this.isEnding = true;
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** Sends SIGTERM, and returns when the process has exited. */
  async stop(): Promise<void> {
    if (!this.isRunning) return;
    this.isEnding = true;
    this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), 20_000);
    await this.exited;
    clearTimeout(late);
  }

  /** The peak and the current resident memory in bytes. */
  async memory(): Promise<{ peak: number; now: number }> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    const figure = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)![1]) * 1_024;
    return { peak: figure('VmHWM'), now: figure('VmRSS') };
  }

  /** The memory and handles after a garbage collection. */
  async usage(): Promise<Usage> {
    let usage: Usage | undefined;
    const isMeasured = this.message((message) => {
      if (!('heapBytes' in message)) return false;
      usage = message;
      return true;
    });
    this.child.send({ measure: true });
    await isMeasured;
    return usage!;
  }

  /** A counter of `/metrics`; 0 if missing. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
  }

  /**
   * Limits the size of its files, which has the effect of a full disk.
   * @param bytes - null: no limit
   */
  async limitFiles(bytes: number | null): Promise<void> {
    const limit = bytes === null ? 'unlimited' : String(bytes);
    await promisify(execFile)('prlimit', ['--pid', String(this.pid), `--fsize=${limit}:unlimited`]);
  }

  /** The number of open files and sockets. */
  async openFiles(): Promise<number> {
    return (await readdir(`/proc/${this.pid}/fd`)).length;
  }

  /** The number of threads that are opening a file, such as a pipe without a writer. */
  async threadsOpeningFiles(): Promise<number> {
    const tasks = `/proc/${this.pid}/task`;
    const calls = await Promise.all(
      (await readdir(tasks)).map((thread) =>
        readFile(join(tasks, thread, 'syscall'), 'utf8').catch(() => ''),
      ),
    );
    return calls.filter((call) => openCalls.has(call.split(' ')[0]!)).length;
  }

  /**
   * Prevents it from opening further files and sockets.
   * @returns a function that removes the limit
   */
  async forbidOpening(): Promise<() => Promise<void>> {
    const limit = async (soft: string): Promise<void> => {
      await promisify(execFile)('prlimit', ['--pid', String(this.pid), `--nofile=${soft}:`]);
    };
    // The kernel assigns the lowest free descriptor, so with this limit only descriptors below it that are free now are left.
    await limit('3');
    return () => limit('1024');
  }

  /** Resets the recorded peak memory to the current usage. */
  async forgetPeak(): Promise<void> {
    await writeFile(`/proc/${this.pid}/clear_refs`, '5');
  }

  /** The log lines that match. */
  said(words: RegExp, level?: string): LogLine[] {
    return this.log.filter((line) => words.test(line.msg) && (level === undefined || line.level === level));
  }

  private read(line: string): void {
    if (!line.startsWith('{')) return;
    this.log.push(JSON.parse(line) as LogLine);
    if (this.log.length > maxLines) this.log.splice(0, maxLines / 10);
  }

  private onMessage(message: Message): void {
    for (const listener of this.waiting.filter(({ fits }) => fits(message))) {
      this.waiting.splice(this.waiting.indexOf(listener), 1);
      listener.resolve();
    }
  }

  private message(fits: (message: Message) => boolean): Promise<void> {
    return new Promise((resolve) => this.waiting.push({ fits, resolve }));
  }

  private async untilReady(): Promise<void> {
    const deadline = Date.now() + startMs;
    while (!this.isReady) {
      if (!this.isRunning || Date.now() > deadline) {
        this.child.kill('SIGKILL');
        const last = this.log.slice(-3).map((line) => JSON.stringify(line));
        throw new Error(`The gateway did not start.\n${this.errors}\n${last.join('\n')}`);
      }
      await pause(20);
    }
  }
}
