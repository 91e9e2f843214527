import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Client as Session } from 'pg';
import { mediaPath } from '../../src/storage/disk-store';
import { likeness, type CommandResult } from '../support/command-line';
import { TestDatabase, testEngine } from '../support/database';
import { newDataDir, type Settings } from '../support/environment';
import { rowId } from '../support/faults-audit';
import { TestGateway } from '../support/gateway';
import { LocalBucket } from '../support/local-bucket';
import { TcpProxy } from '../support/servers';
import { until } from '../support/until';

let gateway: TestGateway;
let bucket: LocalBucket;
let bucketProxy: TcpProxy;
let sentToBucket = '';

beforeAll(async () => {
  bucket = await LocalBucket.start();
  bucketProxy = new TcpProxy(new URL(bucket.url), () => (chunk) => (sentToBucket += String(chunk)));
  await bucketProxy.open();
});
afterAll(async () => {
  await bucketProxy.close();
  await bucket.stop();
});

beforeEach(async () => {
  gateway = await TestGateway.start();
});
afterEach(() => gateway.stop());

/** Overrides those of the bucket. */
const onDisk = (): Settings =>
  Object.fromEntries(Object.keys(bucket.settings).map((name) => [name, undefined]));
const inBucket = (name: string): Record<string, string> => ({
  ...bucket.settings,
  S3_ENDPOINT: bucketProxy.url,
  S3_BUCKET: name,
});

