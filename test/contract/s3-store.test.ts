import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { freePort } from '../../src/core/free-port';
import { readConfig } from '../../src/read-config';
import { readObject } from '../../src/storage/media-store';
import { openBucket } from '../../src/storage/open-store';
import { type S3Store } from '../../src/storage/s3-store';
import { LocalBucket } from '../support/local-bucket';
import { connectionsOf, listening, stopped } from '../support/servers';
import { until } from '../support/until';
import { mediaStoreSuite, newKey, pieces } from './media-store-suite';
import { storeAt } from './s3-store-at';

/** This server takes an end of 0 for no end. test/s3 has the whole suite, on a real server. */
const suite = mediaStoreSuite.filter(([promise]) => !promise.startsWith('gives ranges'));

describe('the S3 store', () => {
  let bucket: LocalBucket;
  let store: S3Store;

  beforeAll(async () => {
    bucket = await LocalBucket.start();
    store = storeAt(bucket.port);
    await store.prepare();
  });

  afterAll(() => bucket.stop());

  it.each(suite)('%s', async (_promise, expectKept) => {
    await expectKept(store);
  });

  it('can be prepared twice', async () => {
    await expect(store.prepare()).resolves.toBeUndefined();
  });
});

describe('a missing bucket', () => {
  let created: unknown[] = [];
  const server = createHttpServer((request, response) => {
    const { method, headers } = request;
    void text(request).then((body) => {
      // Requests are signed for the region as well.
      if (method === 'PUT') created.push([headers.authorization!.split('/')[2], body]);
      response.writeHead(method === 'HEAD' ? 404 : 200).end();
    });
  });
  let endpoint: string;

  beforeAll(async () => {
    endpoint = `http://127.0.0.1:${await listening(server)}`;
  });

  afterAll(() => stopped(server));

  it.each([
    ['eu-central-1', expect.stringContaining('<LocationConstraint>eu-central-1</LocationConstraint>')],
    // S3 refuses this one as a constraint.
    ['us-east-1', ''],
  ])('is created in the region %s of S3_REGION', async (region, constraint) => {
    created = [];
    const settings = {
      ...{ S3_BUCKET: 'pictures', S3_ENDPOINT: endpoint, S3_REGION: region },
      ...{ S3_ACCESS_KEY_ID: 'key', S3_SECRET_ACCESS_KEY: 'secret' },
    };
    await openBucket(readConfig(settings));
    expect(created).toEqual([[region, constraint]]);
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
      store.removeUnfinished(),
    ];
    const outcomes = await Promise.allSettled(calls);
    expect(
      outcomes.map((outcome) => outcome.status === 'rejected' && (outcome.reason as Error).name),
    ).toEqual(calls.map(() => 'StorageUnavailableError'));
    const key = newKey();
    expect([...(await store.deleteMany([key])).keys()]).toEqual([key]);
  });
});

describe('an S3 store that sends an object', () => {
  const timeoutMs = 400;
  const byteSize = 8_000_000;
  let sent: number;
  let answer: ServerResponse | undefined;
  const server = createHttpServer((_, response) => {
    answer = response;
    response.writeHead(200, { 'content-length': byteSize }).write(Buffer.alloc(sent));
  });
  let store: S3Store;

  beforeAll(async () => {
    store = storeAt(await listening(server), timeoutMs);
  });
  afterAll(() => stopped(server));

  it('waits for a reader that pauses', async () => {
    sent = byteSize;
    const { stream } = (await store.open(newKey()))!;
    let received = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const pausedAt = received === 0 ? Date.now() : -Infinity;
      await until(() => Date.now() - pausedAt > 2 * timeoutMs);
      received += chunk.length;
    }
    expect(received).toBe(byteSize);
  });

  it('is read on after the process was suspended', async () => {
    sent = 1_000;
    const { stream } = (await store.open(newKey()))!;
    const reading = readObject({ byteSize, part: null, stream });
    await until(() => stream.readableDidRead && stream.readableLength === 0);
    answer!.write(Buffer.alloc(byteSize - sent));
    await new Promise<void>((resolve) => process.nextTick(resolve));
    // Bytes have arrived, and have not been read yet.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * timeoutMs);
    expect(await reading).toHaveLength(byteSize);
  });

  it.each([
    ['that fills the buffer', byteSize],
    ['of which a few bytes came', 1_000],
  ])('loses the connection of an object %s if it is not read', async (_, bytes) => {
    sent = bytes;
    const { stream } = (await store.open(newKey()))!;
    await until(() => connectionsOf(server).size === 0);
    await expect(readObject({ byteSize, part: null, stream })).rejects.toMatchObject({
      cause: { message: 'The object was not read in time.' },
    });
  });

  it('fails if it stops sending', async () => {
    sent = byteSize / 2;
    const { stream } = (await store.open(newKey()))!;
    await expect(readObject({ byteSize, part: null, stream })).rejects.toMatchObject({
      cause: { message: 'The store sent nothing for too long.' },
    });
  });
});
