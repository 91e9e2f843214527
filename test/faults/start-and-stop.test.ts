import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from '../../src/core/free-port';
import { GatewayProcess } from '../support/faults-process';
import { until } from '../support/until';

/** Starts a gateway with the embedded PostgreSQL, in the test's data directory. */
const launch = (): Promise<GatewayProcess> =>
  GatewayProcess.launch({ DATA_DIR: dataDir, SHUTDOWN_GRACE: '1h' });

/** Begins a request that has no end: it delays a stop for the whole grace period. */
async function beginRequest({ port, url }: GatewayProcess): Promise<Socket> {
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write('POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{');
  await once(socket, 'connect');
  await until(async () => (await fetch(`${url}/healthz`)).ok);
  return socket;
}

/** PostgreSQL processes of the data directory, of any user. */
async function remainingProcesses(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return commands.filter((command) => command.includes(dataDir));
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
      const gateway = await launch();
      const exists = async (): Promise<boolean> => {
        const files = await readdir(join(dataDir, name, '..')).catch(() => []);
        return files.some((file) => file.startsWith(name.split('/').at(-1)!));
      };
      await until(exists, startLimitMs);
      gateway.signal('SIGTERM');
      expect({ code: await gateway.exitCode(), errors: gateway.errors }).toMatchObject({ code: 0 });
      expect(await remainingProcesses()).toEqual([]);
      expect(gateway.said(/cannot start/)).toEqual([]);
      expect(gateway.errors).not.toContain('cannot start');
    },
  );

  it('leaves a data directory that the next start can use', async () => {
    const stopped = await launch();
    await until(async () => (await readdir(dataDir)).length > 0, startLimitMs);
    stopped.signal('SIGTERM');
    await stopped.exitCode();
    const next = await launch();
    await until(() => next.isReady, startLimitMs);
    // The shell and the system send it when a terminal is closed.
    const request = await beginRequest(next);
    next.signal('SIGHUP');
    await until(() => next.said(/shutting down/).length > 0);
    next.signal('SIGHUP');
    request.destroy();
    expect(await next.exitCode()).toBe(0);
    expect(await remainingProcesses()).toEqual([]);
  });
});

describe('a second signal', () => {
  it('exits at once, and stops the embedded database', async () => {
    const gateway = await launch();
    await until(() => gateway.isReady, startLimitMs);
    const request = await beginRequest(gateway);
    gateway.signal('SIGTERM');
    await until(() => gateway.said(/shutting down/).length > 0);
    expect(await remainingProcesses()).not.toEqual([]);
    gateway.signal('SIGTERM');
    expect(await gateway.exitCode()).toBe(1);
    expect(await remainingProcesses()).toEqual([]);
    request.destroy();
  });
});

describe('a command that starts the embedded database', () => {
  it('stops it after a signal, when its terminal is closed, and when its output cannot be written', async () => {
    const full = await open('/dev/full', 'w');
    const program = resolve(__dirname, '../../dist/cli/likeness.js');
    const environment = { PATH: process.env.PATH, DATA_DIR: dataDir };
    const start = (words: string[], output: number | 'ignore'): ChildProcess =>
      spawn(process.execPath, [program, ...words], {
        env: environment,
        stdio: ['ignore', output, 'pipe'],
      });
    const unwritten = start(['keys', 'create', '--owner', 'acme'], full.fd);
    let remarks = '';
    unwritten.stderr!.on('data', (chunk: Buffer) => (remarks += chunk.toString()));
    await once(unwritten, 'close');
    expect(remarks).toMatch(/\nlikeness: The output could not be written \(ENOSPC\)\.\n$/);
    expect({ code: unwritten.exitCode, left: await remainingProcesses() }).toEqual({ code: 1, left: [] });
    await full.close();

    const stopped = start(['status'], 'ignore');
    const closed = once(stopped, 'close');
    await until(async () => (await remainingProcesses()).length > 0, startLimitMs);
    stopped.kill('SIGTERM');
    await closed;
    expect({ code: stopped.exitCode, left: await remainingProcesses() }).toEqual({ code: 143, left: [] });

    const words = `'${process.execPath}' '${program}' events tail --follow`;
    const terminal = spawn('script', ['-qec', words, '/dev/null'], { env: environment, stdio: 'ignore' });
    await until(async () => (await remainingProcesses()).length > 0, startLimitMs);
    terminal.kill('SIGKILL');
    await until(async () => (await remainingProcesses()).length === 0, startLimitMs);
  });
});

describe('a log on a full disk', () => {
  it('loses lines and counts them, and the gateway continues', async () => {
    const path = join(dataDir, 'log');
    const [log, full] = [await open(path, 'a'), await open('/dev/full', 'w')];
    // Larger than all other files of the gateway, which can still be written when this one reaches the limit.
    const startBytes = 1_048_576;
    await log.truncate(startBytes);
    const readLog = async (): Promise<string> => (await readFile(path)).toString('utf8', startBytes);
    const port = String(await freePort());
    const child = spawn(process.execPath, [resolve(__dirname, '../../dist/main.js')], {
      env: { PATH: process.env.PATH, DATA_DIR: join(dataDir, 'data'), PORT: port },
      stdio: ['ignore', log.fd, full.fd],
    });
    const closed = once(child, 'close');
    const request = async (name: string): Promise<number> =>
      (await fetch(`http://127.0.0.1:${port}/${name}`)).status;
    /** Limits the size of files, which has the effect of a full disk. */
    const limitFiles = (limit: string): unknown =>
      execFileSync('prlimit', ['--pid', String(child.pid), `--fsize=${limit}:unlimited`]);
    await until(async () => (await readLog()).includes('Likeness is ready'), startLimitMs);
    limitFiles(String(startBytes));
    expect([await request('unknown'), await request('unknown')]).toEqual([404, 404]);
    // It has no line, and is answered after the lines of earlier answers, which follow their answers.
    expect(await request('healthz')).toBe(200);
    limitFiles('unlimited');
    expect(await request('unknown')).toBe(404);
    child.kill('SIGTERM');
    await closed;
    await Promise.all([log.close(), full.close()]);
    expect(child.exitCode).toBe(0);
    const lines = (await readLog()).split('\n').filter((line) => line !== '');
    const messages = lines.map((line) => JSON.parse(line) as { msg: string; lines?: number });
    const losses = messages.filter(({ msg }) => msg === 'lines of the log could not be written');
    expect(losses.map((loss) => loss.lines)).toEqual([2]);
  });
});
