import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { freePort } from '../../src/core/free-port';
import type { S3Options } from '../../src/storage/s3-client';
import { S3Store } from '../../src/storage/s3-store';
import { eventually } from './until';

/** A real S3 server: OpenStack Swift, from Debian. */
export class S3Server {
  private constructor(
    readonly url: string,
    private readonly folder: string,
    private readonly process: ChildProcess,
  ) {}

  /** Starts it, again with other ports if it does not store objects in time: any of its four ports may be in use. */
  static async start(): Promise<S3Server> {
    for (let time = 1; ; time += 1) {
      const server = await S3Server.launch();
      try {
        await eventually('the S3 server', () => server.storesObjects(), Boolean, 60_000);
        return server;
      } catch (error) {
        await server.stop();
        if (time === 3) throw error;
      }
    }
  }

  private static async launch(): Promise<S3Server> {
    const folder = await mkdtemp(join(tmpdir(), 's3-server-'));
    const port = await freePort();
    const program = resolve(__dirname, '../s3/swift-s3');
    return new S3Server(
      `http://127.0.0.1:${port}`,
      folder,
      spawn('bash', [program, folder, String(port)], { stdio: 'ignore' }),
    );
  }

  /** How clients of the AWS SDK use it, besides its URL and region. */
  readonly access = {
    credentials: { accessKeyId: 'test:tester', secretAccessKey: 'testing' },
    forcePathStyle: true,
  };

  /** A bucket of this server. */
  store(bucket: string, options: Partial<S3Options> = {}): S3Store {
    return new S3Store({
      bucket,
      endpoint: this.url,
      region: 'us-east-1',
      ...this.access,
      ...options,
    });
  }

  /** The settings of a gateway that stores pictures in a bucket of this server. */
  settings(bucket: string): Record<`S3_${string}`, string> {
    return {
      S3_BUCKET: bucket,
      S3_ENDPOINT: this.url,
      S3_ACCESS_KEY_ID: 'test:tester',
      S3_SECRET_ACCESS_KEY: 'testing',
      S3_FORCE_PATH_STYLE: 'true',
    };
  }

  /** Its servers of buckets and of objects start one after the other. */
  private async storesObjects(): Promise<boolean> {
    const store = this.store('started');
    await store.prepare();
    const key = `photos/${randomUUID()}.jpg`;
    await store.put(key, Readable.from([Buffer.from('started')]), 100);
    return (await store.open(key)) !== null;
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const ended = once(this.process, 'exit');
      this.process.kill();
      await ended;
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}
