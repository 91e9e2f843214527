import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isBlurhashValid } from 'blurhash';
import sharp, { type Sharp } from 'sharp';
import { ImageProcessor, createImageSemaphore, maxWaitingImages } from '../../src/images/image-processor';
import { verifyResult } from '../../src/images/result-image';
import { corpus } from '../security/picture-corpus';
import {
  animated,
  emptyZip,
  jpegSegment,
  pngChunk,
  privateMarker,
  withChunks,
  withSegments,
} from '../support/picture-bytes';
import { face, facePhoto } from '../support/pictures';

const avatar = (): Sharp => face(7, { width: 512, height: 512 });

/** The pixels of a picture. */
const pixels = (picture: Buffer): Promise<Buffer> => sharp(picture).raw().toBuffer();

describe('a result from the upstream', () => {
  it.each([
    { contentType: 'image/jpeg', make: () => avatar().jpeg().toBuffer() },
    { contentType: 'image/png', make: () => avatar().png().toBuffer() },
    { contentType: 'image/webp', make: () => avatar().webp().toBuffer() },
    { contentType: 'image/webp', make: () => avatar().webp({ lossless: true }).toBuffer() },
    { contentType: 'image/webp', make: () => avatar().ensureAlpha(0.5).webp().toBuffer() },
  ])('is stored unchanged if it is a $contentType without metadata', async ({ contentType, make }) => {
    const result = await verifyResult(await make());
    expect(result).toMatchObject({ width: 512, height: 512, contentType, clean: null });
    expect(isBlurhashValid(result.placeholder)).toEqual({ result: true });
    expect(await sharp(result.preview).metadata()).toMatchObject({ format: 'jpeg', width: 256, height: 256 });
  });

  it.each([
    {
      name: 'JPEG with a comment',
      make: async () => withSegments(await avatar().jpeg().toBuffer(), jpegSegment(0xfe, privateMarker)),
    },
    {
      name: 'JPEG with EXIF',
      make: () =>
        avatar()
          .withExif({ IFD0: { Copyright: privateMarker } })
          .jpeg()
          .toBuffer(),
    },
    {
      name: 'JPEG with a tail',
      make: async () => Buffer.concat([await avatar().jpeg().toBuffer(), emptyZip(privateMarker)]),
    },
    {
      name: 'progressive JPEG with a tail',
      make: async () =>
        Buffer.concat([await avatar().jpeg({ progressive: true }).toBuffer(), emptyZip(privateMarker)]),
    },
    {
      name: 'PNG with the prompt as text',
      make: async () =>
        withChunks(
          await avatar().png().toBuffer(),
          pngChunk('tEXt', Buffer.from(`parameters\0${privateMarker}`)),
        ),
    },
    {
      name: 'PNG with a tail',
      make: async () => Buffer.concat([await avatar().png().toBuffer(), emptyZip(privateMarker)]),
    },
    {
      name: 'WebP with EXIF',
      make: () =>
        avatar()
          .withExif({ IFD0: { Copyright: privateMarker } })
          .webp()
          .toBuffer(),
    },
    {
      name: 'WebP with a tail',
      make: async () => Buffer.concat([await avatar().webp().toBuffer(), emptyZip(privateMarker)]),
    },
  ])('is re-encoded if it is a $name', async ({ make }) => {
    const source = await make();
    const { clean, contentType } = await verifyResult(source);
    expect(clean!.includes(privateMarker)).toBe(false);
    expect(await verifyResult(clean!)).toMatchObject({ contentType, clean: null, width: 512, height: 512 });
  });

  it.each([
    {
      name: 'PNG',
      make: () =>
        avatar()
          .withExif({ IFD0: { Copyright: 'x' } })
          .png()
          .toBuffer(),
    },
    {
      name: 'lossless WebP',
      make: () =>
        avatar()
          .withExif({ IFD0: { Copyright: 'x' } })
          .webp({ lossless: true })
          .toBuffer(),
    },
  ])('loses no pixel when a $name is re-encoded', async ({ make }) => {
    const source = await make();
    const { clean } = await verifyResult(source);
    expect((await pixels(clean!)).equals(await pixels(source))).toBe(true);
  });

  it('is rotated upright when re-encoded', async () => {
    const sideways = await face(7, { width: 600, height: 400 })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    const { width, height, clean } = await verifyResult(sideways);
    expect([width, height]).toEqual([400, 600]);
    expect(await sharp(clean!).metadata()).toMatchObject({ width: 400, height: 600 });
  });

  it.each([
    {
      name: 'animated WebP',
      code: 'ANIMATED',
      make: async () => {
        const frames = await Promise.all([7, 8].map((seed) => face(seed).png().toBuffer()));
        return sharp(frames, { join: { animated: true } })
          .webp()
          .toBuffer();
      },
    },
    {
      name: 'animated PNG',
      code: 'ANIMATED',
      make: async () => animated(await avatar().png().toBuffer(), 3),
    },
    { name: 'GIF', code: 'UNSUPPORTED_TYPE', make: () => avatar().gif().toBuffer() },
    { name: 'web page', code: 'UNSUPPORTED_TYPE', make: () => Buffer.from('<!doctype html><h1>404</h1>') },
    { name: 'nothing', code: 'UNREADABLE', make: () => Buffer.alloc(0) },
    {
      name: 'half a JPEG',
      code: 'UNREADABLE',
      make: async () => (await avatar().jpeg().toBuffer()).subarray(0, 5000),
    },
    {
      name: 'half a PNG',
      code: 'UNREADABLE',
      make: async () => (await avatar().png().toBuffer()).subarray(0, 2000),
    },
    {
      name: 'half a WebP',
      code: 'UNREADABLE',
      make: async () => (await avatar().webp().toBuffer()).subarray(0, 1500),
    },
  ])('is rejected if it is $name', async ({ code, make }) => {
    await expect(verifyResult(await make())).rejects.toMatchObject({ name: 'PictureProblem', code });
  });

  const neverTaken = corpus.filter(
    ({ name, verdict }) => !['ok', 'TOO_SMALL'].includes(verdict) && !/^(AVIF|HEI[CF])/.test(name),
  );

  it.each(neverTaken)('is rejected like a photo: $name', async ({ make, verdict }) => {
    await expect(verifyResult(await make())).rejects.toMatchObject({ code: verdict });
  });
});

