import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../src/core/free-port';
import { findBinaries } from '../../src/embedded-postgres/binaries';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres';
import { chooseIdentity, withIdentity } from '../../src/embedded-postgres/identity';
import { crashPostgres } from './processes';
import { TcpProxy } from './servers';
import { rowsAt } from './test-server';
import { eventually } from './until';

const run = promisify(execFile);

/**
 * A PostgreSQL with a streaming standby, and a proxy to the one that accepts writes. Each commit waits for the standby, as
 * docs/operations.md requires.
 */
export class ReplicatedPostgres {
  private standby: ChildProcess | null = null;

  private constructor(
    private readonly folder: string,
    private readonly primary: EmbeddedPostgres,
    private readonly standbyPort: number,
    private readonly proxy: TcpProxy,
  ) {}

  /** Starts both. The standby is a copy of the primary's files. */
  static async start(): Promise<ReplicatedPostgres> {
    const folder = await mkdtemp(join(tmpdir(), 'likeness-replicated-'));
    const dir = join(folder, 'primary');
    const first = await startEmbeddedPostgres({ dir, durable: true });
    await first.stop();
    await run('cp', ['-a', dir, join(folder, 'standby')]);
    const primary = await startEmbeddedPostgres({ dir, durable: true });
    const proxy = new TcpProxy(new URL(primary.url));
    await proxy.open();
    const servers = new ReplicatedPostgres(folder, primary, await freePort(), proxy);
    const data = join(folder, 'standby/data');
    const { port } = new URL(primary.url);
    const password = await readFile(join(folder, 'standby/password'), 'utf8');
    const source = `host=127.0.0.1 port=${port} user=likeness password=${password.trim()}`;
    await appendFile(join(data, 'postgresql.auto.conf'), `primary_conninfo = '${source}'\n`);
    await writeFile(join(data, 'standby.signal'), '');
    await servers.startStandby();
    return servers;
  }

  /** The URL of the primary: the first one, and after {@link failOver} the other. */
  get url(): string {
    return this.proxy.url;
  }

  get standbyUrl(): string {
    const url = new URL(this.primary.url);
    url.port = String(this.standbyPort);
    return url.href;
  }

  /** Starts the standby. Returns when commits wait for it. */
  async startStandby(): Promise<void> {
    await this.launchStandby();
    await eventually(
      'a synchronous standby',
      async () => {
        await this.waitForStandbys('*');
        return rowsAt(this.primary.url, `SELECT FROM pg_stat_replication WHERE sync_state = 'sync'`);
      },
      ({ length }) => length === 1,
    );
  }

  private async launchStandby(): Promise<void> {
    const data = join(this.folder, 'standby/data');
    const binaries = await findBinaries(join(this.folder, 'lib'));
    const identity = await chooseIdentity(binaries, data, null);
    const [program, ...args] = withIdentity(identity, [
      // It ends with this process.
      ...(['setpriv', '--pdeathsig', 'INT', '--', binaries.postgres] as const),
      ...['-D', data, '-p', String(this.standbyPort)],
      ...['listen_addresses=127.0.0.1', 'unix_socket_directories='].flatMap((setting) => ['-c', setting]),
    ]);
    this.standby = spawn(program, args, { cwd: '/', env: binaries.env, stdio: 'ignore' });
  }

  /** Ends the standby at once, and lets the primary commit without it. */
  async crashStandby(): Promise<void> {
    await this.waitForStandbys('');
    await this.endStandby();
  }

  /**
   * Kills the primary, promotes the standby, and leads all connections to it. After {@link crashStandby} it lacks the commits
   * since then.
   * @param meanwhile - called while there is no primary
   */
  async failOver(meanwhile: () => Promise<unknown>): Promise<void> {
    await crashPostgres(this.primary.pid);
    await this.proxy.close();
    await meanwhile();
    if (!this.standby) await this.launchStandby();
    await eventually(
      'a promotion',
      () => rowsAt(this.standbyUrl, 'SELECT pg_promote(true, 60)'),
      () => true,
    );
    this.proxy.target = new URL(this.standbyUrl);
    await this.proxy.open();
  }

  async stop(): Promise<void> {
    await this.proxy.close();
    await this.endStandby();
    await this.primary.stop().catch(() => undefined);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** @param names - the standbys that commits wait for: `*` is any, none is empty */
  private async waitForStandbys(names: string): Promise<void> {
    await rowsAt(this.primary.url, `ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
    await rowsAt(this.primary.url, 'SELECT pg_reload_conf()');
  }

  private async endStandby(): Promise<void> {
    const { standby } = this;
    this.standby = null;
    if (standby?.exitCode !== null || standby.signalCode !== null) return;
    const ended = once(standby, 'exit');
    // PostgreSQL's immediate shutdown: as a crash, but none of its processes remains.
    standby.kill('SIGQUIT');
    await ended;
  }
}
