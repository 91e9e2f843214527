import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from '../../src/embedded-postgres/embedded-postgres';
import { isTaken } from '../../src/embedded-postgres/process';
import { crashPostgres } from './processes';

const project = resolve(__dirname, '../..');
const launcher = join(project, 'src/embedded-postgres/embedded-postgres.ts');

/** Embedded servers for tests, in a temporary directory with spaces in its name. */
export class EmbeddedServers {
  private readonly started: EmbeddedPostgres[] = [];
  private readonly children: ChildProcess[] = [];

  private readonly folder = mkdtempSync(join(tmpdir(), 'likeness embedded '));

  /** The data directory of a server. */
  get parent(): string {
    return join(this.folder, 'a data folder');
  }

  get dir(): string {
    return join(this.parent, 'postgres');
  }

  async start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
    const postgres = await startEmbeddedPostgres({ dir: this.dir, durable: true, ...options });
    this.started.push(postgres);
    return postgres;
  }

  /** Starts a server from a separate process, like another gateway, and returns the server's process id. */
  async startElsewhere(durable: boolean): Promise<{ gateway: ChildProcess; pid: number }> {
    const program = `require(${JSON.stringify(launcher)})
      .startEmbeddedPostgres({ dir: ${JSON.stringify(this.dir)}, durable: ${durable} })
      .then(({ pid }) => console.log(pid)); setInterval(() => undefined, 1000);`;
    const gateway = spawn(process.execPath, ['-r', '@swc-node/register', '-e', program], {
      cwd: project,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.children.push(gateway);
    const [line] = (await once(createInterface(gateway.stdout), 'line')) as [string];
    return { gateway, pid: Number(line) };
  }

  /** A process that does nothing. */
  startBystander(): ChildProcess {
    const bystander = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], {
      stdio: 'ignore',
    });
    this.children.push(bystander);
    return bystander;
  }

  /** The process ids of the servers in this directory. */
  async running(): Promise<number[]> {
    const files = await readdir(this.folder, { recursive: true });
    const notes = files.filter((file) => file.endsWith('data/postmaster.pid'));
    const pids = notes.map(async (note) => parseInt(await readFile(join(this.folder, note), 'utf8'), 10));
    return (await Promise.all(pids)).filter(isTaken);
  }

  /** Ends all processes, regardless of the test result; the data are kept. */
  async stop(): Promise<void> {
    this.children.splice(0).forEach((child) => child.kill('SIGKILL'));
    await Promise.all(this.started.splice(0).map((postgres) => postgres.stop()));
    for (const pid of await this.running()) await crashPostgres(pid);
  }

  /** Ends all processes and removes the data. */
  async clear(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
