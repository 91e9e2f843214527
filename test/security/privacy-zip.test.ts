import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { zip, type ZipEntry } from '../../src/storage/zip';
import { unzip, verdictOfUnzip } from '../support/unzip';

const modifiedAt = new Date('2026-01-31T12:34:56Z');

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'likeness-zip-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function entry(path: string, bytes: Buffer | AsyncIterable<Uint8Array>, isCompressible = false): ZipEntry {
  return { path, modifiedAt, isCompressible, bytes: Buffer.isBuffer(bytes) ? pieces(bytes) : bytes };
}

/** The bytes in chunks of odd sizes. */
async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += 70_001) yield bytes.subarray(start, start + 70_001);
}

async function* listed(entries: Iterable<ZipEntry>): AsyncGenerator<ZipEntry> {
  yield* entries;
}

async function write(entries: AsyncIterable<ZipEntry>): Promise<string> {
  const path = join(folder, 'archive.zip');
  await pipeline(zip(entries), createWriteStream(path));
  return path;
}

/** Random bytes, which cannot be compressed. */
function noise(size: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(size / 32) }, (_, index) =>
    createHash('sha256').update(String(index)).digest(),
  );
  return Buffer.concat(blocks).subarray(0, size);
}

describe('zip', () => {
  it('can be read back: names, bytes, sizes, checksums', async () => {
    const files = {
      'data.json': Buffer.from(JSON.stringify({ prompt: 'größer 🚲'.repeat(5_000) })),
      'avatars/avatar_1.jpg': noise(300_000),
      'photos/größe 🚲.jpg': noise(1),
      'nothing.txt': Buffer.alloc(0),
    };
    const path = await write(
      listed(Object.entries(files).map(([name, bytes]) => entry(name, bytes, name === 'data.json'))),
    );
    const archive = await readFile(path);
    expect(Object.fromEntries(unzip(archive))).toEqual(files);
    expect(archive.length).toBeLessThan(302_000);
    expect(await verdictOfUnzip(path)).toBe('no errors');
  });

  it('marks every file as deflated with a data descriptor, for streaming readers', async () => {
    const path = await write(listed([entry('a.jpg', noise(70_000)), entry('b.txt', Buffer.from('b'), true)]));
    const archive = await readFile(path);
    const heads = [0, archive.indexOf(Buffer.from([0x50, 0x4b, 3, 4]), 4)];
    expect(heads.map((at) => [archive.readUInt16LE(at + 6), archive.readUInt16LE(at + 8)])).toEqual([
      [0x808, 8],
      [0x808, 8],
    ]);
    const descriptor = archive.indexOf(Buffer.from([0x50, 0x4b, 7, 8]));
    expect(archive.readUInt32LE(descriptor + 12)).toBe(70_000);
  });

  it('stores file times with a precision of two seconds', async () => {
    const archive = await readFile(await write(listed([entry('a', noise(9))])));
    const [time, date] = [archive.readUInt16LE(10), archive.readUInt16LE(12)];
    expect([time >> 11, (time >> 5) & 63, (time & 31) * 2]).toEqual([12, 34, 56]);
    expect([1980 + (date >> 9), (date >> 5) & 15, date & 31]).toEqual([2026, 1, 31]);
  });

  it('holds more than 65,535 files', async () => {
    const count = 65_600;
    async function* many(): AsyncGenerator<ZipEntry> {
      for (let index = 0; index < count; index += 1) yield entry(`f/${index}`, Buffer.from(String(index)));
    }
    const path = await write(many());
    const files = unzip(await readFile(path));
    expect(files.size).toBe(count);
    expect(files.get(`f/${count - 1}`)!.toString()).toBe(String(count - 1));
    expect(await verdictOfUnzip(path)).toBe('no errors');
  }, 120_000);

  it('fails with the error of reading a file, and closes the file', async () => {
    for (const isCompressible of [true, false]) {
      let isLetGo = false;
      async function* broken(): AsyncGenerator<Buffer> {
        try {
          yield noise(100_000);
          throw new Error('the disk is gone');
        } finally {
          isLetGo = true;
        }
      }
      const entries = listed([entry('a', noise(10)), entry('b', broken(), isCompressible)]);
      await expect(write(entries)).rejects.toThrow('the disk is gone');
      expect(isLetGo).toBe(true);
    }
  });

  it.each([true, false])(
    'closes the current file when its reader stops (packed: %s)',
    async (isCompressible) => {
      let release: () => void = () => undefined;
      const isLetGo = new Promise<void>((resolve) => (release = resolve));
      async function* endless(): AsyncGenerator<Buffer> {
        try {
          for (;;) yield noise(50_000);
        } finally {
          release();
        }
      }
      let taken = 0;
      for await (const chunk of zip(listed([entry('a', endless(), isCompressible)]))) {
        taken += chunk.length;
        if (taken > 500_000) break;
      }
      await isLetGo;
      expect(taken).toBeLessThan(1_000_000);
    },
  );
});
