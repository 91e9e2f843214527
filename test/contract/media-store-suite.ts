import { createHash, randomUUID } from 'node:crypto';
import { setImmediate as soon } from 'node:timers/promises';
import type { ByteRange, MediaStore, RangeRequest } from '../../src/storage/media-store';

/** A new key; ids are random, so that tests may share a store. */
export const newKey = (folder = 'photos', ending = '.jpg'): string => `${folder}/${randomUUID()}${ending}`;

/** Bytes in chunks, like those of a socket. */
export async function* pieces(...parts: (string | Buffer)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    await soon();
    yield Buffer.from(part as string);
  }
}

/** The content of a key, or null. */
export async function readAll(store: MediaStore, key: string, range?: RangeRequest): Promise<Buffer | null> {
  const found = await store.open(key, range);
  if (!found) return null;
  const chunks: Buffer[] = [];
  for await (const chunk of found.stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function listed(store: MediaStore, prefix: string, olderThanMs = 0): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list(prefix, olderThanMs)) keys.push(key);
  return keys.sort();
}

const text = async (store: MediaStore, key: string, range?: RangeRequest): Promise<string | undefined> =>
  (await readAll(store, key, range))?.toString();

async function sizeOf(store: MediaStore, key: string): Promise<number | undefined> {
  const found = await store.open(key);
  found?.stream.destroy();
  return found?.byteSize;
}

const wrongKeys = [
  '',
  'photos',
  'photos/',
  'photos/face.jpg',
  '../photos/01920000-0000-7000-8000-000000000000.jpg',
  '/photos/01920000-0000-7000-8000-000000000000.jpg',
  'photos/../01920000-0000-7000-8000-000000000000.jpg',
  'photos/01920000-0000-7000-8000-000000000000/../../../etc/passwd',
  'photos/01920000-0000-7000-8000-000000000000.jpg/..',
  'photos/01920000-0000-7000-8000-000000000000..jpg',
  'photos/01920000-0000-7000-8000-000000000000.jpg\0',
  'photos/01920000-0000-7000-8000-000000000000.jpg\n',
  'photos\\01920000-0000-7000-8000-000000000000.jpg',
  '.drafts/01920000-0000-7000-8000-000000000000',
  'PHOTOS/01920000-0000-7000-8000-000000000000.jpg',
];

async function givesBack(store: MediaStore): Promise<void> {
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 7) % 251));
  const key = newKey();
  const parts = [bytes.subarray(0, 1), bytes.subarray(1, 200_000), bytes.subarray(200_000)];
  expect(await store.put(key, pieces(...parts), 300_000)).toEqual({
    byteSize: 300_000,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
  expect(await sizeOf(store, key)).toBe(300_000);
  expect((await readAll(store, key))!.equals(bytes)).toBe(true);
}

async function storesNothing(store: MediaStore): Promise<void> {
  const key = newKey();
  expect(await store.put(key, pieces(), 10)).toMatchObject({ byteSize: 0 });
  expect(await text(store, key)).toBe('');
}

async function hasNothing(store: MediaStore): Promise<void> {
  expect(await store.open(newKey())).toBeNull();
}

async function keepsKeysApart(store: MediaStore): Promise<void> {
  const id = randomUUID();
  const endings = ['', '.png', '.preview.jpg'];
  for (const ending of endings) await store.put(`avatars/${id}${ending}`, pieces(`is ${ending}`), 100);
  for (const ending of endings) expect(await text(store, `avatars/${id}${ending}`)).toBe(`is ${ending}`);
}

async function givesRanges(store: MediaStore): Promise<void> {
  const key = newKey();
  await store.put(key, pieces('0123', '456789'), 10);
  const cases: [RangeRequest, ByteRange | null, string][] = [
    [{ start: 0, end: 0 }, { start: 0, end: 0 }, '0'],
    [{ start: 2, end: 5 }, { start: 2, end: 5 }, '2345'],
    [{ start: 7, end: 9 }, { start: 7, end: 9 }, '789'],
    [{ start: 7, end: 1000 }, { start: 7, end: 9 }, '789'],
    [{ start: 7 }, { start: 7, end: 9 }, '789'],
    [{ suffix: 3 }, { start: 7, end: 9 }, '789'],
    [{ suffix: 11 }, { start: 0, end: 9 }, '0123456789'],
    [{ suffix: 0 }, null, ''],
    [{ start: 10 }, null, ''],
  ];
  for (const [range, part, content] of cases) {
    const opened = await store.open(key, range);
    opened!.stream.destroy();
    expect(opened).toMatchObject({ byteSize: 10, part });
    expect(await text(store, key, range)).toBe(content);
  }
}

async function showsOnlyWholes(store: MediaStore): Promise<void> {
  const key = newKey();
  let finish: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (finish = resolve));
  let begun: () => void = () => undefined;
  const underWay = new Promise<void>((resolve) => (begun = resolve));
  const slowly = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('first half');
    begun();
    await held;
    yield Buffer.from(', second half');
  };
  const put = store.put(key, slowly(), 100);
  await underWay;
  expect(await store.open(key)).toBeNull();
  expect(await listed(store, key)).toEqual([]);
  finish();
  await put;
  expect(await text(store, key)).toBe('first half, second half');
}

