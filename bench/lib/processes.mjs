// Starts servers as processes and reads their use of the processor and of memory from /proc (Linux).
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The folder of this package, and that of the product. */
export const benchFolder = fileURLToPath(new URL('..', import.meta.url));
export const productFolder = join(benchFolder, '..');

const startMs = 60_000;
const stopMs = 15_000;

/** A server under test: a Node program that listens on PORT and prints that it is ready. */
export class Server {
  static running = new Set();

  constructor(id, child, logFile) {
    this.id = id;
    this.child = child;
    this.logFile = logFile;
    this.pid = child.pid;
    this.exited = once(child, 'exit');
  }

  /**
   * @param folder - receives the output, so that no process has to read a pipe during a measurement
   * @param port - by default a free one
   */
  static async start(id, { program, env, folder, port: givenPort }) {
    const logFile = join(folder, `${id}-${Date.now()}.log`);
    const log = openSync(logFile, 'w');
    const port = givenPort ?? (await freePort());
    const startedAt = Date.now();
    const child = spawn(
      process.execPath,
      ['--expose-gc', '--require', join(benchFolder, 'lib/probe.cjs'), program],
      {
        cwd: folder,
        env: { PATH: process.env.PATH, NODE_ENV: 'production', PORT: String(port), ...env },
        stdio: ['ignore', log, log, 'ipc'],
      },
    );
    closeSync(log);
    const server = new Server(id, child, logFile);
    Server.running.add(server);
    server.port = port;
    server.url = `http://127.0.0.1:${port}`;
    await server.ready(startedAt + startMs);
    server.startMs = Date.now() - startedAt;
    return server;
  }

  async ready(deadline) {
    for (;;) {
      const output = readFileSync(this.logFile, 'utf8');
      if (/^(ready|Likeness is ready)/m.test(output)) return;
      if (this.child.exitCode !== null || Date.now() > deadline) {
        await this.stop();
        throw new Error(`${this.id} did not start:\n${output.slice(-2000)}`);
      }
      await pause(20);
    }
  }

  /** Bytes of memory after a garbage collection. */
  async memory() {
    return (await ask(this.child, { type: 'memory' })).rss;
  }

  async stop() {
    Server.running.delete(this);
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGTERM');
    await Promise.race([this.exited, pause(stopMs, undefined, { ref: false })]);
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.exited;
  }

  /** Ends it without warning. */
  async kill() {
    Server.running.delete(this);
    this.child.kill('SIGKILL');
    await this.exited;
  }

  static async stopAll() {
    await Promise.all([...Server.running].map((server) => server.stop()));
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Runs `work` with a program of this package as a child process. */
export async function withChild(program, work) {
  const child = fork(join(benchFolder, program), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  try {
    return await work(child);
  } finally {
    child.kill('SIGKILL');
  }
}

/** Sends a command to a child process. @returns its answer */
export function ask(child, command) {
  return new Promise((resolve, reject) => {
    const settle = (error, answer) => {
      child.off('message', onMessage).off('exit', onExit);
      if (error) reject(error);
      else resolve(answer);
    };
    const onMessage = (answer) => {
      if (answer.to === command.type) settle(answer.error && new Error(answer.error), answer);
    };
    const onExit = () => settle(new Error(`A process ended before it answered "${command.type}".`));
    child.on('message', onMessage).on('exit', onExit).send(command);
  });
}

/** Answers commands in a child process. @param handlers - by type; each returns the answer or a promise of it */
export function answerCommands(handlers) {
  process.on('message', ({ type, ...input }) => {
    if (!handlers[type]) return;
    Promise.resolve(input)
      .then(handlers[type])
      .then(
        (answer) => process.send({ to: type, ...answer }),
        (error) => process.send({ to: type, error: error.message }),
      );
  });
  process.on('disconnect', () => process.exit());
}

/** Milliseconds of processor time that a process and its children have used; NaN where /proc is missing. */
export function cpuMs(pid) {
  // Again if a child ended meanwhile: from then on its parent counts its time.
  let total = NaN;
  for (let tries = 0; tries < 5 && Number.isNaN(total); tries += 1)
    total = treeOf(pid).reduce((sum, each) => sum + ownCpuMs(each), 0);
  return total;
}

/** Processor time of a server process. Its ended children count, so that PostgreSQL's closed sessions do. */
function ownCpuMs(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // utime, stime, cutime, cstime, in ticks of 10 ms.
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
  } catch {
    return NaN;
  }
}

function treeOf(pid) {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return [pid, ...(children ? children.split(' ').flatMap((child) => treeOf(Number(child))) : [])];
  } catch {
    return [pid];
  }
}

/** Milliseconds of processor time that the whole machine has used; NaN where /proc is missing. */
export function machineCpuMs() {
  try {
    const [line] = readFileSync('/proc/stat', 'utf8').split('\n');
    const [user, nice, system, , , irq, softirq] = line.split(/\s+/).slice(1).map(Number);
    return (user + nice + system + irq + softirq) * 10;
  } catch {
    return NaN;
  }
}
