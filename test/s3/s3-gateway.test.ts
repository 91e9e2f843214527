import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { HeadObjectCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3Store } from '../../src/storage/s3-store';
import { checkUploadUrls } from '../../src/storage/upload-url-check';
import { newKey, pieces, readAll, mediaStoreSuite } from '../contract/media-store-suite';
import { uuidOf } from '../support/client';
import { likeness, type CommandResult } from '../support/command-line';
import { TestDatabase, testEngine } from '../support/database';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending } from '../support/faults-jobs';
import { media } from '../support/faults-pictures';
import { kill } from '../support/processes';
import { S3Server } from '../support/s3-server';
import { TcpProxy } from '../support/servers';
import { StrictProxy } from '../support/strict-proxy';
import { eventually, until } from '../support/until';
import { directAccessSuite, directBucket } from './direct-access';
import { endlessPut, killMove, suspendMove } from './killed-move';

jest.setTimeout(180_000);

let server: S3Server;

beforeAll(async () => {
  server = await S3Server.start();
});

afterAll(() => server.stop());

const keysIn = async (bucket: string): Promise<string[]> => {
  const keys: string[] = [];
  for await (const key of server.store(bucket).list('', 0)) keys.push(key);
  return keys;
};

describe('the S3 store on a real server', () => {
  const store = (): S3Store => server.store('contract');

  beforeAll(() => store().prepare());

  it.each(mediaStoreSuite)('%s', async (_promise, expectKept) => {
    await expectKept(store());
  });

  it('stores an object of several parts', async () => {
    const key = newKey('avatars', '.png');
    const bytes = Buffer.alloc(12_000_000, 'a face');
    const chunks = Array.from({ length: 12 }, (_, n) => bytes.subarray(n * 1_000_000, (n + 1) * 1_000_000));
    expect(await store().put(key, pieces(...chunks), bytes.length)).toEqual({
      byteSize: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
    expect((await readAll(store(), key))!.equals(bytes)).toBe(true);
    expect((await readAll(store(), key, { suffix: 7 }))!.equals(bytes.subarray(-7))).toBe(true);
  });

  it.each([
    ['image/png', '\x89PNG', 6_000_000],
    ['image/jpeg', '\xff\xd8\xff', 100],
    ['application/octet-stream', '<html>', 100],
  ])('stores an object as %s', async (contentType, start, byteSize) => {
    const Key = newKey('avatars', '.picture');
    await store().put(Key, pieces(Buffer.from(start, 'latin1'), Buffer.alloc(byteSize)), byteSize + 10);
    const client = new S3Client({ endpoint: server.url, region: 'us-east-1', ...server.access });
    const head = await client.send(new HeadObjectCommand({ Bucket: 'contract', Key }));
    expect(head.ContentType).toBe(contentType);
    client.destroy();
  });

  it('leaves no part of an object of several parts that is too large', async () => {
    const key = newKey();
    const chunks = Array.from({ length: 12 }, () => Buffer.alloc(1_000_000));
    await expect(store().put(key, pieces(...chunks), 11_500_000)).rejects.toMatchObject({
      name: 'ObjectTooLargeError',
    });
    expect(await store().open(key)).toBeNull();
  });

  it('shows nothing of an object whose process was killed, and removes its parts', async () => {
    const key = newKey('avatars', '.picture');
    const writer = spawn(process.execPath, ['-e', endlessPut, server.url, key], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let chunks = 0;
    writer.stdout.on('data', (text: Buffer) => (chunks += text.length));
    // The first two parts have been sent.
    await until(() => chunks > 13);
    const client = new S3Client({ endpoint: server.url, region: 'us-east-1', ...server.access });
    const unfinished = async (): Promise<number> => {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'contract' }));
      return Uploads.filter(({ Key }) => Key === key).length;
    };
    await eventually('an unfinished upload', unfinished, (count) => count === 1);
    await kill(writer);
    expect(await store().open(key)).toBeNull();
    const sweeping = server.store('contract', { staleUploadMs: 0 });
    const sweep = async (): Promise<number> => {
      await sweeping.removeUnfinished();
      return unfinished();
    };
    await eventually('the removal of its parts', sweep, (count) => count === 0);
    expect(await store().open(key)).toBeNull();
    client.destroy();
  });

  it('is not available with a wrong secret', async () => {
    const credentials = { accessKeyId: 'test:tester', secretAccessKey: 'not-the-secret' };
    const wrong = server.store('contract', { credentials });
    const outcomes = await Promise.allSettled([wrong.prepare(), wrong.check(), wrong.open(newKey())]);
    const reasons = outcomes.map(
      (outcome) => outcome.status === 'rejected' && (outcome.reason as Error).name,
    );
    expect(reasons).toEqual(reasons.map(() => 'StorageUnavailableError'));
  });
});

