import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { freePort } from '../../src/core/free-port';
import { eventually } from './until';

/** A redis-server with a password and with TLS, which stores nothing on the disk. */
export class RedisServer {
  readonly password = 'a secret/word';
  private child: ChildProcess | null = null;

  private constructor(
    private readonly folder: string,
    private readonly port: number,
    private readonly tlsPort: number,
  ) {}

  static async start(): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'likeness-redis-'));
    const server = new RedisServer(folder, await freePort(), await freePort());
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'];
    const key = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      server.file('key'),
    ];
    await promisify(execFile)('openssl', [
      'req',
      '-x509',
      ...key,
      ...subject,
      '-out',
      server.file('certificate'),
    ]);
    await server.begin();
    return server;
  }

  /** Its URL with TLS; the certificate is in {@link authority}. */
  get tlsUrl(): string {
    return this.url
      .replace('redis:', 'rediss:')
      .replace(`127.0.0.1:${this.port}`, `localhost:${this.tlsPort}`);
  }

  /** The file of the certificate. */
  get authority(): string {
    return this.file('certificate');
  }

  /** Its URL, with the password. */
  get url(): string {
    return `redis://:${encodeURIComponent(this.password)}@127.0.0.1:${this.port}/1`;
  }

  /** Starts it again after {@link kill}, without its data. */
  async begin(): Promise<void> {
    const own = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder];
    const empty = ['--save', '', '--appendonly', 'no', '--requirepass', this.password];
    const files = ['--tls-cert-file', this.file('certificate'), '--tls-key-file', this.file('key')];
    const tls = ['--tls-port', String(this.tlsPort), ...files, '--tls-auth-clients', 'no'];
    this.child = spawn('/usr/bin/redis-server', [...own, ...empty, ...tls], { stdio: 'ignore' });
    await once(this.child, 'spawn');
    await eventually(
      'an answer of Redis',
      () => this.ask('PING'),
      (answer) => answer === 'PONG',
    );
  }

  /** Sends a command in a connection of its own. */
  async ask(command: string, ...words: string[]): Promise<unknown> {
    const { password, port } = this;
    const options = {
      host: '127.0.0.1',
      port,
      password,
      db: 1,
      lazyConnect: true,
      retryStrategy: () => null,
    };
    const client = new Redis(options);
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await client.call(command, ...words);
    } finally {
      client.disconnect();
    }
  }

  /** SIGSTOP: it keeps connections and answers nothing, until SIGCONT. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.child!.kill(name);
  }

  /** Kills it with SIGKILL. */
  async kill(): Promise<void> {
    const { child } = this;
    this.child = null;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  private file(name: string): string {
    return join(this.folder, `${name}.pem`);
  }
}
