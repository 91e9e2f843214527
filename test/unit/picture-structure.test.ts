import {
  guessFormat,
  type PictureFormat,
  type PictureStructure,
  readStructure,
} from '../../src/images/picture-file';
import { verifyResult } from '../../src/images/result-image';
import { jpegSegment, pngChunk, withChunks, withSegments } from '../support/picture-bytes';
import { face } from '../support/pictures';

const size = 25_000_000;
const startOfJpeg = Buffer.from([0xff, 0xd8]);
const endOfJpeg = Buffer.from([0xff, 0xd9]);

/** A JPEG whose entropy-coded data, 25 MB long, repeat the given bytes. */
function jpegOf(...repeated: number[]): Buffer {
  const scan = jpegSegment(0xda, Buffer.alloc(10));
  return Buffer.concat([startOfJpeg, scan, Buffer.alloc(size, Buffer.from(repeated)), endOfJpeg]);
}

/** A WebP that consists of empty chunks. */
function webpOf(chunks: number): Buffer {
  const body = Buffer.alloc(chunks * 8, Buffer.from('VP8 \0\0\0\0'));
  const head = Buffer.from('RIFF\0\0\0\0WEBP');
  head.writeUInt32LE(4 + body.length, 4);
  return Buffer.concat([head, body]);
}

function pngOf(png: Buffer, chunks: number): Buffer {
  const empty = pngChunk('pHYs', Buffer.alloc(0));
  return withChunks(png, Buffer.alloc(chunks * empty.length, empty));
}

/** Counts the turns of the event loop while the structure is read. */
async function turnsDuring(bytes: Buffer, format: PictureFormat): Promise<[number, PictureStructure]> {
  let isReading = true;
  let turns = 0;
  const count = (): void => {
    turns += 1;
    if (isReading) setImmediate(count);
  };
  setImmediate(count);
  const structure = await readStructure(bytes, format);
  isReading = false;
  return [turns, structure];
}

describe('the structure of a picture', () => {
  it.each([
    ['FF 00', [0xff, 0x00]],
    ['restarts', [0xff, 0xd0]],
    ['zeros', [0x00]],
  ])('is read from 25 MB of %s without blocking the event loop', async (_what, repeated) => {
    const [turns, structure] = await turnsDuring(jpegOf(...repeated), 'jpeg');
    expect(turns).toBeGreaterThanOrEqual(size / 1_000_000);
    expect(structure).toEqual({ frames: 1, bare: true, hasManifest: false, lossless: false });
  });

  it.each([
    ['fill bytes', Buffer.alloc(size, 0xff)],
    ['restarts outside of a scan', Buffer.alloc(size, Buffer.from([0xff, 0xd0]))],
    ['empty tables', Buffer.alloc(size, jpegSegment(0xdb, ''))],
  ])('is rejected in a JPEG of %s after 50,000 segments', async (_what, body) => {
    const bytes = Buffer.concat([startOfJpeg, body, endOfJpeg]);
    expect(await readStructure(bytes, 'jpeg')).toMatchObject({ bare: false });
  });

  it('includes the end of entropy-coded data at any offset', async () => {
    const scan = Buffer.concat([startOfJpeg, jpegSegment(0xda, Buffer.alloc(10))]);
    for (const length of [999_998, 999_999, 1_000_000, 1_000_001]) {
      const plain = Buffer.concat([scan, Buffer.alloc(length), endOfJpeg]);
      expect(await readStructure(plain, 'jpeg')).toMatchObject({ bare: true });
      const commented = Buffer.concat([scan, Buffer.alloc(length), jpegSegment(0xfe, 'x'), endOfJpeg]);
      expect(await readStructure(commented, 'jpeg')).toMatchObject({ bare: false });
    }
  });

  it.each([
    ['PNG', async () => pngOf(await face(1).png().toBuffer(), 2_000_000)],
    ['WebP', () => webpOf(3_000_000)],
  ])('is rejected in a %s with millions of chunks', async (_what, make) => {
    await expect(verifyResult(await make())).rejects.toMatchObject({
      code: 'UNREADABLE',
      message: 'The picture has more than 50000 chunks.',
    });
  });

  it('accepts a PNG of 40,000 chunks and a JPEG of 40,000 segments', async () => {
    const png = pngOf(await face(1).png().toBuffer(), 40_000);
    expect(await readStructure(png, 'png')).toMatchObject({ bare: true });
    const tables = Array.from({ length: 40_000 }, () => jpegSegment(0xdb, ''));
    const jpeg = withSegments(await face(1).jpeg().toBuffer(), ...tables);
    expect(await readStructure(jpeg, 'jpeg')).toMatchObject({ bare: true });
  });

  it('is read as WebP only if the file starts with RIFF', () => {
    expect(guessFormat(Buffer.from('RIFF\0\0\0\0WEBPVP8 '))).toMatchObject({ format: 'webp' });
    expect(guessFormat(Buffer.from('JUNK\0\0\0\0WEBPVP8 '))).toEqual({ format: null, label: 'no picture' });
  });
});
