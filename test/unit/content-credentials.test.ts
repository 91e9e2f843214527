import sharp, { type Sharp } from 'sharp';
import { verifyResult } from '../../src/images/result-image';
import {
  emptyZip,
  jpegSegment,
  pngChunk,
  privateMarker,
  withChunks,
  withSegments,
} from '../support/picture-bytes';
import { face } from '../support/pictures';

const avatar = (): Sharp => face(7, { width: 512, height: 512 });

/** A JUMBF superbox of a type, with some content. */
function box(type: string): Buffer {
  const uuid = Buffer.concat([Buffer.from(type, 'latin1'), Buffer.from('00110010800000aa00389b71', 'hex')]);
  const description = Buffer.concat([Buffer.from('jumd'), uuid, Buffer.from('\x03c2pa\0', 'latin1')]);
  const inner = Buffer.concat([sizeOf(description), description]);
  const content = Buffer.concat([Buffer.from('jumb'), inner, Buffer.alloc(500, 7)]);
  return Buffer.concat([sizeOf(content), content]);
}

function sizeOf(content: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(content.length + 4);
  return size;
}

/** The box in APP11 segments, each of which repeats the head of the box. */
function segments(of: Buffer): Buffer[] {
  return [of.subarray(0, 300), Buffer.concat([of.subarray(0, 8), of.subarray(300)])].map((part, index) =>
    jpegSegment(0xeb, Buffer.concat([Buffer.from([0x4a, 0x50, 0, 1, 0, 0, 0, index + 1]), part])),
  );
}

async function webpWith(chunk: Buffer): Promise<Buffer> {
  const webp = await avatar().ensureAlpha(0.5).webp().toBuffer();
  const head = Buffer.from('C2PA\0\0\0\0', 'latin1');
  head.writeUInt32LE(chunk.length, 4);
  const whole = Buffer.concat([webp, head, chunk, Buffer.alloc(chunk.length % 2)]);
  whole.writeUInt32LE(whole.length - 8, 4);
  return whole;
}

const makers: Record<string, (of: Buffer) => Promise<Buffer>> = {
  jpeg: async (of) => withSegments(await avatar().jpeg().toBuffer(), ...segments(of)),
  png: async (of) => withChunks(await avatar().png().toBuffer(), pngChunk('caBX', of)),
  webp: webpWith,
};

describe('a picture with a C2PA manifest', () => {
  it.each(Object.entries(makers))('is stored unchanged as %s', async (format, make) => {
    const bytes = await make(box('c2pa'));
    expect(await verifyResult(bytes)).toMatchObject({
      ...{ clean: null, hasContentCredentials: true, contentType: `image/${format}` },
    });
  });

  it.each(Object.entries(makers))('is not a %s with another box', async (_format, make) => {
    const { clean, hasContentCredentials } = await verifyResult(await make(box('priv')));
    expect(hasContentCredentials).toBe(false);
    expect(clean!.includes('priv')).toBe(false);
  });

  it.each([
    [
      'jpeg, beside another box',
      async () => withSegments(await makers.jpeg!(box('priv')), ...segments(box('c2pa'))),
    ],
    [
      'jpeg, before another box',
      async () => withSegments(await makers.jpeg!(box('c2pa')), ...segments(box('priv'))),
    ],
    ['png, with bytes after the box', () => makers.png!(Buffer.concat([box('c2pa'), Buffer.from('priv')]))],
    ['webp, with bytes after the box', () => makers.webp!(Buffer.concat([box('c2pa'), Buffer.from('priv')]))],
  ])('is stored without it: %s', async (_, make) => {
    const { clean, hasContentCredentials } = await verifyResult(await make());
    expect(hasContentCredentials).toBe(false);
    expect([clean!.includes('priv'), clean!.includes('c2pa')]).toEqual([false, false]);
  });

  it('is stored without it if the file contains other data', async () => {
    const bytes = Buffer.concat([await makers.jpeg!(box('c2pa')), emptyZip(privateMarker)]);
    const { clean, hasContentCredentials } = await verifyResult(bytes);
    expect(hasContentCredentials).toBe(false);
    expect([clean!.includes(privateMarker), clean!.includes('c2pa')]).toEqual([false, false]);
    expect((await sharp(clean!).metadata()).width).toBe(512);
  });

  it('has no manifest without one', async () => {
    expect((await verifyResult(await avatar().jpeg().toBuffer())).hasContentCredentials).toBe(false);
  });
});