describe('the image processor', () => {
  it('rejects a picture when its queue is full, and accepts the next when there is capacity', async () => {
    const imageProcessor = new ImageProcessor(createImageSemaphore(1));
    const photo = await facePhoto(1, { width: 300, height: 300 });
    const taken = Array.from({ length: 1 + maxWaitingImages }, () => imageProcessor.prepare(photo));
    await expect(imageProcessor.prepare(photo)).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      message: 'Too many photos are being checked; send it again in a few seconds.',
    });
    expect(await Promise.all(taken)).toHaveLength(1 + maxWaitingImages);
    expect(await imageProcessor.prepare(photo)).toMatchObject({ width: 512 });
  });

  it('does not block the event loop while it works', async () => {
    const imageProcessor = new ImageProcessor(createImageSemaphore(2));
    const photo = await facePhoto(1, { width: 4000, height: 3000 });
    let turns = 0;
    let isWorking = true;
    const count = (): void => {
      turns += 1;
      if (isWorking) setImmediate(count);
    };
    count();
    await Promise.all(Array.from({ length: 12 }, () => imageProcessor.prepare(photo)));
    isWorking = false;
    // Decoding in the event loop itself would allow only a few turns per photo.
    expect(turns).toBeGreaterThan(1_000);
  });

  it('works from files', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'imageProcessor-'));
    const path = join(folder, 'photo');
    try {
      await writeFile(path, await facePhoto(1));
      const imageProcessor = new ImageProcessor(createImageSemaphore(1));
      expect(await imageProcessor.prepare(path)).toMatchObject({ sourceWidth: 800, sourceHeight: 600 });
      expect(await imageProcessor.verify(path)).toMatchObject({
        width: 800,
        height: 600,
        contentType: 'image/jpeg',
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
