import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatewayProcess } from '../support/faults-process';
import { until } from '../support/until';

/** Starts a gateway with the embedded PostgreSQL, in the test's data directory. */
const launch = (): Promise<GatewayProcess> =>
  GatewayProcess.launch({ DATA_DIR: dataDir, SHUTDOWN_GRACE: '1h' });

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
    next.signal('SIGTERM');
    expect(await next.exitCode()).toBe(0);
    expect(await remainingProcesses()).toEqual([]);
  });
});

describe('a second signal', () => {
  it('exits at once, and stops the embedded database', async () => {
    const gateway = await launch();
    await until(() => gateway.isReady, startLimitMs);
    // An endless request delays the first stop for the whole grace period.
    const socket = connect(Number(gateway.port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{');
    await once(socket, 'connect');
    await until(async () => (await fetch(`${gateway.url}/healthz`)).ok);
    gateway.signal('SIGTERM');
    await until(() => gateway.said(/shutting down/).length > 0);
    expect(await remainingProcesses()).not.toEqual([]);
    gateway.signal('SIGTERM');
    expect(await gateway.exitCode()).toBe(1);
    expect(await remainingProcesses()).toEqual([]);
    socket.destroy();
  });
});
