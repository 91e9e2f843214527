import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// @ts-expect-error It has no type declarations.
import UntypedS3rver from '@20minutes/s3rver';
import { freePort } from '../../src/core/free-port';
import { S3Store } from '../../src/storage/s3-store';
import { listening, stopped } from '../support/servers';
import { mediaStoreSuite, newKey, pieces } from './media-store-suite';

/** An S3 server in this process. */
interface LocalServer {
  run(): Promise<{ port: number }>;
  close(): Promise<void>;
}

const S3rver = UntypedS3rver as new (options: object) => LocalServer;

const storeAt = (port: number, timeoutMs?: number): S3Store =>
  new S3Store({
    bucket: 'pictures',
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    forcePathStyle: true,
    timeoutMs,
  });

/** This server takes an end of 0 for no end. test/s3 has the whole suite, on a real server. */
const suite = mediaStoreSuite.filter(([promise]) => !promise.startsWith('gives ranges'));

describe('the S3 store', () => {
  let folder: string;
  let server: LocalServer;
  let store: S3Store;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 's3-store-'));
    const options = { address: '127.0.0.1', silent: true, allowMismatchedSignatures: true };
    server = new S3rver({ ...options, port: 0, directory: folder });
    const { port } = await server.run();
    store = storeAt(port);
    await store.prepare();
  });

  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  it.each(suite)('%s', async (_promise, expectKept) => {
    await expectKept(store);
  });

  it('can be prepared twice', async () => {
    await expect(store.prepare()).resolves.toBeUndefined();
  });
});

describe('an S3 store that does not answer', () => {
  const silent = createServer();
  let silentPort: number;

  beforeAll(async () => {
    silentPort = await listening(silent);
  });

  afterAll(() => stopped(silent));

  it.each([
    ['nothing listens', freePort],
    ['connections are accepted', () => Promise.resolve(silentPort)],
  ])('says that pictures are unavailable, for each call, where %s', async (_, portOf) => {
    const store = storeAt(await portOf(), 300);
    const calls = [
      store.prepare(),
      store.check(),
      store.open(newKey()),
      store.open(newKey(), { suffix: 0 }),
      store.put(newKey(), pieces('a face'), 100),
      store.delete(newKey()),
      store.list('', 0)[Symbol.asyncIterator]().next(),
    ];
    const outcomes = await Promise.allSettled(calls);
    expect(
      outcomes.map((outcome) => outcome.status === 'rejected' && (outcome.reason as Error).name),
    ).toEqual(calls.map(() => 'StorageUnavailableError'));
    const key = newKey();
    expect([...(await store.deleteMany([key])).keys()]).toEqual([key]);
  });
});
