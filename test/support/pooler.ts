import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/core/free-port';
import { rowsAt } from './test-server';
import { eventually } from './until';

/** A pgbouncer in transaction mode before all databases of a server. */
export class Pooler {
  private child: ChildProcess | null = null;

  private constructor(
    private readonly folder: string,
    private readonly port: number,
    private readonly target: URL,
  ) {}

  /**
   * Starts it, with pgbouncer's defaults for what clients may send.
   * @param poolSize - sessions for each database
   */
  static async start(target: string, poolSize: number): Promise<Pooler> {
    const folder = await mkdtemp(join(tmpdir(), 'likeness-pooler-'));
    const pooler = new Pooler(folder, await freePort(), new URL(target));
    await pooler.configure(poolSize);
    await pooler.begin();
    return pooler;
  }

  /** The URL of a database of the server, through the pooler. */
  urlOf(database: string): string {
    const url = new URL(database);
    url.port = String(this.port);
    return url.href;
  }

  /** Starts it again after {@link crash}. */
  async begin(): Promise<void> {
    // It refuses to run as root.
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    this.child = spawn('/usr/sbin/pgbouncer', ['-q', ...user, join(this.folder, 'pgbouncer.ini')], {
      stdio: 'ignore',
    });
    await once(this.child, 'spawn');
    const asked = (): Promise<unknown[]> => rowsAt(this.urlOf(this.target.href), 'SELECT 1');
    await eventually('an answer of pgbouncer', asked, (rows) => rows.length === 1);
  }

  /** Ends it without notice to its clients. */
  async crash(): Promise<void> {
    const { child } = this;
    this.child = null;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    await this.crash();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async configure(poolSize: number): Promise<void> {
    const { hostname, port, username, password } = this.target;
    const users = join(this.folder, 'users.txt');
    await writeFile(users, `"${username}" "${decodeURIComponent(password)}"\n`);
    const settings = {
      listen_addr: '127.0.0.1',
      listen_port: this.port,
      unix_socket_dir: '',
      auth_type: 'trust',
      auth_file: users,
      pool_mode: 'transaction',
      default_pool_size: poolSize,
      server_login_retry: 1,
      max_client_conn: 2_000,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
    const databases = `[databases]\n* = host=${hostname} port=${port}\n`;
    await writeFile(join(this.folder, 'pgbouncer.ini'), `${databases}[pgbouncer]\n${lines.join('\n')}\n`);
    await chmod(this.folder, 0o755);
  }
}