describe('a gateway that stores pictures in a bucket', () => {
  let environment: FaultsEnvironment;
  let proxy: TcpProxy;

  beforeEach(() => {
    proxy = new TcpProxy(new URL(server.url));
  });

  afterEach(async () => {
    await environment.stop();
    await proxy.close();
  });

  const open = async (bucket: string, endpoint = server.url): Promise<void> => {
    const settings = { ...server.settings(bucket), S3_ENDPOINT: endpoint };
    environment = await FaultsEnvironment.open({ settings });
  };

  const bytesOf = async (url: string): Promise<Buffer> => {
    const answer = await fetch(url);
    expect(answer.status).toBe(200);
    return Buffer.from(await answer.arrayBuffer());
  };

  it('creates the bucket, and keeps every picture there until it is deleted', async () => {
    await open('gateway');
    const { client, databaseUrl: DATABASE_URL, dataDir: DATA_DIR } = environment;
    const model = await client.trained(await client.upload(5));
    const { id } = await client.generate(model, [{ count: 2 }]);
    expect(await ending(environment, 'generation', id)).toMatchObject({ status: 'COMPLETED' });
    const avatars = await client.avatars(id);
    for (const { url } of avatars) expect((await bytesOf(url)).length).toBeGreaterThan(1_000);
    const keys = await keysIn('gateway');
    expect(keys.filter((key) => key.startsWith('photos/'))).toHaveLength(5);
    // Each with its preview.
    expect(keys.filter((key) => key.startsWith('avatars/'))).toHaveLength(4);
    expect(existsSync(join(environment.dataDir, 'media'))).toBe(false);

    const own = { DATABASE_URL, DATA_DIR, ...server.settings('gateway') };
    const folder = await mkdtemp(join(tmpdir(), 'likeness-backup-'));
    const backup = (name: string): Promise<CommandResult> =>
      likeness(own, 'backup', join(folder, name), '--json');
    expect(JSON.parse((await backup('whole')).out)).toMatchObject({ damaged: [], bucket: 'gateway' });
    const lost = keys.find((key) => key.endsWith('.picture'))!;
    const owner = avatars.find((avatar) => lost.includes(uuidOf(avatar.id)))!;
    await server.store('gateway').put(lost, pieces('of another size'), 100);
    expect(JSON.parse((await backup('another size')).out)).toMatchObject({ damaged: [owner.id] });
    await server.store('gateway').delete(lost);
    const missing = await backup('missing');
    expect(JSON.parse(missing.out)).toMatchObject({ damaged: [owner.id] });
    expect(missing.remarks).toContain('1 pictures are missing in the bucket gateway');
    const newer = newKey('avatars', '.picture');
    await server.store('gateway').put(newer, pieces('made after the backup'), 100);
    const { url } = await TestDatabase.create();
    const elsewhere = { ...own, DATABASE_URL: url, DATA_DIR: join(folder, 'restored') };
    const restored = await likeness(elsewhere, 'restore', join(folder, 'whole'), '--json');
    expect(JSON.parse(restored.out)).toMatchObject({ missing: [owner.id], unknown: 1 });
    await server.store('gateway').delete(newer);
    const { out: examined } = await likeness(elsewhere, 'doctor');
    expect(examined).toMatch(/bucket clock +OK [^]*store +OK .*is that of the database/);
    await rm(folder, { recursive: true, force: true });
    expect(await likeness(own, 'media', 'adopt')).toMatchObject({ code: 0 });

    await client.delete('deleteModel', model);
    await client.erase();
    await eventually(
      'the deletion of the pictures',
      () => keysIn('gateway'),
      (left) => left.length === 0,
    );
  });

  it('stores finished pictures when the bucket can be reached again', async () => {
    await proxy.open();
    await open('outage', proxy.url);
    const { client, gateway } = environment;
    const photoIds = await client.upload(5);
    const model = await client.trained(photoIds);
    await proxy.close();
    const ready = async (): Promise<number> => (await fetch(`${gateway.url}/readyz`)).status;
    await eventually('the outage', ready, (status) => status === 503);
    const [{ id }, waiting] = [
      await client.generate(model, [{ count: 2 }]),
      await client.train({ photoIds }),
    ];
    const outages = (): unknown[] => gateway.said(/^pictures cannot be (stored|read)$/, 'warn');
    await until(() => outages().length === 2);
    await proxy.open();
    expect(await ending(environment, 'generation', id)).toMatchObject({ status: 'COMPLETED' });
    expect(await ending(environment, 'training', waiting.id)).toMatchObject({ status: 'READY' });
    const readAgain = async (): Promise<boolean> => {
      for (const { url } of await client.avatars(id)) await bytesOf(url);
      return gateway.said(/^pictures can be read again$/, 'info').length > 0;
    };
    await until(readAgain);
    expect(await keysIn('outage')).toHaveLength(9);
    expect(gateway.log.map((line) => JSON.stringify(line)).join()).not.toMatch(/testing|Signature=/);
  });

  it('gets the pictures of a gateway that stored them on its disk', async () => {
    environment = await FaultsEnvironment.open();
    const { client, gateway, dataDir, databaseUrl } = environment;
    const model = await client.trained(await client.upload(5));
    const { id } = await client.generate(model, [{ count: 2 }]);
    await ending(environment, 'generation', id);
    const before = await Promise.all((await client.avatars(id)).map(({ url }) => bytesOf(url)));
    const [avatar] = await client.avatars(id);
    const other = await client.request<{ avatar: { url: string } }>(
      `{ avatar(id: "${avatar!.id}") { url(size: PX_128) } }`,
    );
    await bytesOf(other.avatar.url);
    await gateway.kill();

    const settings = server.settings('moved');
    const own = { DATABASE_URL: databaseUrl, DATA_DIR: dataDir, ...settings };
    const move = (...words: string[]): Promise<CommandResult> => likeness(own, 'media', 'move', ...words);
    expect(await move('--from', 'disk', '--to', 'disk')).toMatchObject({ code: 1 });
    await killMove(server, { ...own, DATABASE_ENGINE: testEngine.name });
    const present = (await keysIn('moved')).length;
    const { code, out } = await move('--from', 'disk', '--to', 's3');
    expect(code).toBe(0);
    const [copied, found] = /^(\d+) copied, (\d+) were there already; all are verified\.$/
      .exec(out)!
      .slice(1)
      .map(Number);
    expect(copied! + found!).toBe(9);
    // The server may still have stored what the killed process had sent.
    expect(found).toBeGreaterThanOrEqual(present);
    const [damaged] = await keysIn('moved');
    await server.store('moved').put(damaged!, pieces('damaged on the way'), 100);
    expect(await move('--from', 'disk', '--to', 's3', '--delete', '--json')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/"copied": 1,\s+"present": 8/),
    });
    expect((await move('--from', 'disk', '--to', 's3')).out).toMatch(/^0 copied, 0 /);
    expect([...(await media(environment)).keys()]).toEqual([]);

    await server.store('moved').put(newKey('uploads', ''), pieces('not checked yet'), 100);
    const back = await suspendMove({ ...own, DATABASE_ENGINE: testEngine.name }, async () => {
      expect((await move('--from', 's3', '--to', 'disk', '--delete')).code).toBe(0);
      expect((await move('--from', 'disk', '--to', 's3', '--delete')).code).toBe(0);
    });
    expect(back).toEqual({ code: 1, remarks: expect.stringMatching(/was suspended.*Run the command again/) });
    expect(await keysIn('moved')).toHaveLength(9);

    await environment.restartGateway(0, settings);
    const after = await Promise.all((await client.avatars(id)).map(({ url }) => bytesOf(url)));
    expect(after.map((bytes, n) => bytes.equals(before[n]!))).toEqual([true, true]);
  });

  it('is described by the doctor, and by a command that cannot use it', async () => {
    environment = await FaultsEnvironment.open();
    const own = { DATABASE_URL: environment.databaseUrl, DATA_DIR: environment.dataDir };
    const good = { ...own, ...server.settings('examined') };
    expect((await likeness(good, 'doctor')).out).toContain('S3_BUCKET examined can be written');
    const wrong = { ...good, S3_SECRET_ACCESS_KEY: 'not-the-secret' };
    const [bad, refused] = [await likeness(wrong, 'doctor'), await likeness(wrong, 'media', 'adopt')];
    expect(bad.out).toContain('S3_BUCKET examined cannot be used: The request signature');
    expect(refused.remarks).toMatch(/S3_BUCKET.* Check .*S3_SECRET_ACCESS_KEY.*\(The request signature/);
    expect(bad.out + bad.remarks + refused.remarks).not.toContain('not-the-secret');
  });
});