/** Starts another process on the database; returns why it was refused, or null. */
async function refusal(settings: Settings): Promise<string | null> {
  try {
    await (await gateway.startAnother(settings)).end();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

const operate = (settings: Record<string, string>, ...words: string[]): Promise<CommandResult> =>
  likeness({ DATABASE_URL: gateway.databaseUrl, DATA_DIR: gateway.dataDir, ...settings }, ...words);

/** The statuses of reads of the photos of the owner. */
async function photoStatuses(): Promise<number[]> {
  const { photos } = await gateway.client.request<{ photos: { nodes: { url: string }[] } }>(
    '{ photos(first: 5) { nodes { url } } }',
  );
  return Promise.all(photos.nodes.map(async ({ url }) => (await fetch(url)).status));
}

/** Whether a statement waits for a lock. */
async function isWaiting(rows: (text: string) => Promise<unknown[]>): Promise<boolean> {
  const waiting = await rows(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return waiting.length === 1;
}

const notTheStore =
  /is not the store of this database, whose pictures are in another one\. .*S3_BUCKET.*media adopt/;

describe('a process whose store is not that of the others', () => {
  it('is refused by the names of the settings, also without pictures', async () => {
    const dataDir = await newDataDir();
    expect(await refusal({ DATA_DIR: dataDir })).toMatch(notTheStore);
    await gateway.client.upload(1);
    expect(await refusal({})).toBeNull();
    expect(await refusal({ DATA_DIR: dataDir })).toContain(`${join(dataDir, 'media')} (DATA_DIR) is not`);
    expect(await refusal(inBucket('pictures'))).toContain('pictures (S3_BUCKET) is not');
    const { code, out } = await operate({ DATA_DIR: dataDir }, 'doctor');
    expect(code).toBe(1);
    expect(out).toMatch(/store +FAIL .*is not the store of this database/);
    expect((await operate({}, 'doctor')).out).toMatch(/store +OK /);
    await rm(dataDir, { recursive: true });
  });

  it('is not ready if this is seen only after the start, and deletes no unknown pictures', async () => {
    const dataDir = await newDataDir();
    await mkdir(join(dataDir, 'media/.store'), { recursive: true });
    const unknown = join(dataDir, 'media/photos/00/00000000-0000-7000-8000-000000000000.jpg');
    await mkdir(dirname(unknown), { recursive: true });
    await writeFile(unknown, 'a photo of another database');
    await utimes(unknown, 0, 0);
    const other = await gateway.startAnother({ DATA_DIR: dataDir });
    expect(other.log.map(({ msg }) => msg)).toContain(
      'the store of pictures could not be compared with the database yet',
    );
    await until(() => other.log.some(({ task }) => task === 'sweep orphans'));
    expect(await readFile(unknown, 'utf8')).toBe('a photo of another database');
    expect((await fetch(`${other.url}/readyz`)).status).toBe(200);
    expect(JSON.stringify(other.log).match(/could not be compared/g)).toHaveLength(1);
    await rm(join(dataDir, 'media/.store'), { recursive: true });
    await expect(other.client.upload(1)).rejects.toThrow('SERVICE_UNAVAILABLE');
    expect((await fetch(`${other.url}/readyz`)).status).toBe(503);
    expect(JSON.stringify(other.log)).toMatch(notTheStore);
    await other.end();
    await rm(dataDir, { recursive: true });
  });

  it('marks no pictures as damaged and deletes none after another store has become that of the database', async () => {
    await gateway.restart({ WORK_CHECK_INTERVAL: '1s' });
    const { client, mediaDir } = gateway;
    const [photoId] = await client.upload(1);
    const { id } = await client.instant({ photoId: photoId!, prompt: 'as a king' });
    expect(await client.generationEnd(id)).toMatchObject({ status: 'COMPLETED' });
    const dataDir = await newDataDir();
    await cp(mediaDir, join(dataDir, 'media'), { recursive: true });
    await rm(join(dataDir, 'media/.store'));
    const other = await gateway.startAnother({ DATA_DIR: dataDir, ROLE: 'api' });
    await rm(join(mediaDir, 'avatars'), { recursive: true });
    const [avatar] = await client.avatars(id);
    expect((await fetch(avatar!.url)).status).toBe(503);
    const damaged = (): Promise<unknown[]> =>
      gateway.rows('SELECT FROM avatars WHERE damaged_at IS NOT NULL');
    const isRefused = (): boolean => gateway.log.some(({ task }) => task === 'check stored pictures');
    await until(async () => isRefused() || (await damaged()).length > 0);
    expect(await damaged()).toEqual([]);
    await client.delete('deletePhoto', photoId!);
    const key = `photos/${rowId(photoId!)}.jpg`;
    await until(() => gateway.log.some(({ task }) => task === 'delete media'));
    expect(await gateway.rows('SELECT key FROM media_deletions')).toEqual([{ key }]);
    await other.restart({ ROLE: 'all' });
    await until(() => !existsSync(join(dataDir, 'media', mediaPath(key))));
    await other.end();
    await rm(dataDir, { recursive: true });
  });

  it('stores nothing on another disk that is mounted in the place of its own while it runs', async () => {
    const { client, mediaDir } = gateway;
    await client.upload(1);
    await rename(mediaDir, `${mediaDir}-own`);
    await mkdir(join(mediaDir, '.drafts'), { recursive: true });
    await writeFile(join(mediaDir, '.store'), randomUUID());
    await expect(client.upload(1)).rejects.toThrow('SERVICE_UNAVAILABLE');
    await rm(mediaDir, { recursive: true });
    await rename(`${mediaDir}-own`, mediaDir);
    await client.upload(1);
    expect(await operate({}, 'media', 'adopt')).toMatchObject({ code: 0 });
    await client.upload(1);
  });

  it('is refused at the store of another database, whose pictures it would delete', async () => {
    const database = await TestDatabase.create();
    expect(await refusal({ ...database.settings })).toMatch(
      /is that of another database.*; pictures that this database does not know would be deleted/,
    );
    await database.drop();
  });

  it('is refused if the store of another process becomes that of the database during its start', async () => {
    const database = await TestDatabase.create();
    await database.rows('UPDATE installation SET engine = $1, store_id = gen_random_uuid()', [
      testEngine.name,
    ]);
    const dataDir = await newDataDir();
    const other = new Session({ connectionString: database.url });
    await other.connect();
    await other.query('BEGIN; SELECT FROM installation FOR UPDATE');
    const starting = refusal({ ...database.settings, DATA_DIR: dataDir });
    await until(() => isWaiting((text) => database.rows(text)));
    await other.query(
      'UPDATE installation SET store_id = gen_random_uuid(), store_marked_at = now(); COMMIT',
    );
    await other.end();
    expect(await starting).toMatch(notTheStore);
    await rm(dataDir, { recursive: true });
    await database.drop();
  });
});

describe('an installation', () => {
  it('whose first start ended after it had marked its store starts again', async () => {
    const database = await TestDatabase.create();
    const dataDir = await newDataDir();
    const settings = { ...database.settings, DATA_DIR: dataDir };
    await database.rows('ALTER TABLE installation ADD CONSTRAINT unmarked CHECK (store_marked_at IS NULL)');
    expect(await refusal(settings)).toContain('unmarked');
    await database.rows('ALTER TABLE installation DROP CONSTRAINT unmarked');
    expect(await refusal(settings)).toBeNull();
    await rm(dataDir, { recursive: true });
    await database.drop();
  });

  it('of an earlier version marks its store as soon as that can be written, also if pictures are missing', async () => {
    await gateway.client.upload(1);
    await gateway.end();
    await rm(gateway.mediaDir, { recursive: true });
    await gateway.rows('UPDATE installation SET store_id = NULL, store_marked_at = NULL');
    const drafts = join(gateway.mediaDir, '.drafts');
    await mkdir(gateway.mediaDir);
    await writeFile(drafts, 'not a folder');
    const before = gateway.log.length;
    await gateway.begin();
    expect(gateway.log.slice(before).map(({ msg }) => msg)).not.toContain('the database is unavailable');
    await rm(drafts);
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
    expect(await refusal({ DATA_DIR: await newDataDir() })).toMatch(notTheStore);
  });

  it('continues at the copy of its store after a restore of the database, which has its newest pictures', async () => {
    const { client, mediaDir } = gateway;
    const [photoId] = await client.upload(1);
    const { id } = await client.instant({ photoId: photoId!, prompt: 'as a king' });
    expect(await client.generationEnd(id)).toMatchObject({ status: 'COMPLETED' });
    await gateway.moveToLaterKey(photoId!);
    // Has no file yet.
    await client.slots(1);
    await gateway.end();
    const restore = async (): Promise<void> => {
      await gateway.rows('UPDATE installation SET store_id = gen_random_uuid(), store_marked_at = now()');
    };
    await restore();
    await gateway.begin();
    await gateway.end();
    await rm(join(mediaDir, 'avatars'), { recursive: true });
    await restore();
    await expect(gateway.begin()).rejects.toThrow('was replaced by another store');
    await gateway.rows('UPDATE avatars SET damaged_at = now()');
    await gateway.begin();
  });

  it('moves to a bucket and back, also if the first store is kept', async () => {
    await gateway.client.upload(2);
    await gateway.end();
    const there = inBucket('moved');
    const move = (...words: string[]): Promise<CommandResult> => operate(there, 'media', 'move', ...words);
    expect(await move('--from', 'disk', '--to', 's3')).toMatchObject({ code: 0 });
    await gateway.restart(there);
    expect(await photoStatuses()).toEqual([200, 200]);
    sentToBucket = '';
    await gateway.client.upload(1);
    expect(sentToBucket).toMatch(/PUT \/moved\/photos\//);
    // Each request costs.
    expect(sentToBucket).not.toContain('.store');
    expect(await move('--from', 'disk', '--to', 's3', '--delete')).toMatchObject({
      code: 1,
      remarks: expect.stringMatching(
        /moved \(S3_BUCKET\) is already the store .* Leave out --delete/,
      ) as string,
    });
    await expect(gateway.restart(onDisk())).rejects.toThrow('or was replaced by another store');
    expect(await move('--from', 's3', '--to', 'disk', '--delete')).toMatchObject({ code: 0 });
    await expect(gateway.restart(there)).rejects.toThrow(notTheStore);
    await gateway.restart(onDisk());
    expect(await photoStatuses()).toEqual([200, 200, 200]);
    await gateway.end();
    const record = (): Promise<unknown[]> => gateway.rows('SELECT store_id FROM installation');
    const recorded = await record();
    expect(await move('--from', 'disk', '--to', 's3', '--delete')).toMatchObject({ code: 0 });
    await expect(gateway.begin()).rejects.toThrow(notTheStore);
    await gateway.restart(there);
    expect(await record()).toEqual(recorded);
    // Only the former marker is left.
    await writeFile(join(gateway.mediaDir, '.store'), randomUUID());
    expect(await move('--from', 'disk', '--to', 's3', '--delete')).toMatchObject({ code: 0 });
    expect((await operate(there, 'doctor')).out).toMatch(/store +OK .*is that of the database/);
    // There is nothing left, and the database was restored.
    await gateway.rows('UPDATE installation SET store_id = gen_random_uuid()');
    expect(await move('--from', 'disk', '--to', 's3', '--delete')).toMatchObject({ code: 0 });
  });

  it('has the store of one of two operators who adopt theirs at a time; the other is refused', async () => {
    await gateway.end();
    const session = new Session({ connectionString: gateway.databaseUrl });
    await session.connect();
    await session.query('BEGIN; SELECT FROM installation FOR UPDATE');
    const refused = operate({}, 'media', 'adopt');
    await until(() => isWaiting((text) => gateway.rows(text)));
    const id = randomUUID();
    await writeFile(join(gateway.mediaDir, '.store'), id);
    await session.query(`UPDATE installation SET store_id = '${id}'; COMMIT`);
    await session.end();
    expect(await refused).toMatchObject({
      code: 1,
      remarks: expect.stringMatching(
        /has just changed the store .*\(DATA_DIR\).* run the command again/,
      ) as string,
    });
    await gateway.begin();
    expect(await gateway.rows('SELECT store_id FROM installation')).toEqual([{ store_id: id }]);
  });

  it('continues without pictures that are lost when its operator adopts the store, and refuses the former one', async () => {
    await gateway.client.upload(1);
    await gateway.end();
    const former = await newDataDir();
    await cp(gateway.mediaDir, join(former, 'media'), { recursive: true });
    await rm(gateway.mediaDir, { recursive: true });
    await expect(gateway.begin()).rejects.toThrow(notTheStore);
    expect(await operate({}, 'media', 'adopt')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/\/media \(DATA_DIR\) is the store of this database now\.$/),
    });
    await gateway.begin();
    expect(await photoStatuses()).not.toContain(200);
    await gateway.client.upload(1);
    expect(await refusal({ DATA_DIR: former })).toMatch(/or was replaced by another store/);
    const files = await readdir(join(former, 'media/photos'), { recursive: true });
    const settings = { ...inBucket('former'), DATA_DIR: former };
    expect(
      await operate(settings, 'media', 'move', '--from', 'disk', '--to', 's3', '--delete'),
    ).toMatchObject({
      code: 1,
      remarks: expect.stringMatching(/was replaced by another store; .* Leave out --delete/) as string,
    });
    expect(await readdir(join(former, 'media/photos'), { recursive: true })).toEqual(files);
    await rm(former, { recursive: true });
  });
});
