import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// @ts-expect-error It has no type declarations.
import UntypedS3rver from '@20minutes/s3rver';

interface Server {
  run(): Promise<{ port: number }>;
  close(): Promise<void>;
}

const S3rver = UntypedS3rver as new (options: object) => Server;

/** Pages of all origins may upload. */
const cors = `<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>
  <AllowedHeader>*</AllowedHeader></CORSRule></CORSConfiguration>`;

/** A bucket of an S3 server in this process, which accepts every signature. */
export class LocalBucket {
  private constructor(
    readonly port: number,
    private readonly server: Server,
    private readonly folder: string,
  ) {}

  static async start(): Promise<LocalBucket> {
    const directory = await mkdtemp(join(tmpdir(), 's3-store-'));
    const server = new S3rver({
      ...{ address: '127.0.0.1', port: 0, directory, silent: true, allowMismatchedSignatures: true },
      configureBuckets: [{ name: 'pictures', configs: [cors] }],
    });
    const { port } = await server.run();
    return new LocalBucket(port, server, directory);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The settings of a gateway that stores pictures there. */
  get settings(): Record<`S3_${string}`, string> {
    return {
      S3_BUCKET: 'pictures',
      S3_ENDPOINT: this.url,
      S3_ACCESS_KEY_ID: 'S3RVER',
      S3_SECRET_ACCESS_KEY: 'S3RVER',
      S3_FORCE_PATH_STYLE: 'true',
    };
  }

  async stop(): Promise<void> {
    await this.server.close();
    await rm(this.folder, { recursive: true });
  }
}