describe('clients that use the bucket themselves', () => {
  let proxy: StrictProxy;
  let settings: Readonly<Record<string, string>>;
  let environment: FaultsEnvironment;

  beforeAll(async () => {
    proxy = await StrictProxy.start(server.url);
    settings = {
      ...server.settings(directBucket),
      ...{ S3_ENDPOINT: proxy.url, S3_UPLOADS: 'direct', S3_READS: 'presigned' },
    };
    environment = await FaultsEnvironment.open({ settings });
  });
  afterAll(async () => {
    await environment.stop();
    await proxy.stop();
  });

  it.each(directAccessSuite)('%s', async (_promise, expectKept) => {
    await expectKept({ server, settings, environment });
  });

  it('cannot upload to a bucket that would give them objects of others by a header', async () => {
    const store = server.store(directBucket);
    const verdict = await checkUploadUrls(store, directBucket).then(() => 'refused', inspect);
    // Swift refuses it itself since a security update.
    const [other, key] = [newKey(), newKey()];
    await store.put(other, pieces('other'), 100);
    const headers = { 'x-amz-copy-source': `/${directBucket}/${other}` };
    await fetch(await store.links.upload(key, 1, Date.now() + 60_000), { method: 'PUT', body: 'x', headers });
    const isLenient = String(await readAll(store, key)) === 'other';
    expect(verdict).toMatch(isLenient ? /by the header x-amz-copy-source/ : /^refused$/);
    await store.deleteMany([other, key]);
    expect(await keysIn(directBucket)).not.toContainEqual(expect.stringMatching(/^uploads/));
    const strict = server.store(directBucket, { endpoint: proxy.url });
    await expect(checkUploadUrls(strict, directBucket)).resolves.toBeUndefined();
  });
});