async function replaces(store: MediaStore): Promise<void> {
  const key = newKey();
  await store.put(key, pieces('a long first version'), 100);
  await store.put(key, pieces('a second'), 100);
  expect(await text(store, key)).toBe('a second');
  await expect(store.put(key, pieces('a third', ' that is too long'), 10)).rejects.toThrow();
  expect(await text(store, key)).toBe('a second');
}

async function keepsOneOfSeveral(store: MediaStore): Promise<void> {
  const key = newKey();
  const versions = Array.from({ length: 8 }, (_, n) => Buffer.alloc(50_000, n));
  await Promise.all(versions.map((version) => store.put(key, pieces(version), 50_000)));
  const kept = await readAll(store, key);
  expect(versions.some((version) => version.equals(kept!))).toBe(true);
}

async function refusesTooLarge(store: MediaStore): Promise<void> {
  const key = newKey();
  let isStopped = false;
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        await soon();
        yield Buffer.alloc(100);
      }
    } finally {
      isStopped = true;
    }
  };
  await expect(store.put(key, endless(), 1000)).rejects.toMatchObject({
    name: 'ObjectTooLargeError',
    maxBytes: 1000,
  });
  expect(isStopped).toBe(true);
  expect(await store.open(key)).toBeNull();
  expect(await store.put(key, pieces('x'.repeat(1000)), 1000)).toMatchObject({ byteSize: 1000 });
}

async function leavesNoBeginnings(store: MediaStore): Promise<void> {
  const key = newKey();
  const reason = new Error('the connection was lost');
  const failing = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('a beginning');
    await soon();
    throw reason;
  };
  await expect(store.put(key, failing(), 1000)).rejects.toBe(reason);
  expect(await store.open(key)).toBeNull();
  expect(await listed(store, key)).toEqual([]);
}

async function deletes(store: MediaStore): Promise<void> {
  const key = newKey();
  await store.put(key, pieces('a face'), 100);
  await store.delete(key);
  expect(await store.open(key)).toBeNull();
  await store.delete(key);
  await store.delete(newKey('avatars'));
  await store.put(key, pieces('another'), 100);
  expect(await text(store, key)).toBe('another');
}

async function deletesMany(store: MediaStore): Promise<void> {
  const keys = [...Array.from({ length: 40 }, () => newKey()), newKey('avatars', '.png')];
  const kept = newKey();
  for (const key of [...keys, kept]) await store.put(key, pieces('a face'), 100);
  expect([...(await store.deleteMany(keys, () => false)).keys()]).toEqual(keys);
  for (const key of keys) expect(await text(store, key)).toBe('a face');
  expect(await store.deleteMany([...keys, newKey()])).toEqual(new Map());
  for (const key of keys) expect(await store.open(key)).toBeNull();
  expect(await text(store, kept)).toBe('a face');
  expect(await store.deleteMany([])).toEqual(new Map());
  expect([...(await store.deleteMany(['photos/face.jpg', kept])).keys()]).toEqual(['photos/face.jpg']);
  expect(await store.open(kept)).toBeNull();
}

async function lists(store: MediaStore): Promise<void> {
  const before = await listed(store, '');
  const photos = [newKey('listed'), newKey('listed')].sort();
  const other = newKey('listedtoo', '.png');
  for (const key of [...photos, other]) await store.put(key, pieces('x'), 10);
  expect(await listed(store, 'listed/')).toEqual(photos);
  expect(await listed(store, photos[0]!.slice(0, 30))).toContain(photos[0]);
  expect(await listed(store, '')).toEqual([...before, ...photos, other].sort());
  expect(await listed(store, 'listed/', 3_600_000)).toEqual([]);
  await store.delete(photos[0]!);
  expect(await listed(store, 'listed/')).toEqual([photos[1]]);
  expect(await listed(store, 'nothing/')).toEqual([]);
}

async function refusesWrongKeys(store: MediaStore): Promise<void> {
  const wrong = 'A media key must have the form photos/<uuid>.jpg.';
  for (const key of wrongKeys) {
    await expect(store.put(key, pieces('x'), 10)).rejects.toThrow(wrong);
    await expect(store.open(key)).rejects.toThrow(wrong);
    await expect(store.delete(key)).rejects.toThrow(wrong);
  }
}

async function checksItself(store: MediaStore): Promise<void> {
  const before = await listed(store, '');
  await expect(store.check()).resolves.toBeUndefined();
  expect(await listed(store, '')).toEqual(before);
}

/** The contract of every media store, one test each. All leave the store usable for the next. */
export const mediaStoreSuite: readonly (readonly [
  promise: string,
  test: (store: MediaStore) => Promise<void>,
])[] = [
  ['returns stored files with size and hash', givesBack],
  ['stores an empty file', storesNothing],
  ['has no file under an unknown key', hasNothing],
  ['keeps keys apart that differ in their ending only', keepsKeysApart],
  ['gives ranges of bytes, first and last included', givesRanges],
  ['hides a file until it is complete', showsOnlyWholes],
  ['replaces an object whole', replaces],
  ['keeps one of several versions that are stored at once, whole', keepsOneOfSeveral],
  ['rejects a file over the size limit, leaves no part of it and stops reading', refusesTooLarge],
  ['leaves no part of an aborted upload, and rethrows its error', leavesNoBeginnings],
  ['deletes for good, and what is not there without an error', deletes],
  ['deletes many at once, and returns the keys that it could not delete', deletesMany],
  ['lists keys by prefix and age', lists],
  ['rejects keys that lead out of the store', refusesWrongKeys],
  ['reports that it is writable', checksItself],
];
