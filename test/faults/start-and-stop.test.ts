import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { until } from '../support/until';

const program = resolve(__dirname, '../../dist/main.js');

/** A gateway with embedded defaults in its own directory. */
class EmbeddedGateway {
  output = '';
  private readonly child: ChildProcess;

  constructor(readonly dataDir: string) {
    this.child = spawn(process.execPath, [program], {
      env: { PATH: process.env.PATH, DATA_DIR: dataDir, PORT: '0', SHUTDOWN_GRACE: '1h' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      createInterface(stream).on('line', (line) => (this.output += `${line}\n`));
  }

  get url(): string | undefined {
    return /ready: (\S+)\//.exec(this.output)?.[1];
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async exitCode(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, 'exit');
    return this.child.exitCode;
  }

  /** PostgreSQL processes of the data directory, of any user. */
  async remainingProcesses(): Promise<string[]> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const commands = await Promise.all(
      pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    );
    return commands.filter((command) => command.includes(this.dataDir));
  }
}

/** The time limit of a start on a busy machine, in milliseconds; it takes two seconds on an idle one. */
const startLimitMs = 60_000;
jest.setTimeout(3 * startLimitMs);

let dataDir = '';

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'likeness-start-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true, maxRetries: 3 }));

describe('a signal during the start', () => {
  // From before the first file is written until after everything runs, by steps of the start.
  const moments = ['postgres.new-', 'postgres', 'postgres/data/postmaster.pid', 'journal'];

  it.each(moments)(
    'stops the started parts once %s exists, and exits as after a normal stop',
    async (name) => {
      const gateway = new EmbeddedGateway(dataDir);
      const exists = async (): Promise<boolean> => {
        const files = await readdir(join(dataDir, name, '..')).catch(() => []);
        return files.some((file) => file.startsWith(name.split('/').at(-1)!));
      };
      await until(exists, startLimitMs);
      gateway.signal('SIGTERM');
      expect({ code: await gateway.exitCode(), output: gateway.output }).toMatchObject({ code: 0 });
      expect(await gateway.remainingProcesses()).toEqual([]);
      expect(gateway.output).not.toContain('cannot start');
    },
  );

  it('leaves a data directory that the next start can use', async () => {
    const stopped = new EmbeddedGateway(dataDir);
    await until(async () => (await readdir(dataDir)).length > 0, startLimitMs);
    stopped.signal('SIGTERM');
    await stopped.exitCode();
    const next = new EmbeddedGateway(dataDir);
    await until(() => next.url !== undefined, startLimitMs);
    next.signal('SIGTERM');
    expect(await next.exitCode()).toBe(0);
    expect(await next.remainingProcesses()).toEqual([]);
  });
});

describe('a second signal', () => {
  it('exits at once, and stops the embedded database', async () => {
    const gateway = new EmbeddedGateway(dataDir);
    await until(() => gateway.url !== undefined, startLimitMs);
    // An endless request delays the first stop for the whole grace period.
    const socket = connect(Number(new URL(gateway.url!).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{');
    await once(socket, 'connect');
    await until(async () => (await fetch(`${gateway.url}/healthz`)).ok);
    gateway.signal('SIGTERM');
    await until(() => gateway.output.includes('shutting down'));
    expect(await gateway.remainingProcesses()).not.toEqual([]);
    gateway.signal('SIGTERM');
    expect(await gateway.exitCode()).toBe(1);
    expect(await gateway.remainingProcesses()).toEqual([]);
    socket.destroy();
  });
});
