import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  rm,
  stat,
  utimes,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pause } from '../../src/core/clock';
import { DiskStore } from '../../src/storage/disk-store';
import { mediaStoreSuite, newKey, pieces, readAll } from './media-store-suite';

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'disk-store-'));

describe('the disk store', () => {
  let root: string;

  beforeAll(async () => {
    root = await newFolder();
  });

  afterAll(() => rm(root, { recursive: true }));

  it.each(mediaStoreSuite)('%s', async (_promise, expectKept) => {
    await expectKept(new DiskStore(join(root, 'media')));
  });
});

/** A separate process that stores files under the limits set by a shell. */
function storing(root: string, key: string, bytes: string, limits = ':'): ReturnType<typeof spawn> {
  const code = `
    const { DiskStore } = require(${JSON.stringify(resolve('src/storage/disk-store.ts'))});
    new DiskStore(${JSON.stringify(root)}).put(${JSON.stringify(key)}, (${bytes})(), 1e9).then(
      () => console.log('stored'),
      (error) => console.log(error.name, error.code, error.cause.code, error.message));`;
  const node = [process.execPath, '-r', '@swc-node/register', '-e', code];
  return spawn('sh', ['-c', `${limits}; exec "$@"`, 'sh', ...node], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function* files(root: string): AsyncGenerator<string> {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) yield join(entry.parentPath, entry.name);
  }
}

const filesIn = async (root: string): Promise<string[]> => {
  const found: string[] = [];
  for await (const path of files(root)) found.push(path);
  return found;
};

describe('the disk store on a disk', () => {
  let root: string;
  let store: DiskStore;

  beforeEach(async () => {
    root = await newFolder();
    store = new DiskStore(root);
  });

  afterEach(() => rm(root, { recursive: true, force: true }));

  it('keeps files and directories to itself', async () => {
    await store.put(newKey(), pieces('a face'), 100);
    const [path] = await filesIn(root);
    expect((await stat(path!)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(path!))).mode & 0o777).toBe(0o700);
    expect((await stat(join(root, '.drafts'))).mode & 0o777).toBe(0o700);
  });

  it('leaves no temporary file after a write, a rejection or a check', async () => {
    await store.put(newKey(), pieces('a face'), 100);
    await expect(store.put(newKey(), pieces('too long'), 3)).rejects.toThrow('larger than 3 bytes');
    await store.check();
    expect(await readdir(join(root, '.drafts'))).toEqual([]);
    expect(await filesIn(root)).toHaveLength(1);
  });

  it('hides partial writes of a killed process, and removes its temporary file an hour later', async () => {
    const key = newKey();
    const child = storing(
      root,
      key,
      `async function* () { for (;;) { yield Buffer.alloc(1000); await new Promise(setImmediate); } }`,
    );
    let drafts: string[] = [];
    while (drafts.length === 0) {
      await pause(5);
      drafts = await filesIn(root);
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await store.open(key)).toBeNull();
    await store.removeUnfinished();
    expect(await filesIn(root)).toEqual(drafts);
    const longAgo = new Date(Date.now() - 3_700_000);
    await utimes(drafts[0]!, longAgo, longAgo);
    await store.removeUnfinished();
    expect(await filesIn(root)).toEqual([]);
  });

  it('is unavailable when the disk is full, and leaves no partial file', async () => {
    const key = newKey();
    // The limit of file sizes: a write fails in the middle as on a full disk.
    const child = storing(root, key, `async function* () { yield Buffer.alloc(1e6); }`, 'ulimit -f 64');
    const [said] = (await once(child.stdout!, 'data')) as [Buffer];
    expect(said.toString()).toBe(
      'StorageUnavailableError SERVICE_UNAVAILABLE EFBIG Pictures cannot be stored or read at the moment. Retry in a minute.\n',
    );
    await once(child, 'exit');
    expect(await filesIn(root)).toEqual([]);
    expect(await store.open(key)).toBeNull();
  });

  it('makes the deletion of many files durable with one sync for each directory', async () => {
    const shards = ['00', '01', '02'];
    const keys = shards.flatMap((shard) =>
      Array.from({ length: 5 }, () => newKey().replace(/..(?=\.)/, shard)),
    );
    for (const key of keys) await store.put(key, pieces('a face'), 100);
    const handle = await open(root);
    const sync = jest.spyOn(Object.getPrototypeOf(handle) as FileHandle, 'sync');
    try {
      expect(await store.deleteMany(keys)).toEqual(new Map());
      expect(sync).toHaveBeenCalledTimes(shards.length);
      expect(await filesIn(root)).toEqual([]);
    } finally {
      sync.mockRestore();
      await handle.close();
    }
  });

  it('does not report files as deleted if their directory could not be synced', async () => {
    const key = newKey();
    await store.put(key, pieces('a face'), 100);
    const handle = await open(root);
    const sync = jest.spyOn(Object.getPrototypeOf(handle) as FileHandle, 'sync');
    sync.mockRejectedValue(new Error('EIO'));
    try {
      expect([...(await store.deleteMany([key])).keys()]).toEqual([key]);
    } finally {
      sync.mockRestore();
      await handle.close();
    }
  });

  it('returns the files that cannot be deleted, and deletes the others', async () => {
    const [stuck, other, gone] = [newKey(), newKey(), newKey()];
    for (const key of [other, gone]) await store.put(key, pieces('a face'), 100);
    const folder = join(root, 'photos', stuck.slice(-6, -4), stuck.slice(7));
    await mkdir(folder, { recursive: true });
    const failures = await store.deleteMany([stuck, other, gone]);
    expect([...failures.keys()]).toEqual([stuck]);
    expect(failures.get(stuck)).toMatchObject({ name: 'StorageUnavailableError' });
    expect(await filesIn(root)).toEqual([]);
    await expect(store.delete(stuck)).rejects.toMatchObject({ name: 'StorageUnavailableError' });
  });

  it('is unavailable while its directory is blocked, and recovers', async () => {
    await writeFile(join(root, '.drafts'), 'in the way');
    await expect(store.put(newKey(), pieces('x'), 10)).rejects.toMatchObject({ httpStatus: 503 });
    await expect(store.check()).rejects.toMatchObject({ name: 'StorageUnavailableError' });
    await rm(join(root, '.drafts'));
    await expect(store.check()).resolves.toBeUndefined();
  });

  it('recreates removed directories', async () => {
    await store.put(newKey(), pieces('a face'), 100);
    await rm(root, { recursive: true });
    await expect(store.put(newKey(), pieces('another'), 100)).rejects.toMatchObject({ httpStatus: 503 });
    expect(await store.put(newKey(), pieces('another'), 100)).toMatchObject({ byteSize: 7 });
  });

  it('ignores foreign files beside its own', async () => {
    const key = newKey();
    await store.put(key, pieces('a face'), 100);
    await mkdir(join(root, 'photos', 'zz'), { recursive: true });
    await writeFile(join(root, 'lost+found'), '');
    await writeFile(join(root, 'photos', 'notes.txt'), '');
    await writeFile(join(root, 'photos', 'zz', key.slice(7)), '');
    const keys: string[] = [];
    for await (const listed of store.list('', 0)) keys.push(listed);
    expect(keys).toEqual([key]);
  });

  it('finds its files again in a new process', async () => {
    const key = newKey();
    await store.put(key, pieces('a face'), 100);
    expect(String(await readAll(new DiskStore(root), key))).toBe('a face');
  });
});
