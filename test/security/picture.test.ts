import sharp, { type Sharp } from 'sharp';
import { chooseSquare, preparePhoto, type RawPicture } from '../../src/images/photo-image';
import { PictureProblem } from '../../src/images/picture-file';
import { phonePhoto, privateMarker, withSides } from '../support/picture-bytes';
import { face, facePhoto } from '../support/pictures';
import { corpus } from './picture-corpus';

/** The error code of a rejected photo, or `ok`. */
async function checkOutcome(bytes: Buffer): Promise<string> {
  try {
    await preparePhoto(bytes);
    return 'ok';
  } catch (error) {
    if (error instanceof PictureProblem) return error.code;
    throw error;
  }
}

/** The mean colour around a point of a picture, each channel 0 to 255. */
async function colourAt(picture: Buffer, left: number, top: number): Promise<number[]> {
  const around = await sharp(picture)
    .extract({ left: left - 4, top: top - 4, width: 9, height: 9 })
    .png()
    .toBuffer();
  const { channels } = await sharp(around).stats();
  return channels.slice(0, 3).map(({ mean }) => mean);
}

/** The maximum difference of two colours over the channels. */
const distance = (one: number[], other: number[]): number =>
  Math.max(...one.map((value, channel) => Math.abs(value - other[channel]!)));

/** A square with a colour in each quarter, and the centres of the quarters at 512 pixels. */
function quarters(): Sharp {
  return sharp(
    Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="600" height="600">
      <rect width="300" height="300" fill="#a05050"/><rect x="300" width="300" height="300" fill="#50a050"/>
      <rect y="300" width="300" height="300" fill="#5050a0"/>
      <rect x="300" y="300" width="300" height="300" fill="#a0a050"/></svg>`),
  ).flatten();
}

const quarterColours = [
  { left: 128, top: 128, colour: [0xa0, 0x50, 0x50] },
  { left: 384, top: 128, colour: [0x50, 0xa0, 0x50] },
  { left: 128, top: 384, colour: [0x50, 0x50, 0xa0] },
  { left: 384, top: 384, colour: [0xa0, 0xa0, 0x50] },
];

/** The maximum difference of any quarter from its expected colour. */
async function strayed(jpeg: Buffer): Promise<number> {
  const distances = quarterColours.map(async ({ left, top, colour }) =>
    distance(await colourAt(jpeg, left, top), colour),
  );
  return Math.max(...(await Promise.all(distances)));
}

/** How a camera in each orientation stores an upright scene: mirrored, then rotated, so that EXIF's inverse is upright. */
const heldAs = [
  { orientation: 1, mirrored: false, angle: 0 },
  { orientation: 2, mirrored: true, angle: 0 },
  { orientation: 3, mirrored: false, angle: 180 },
  { orientation: 4, mirrored: true, angle: 180 },
  { orientation: 5, mirrored: true, angle: 270 },
  { orientation: 6, mirrored: false, angle: 270 },
  { orientation: 7, mirrored: true, angle: 90 },
  { orientation: 8, mirrored: false, angle: 90 },
];

describe('untrusted photos', () => {
  it.each(corpus)('$name: $verdict', async ({ make, verdict }) => {
    const bytes = await make();
    const started = performance.now();
    expect(await checkOutcome(bytes)).toBe(verdict);
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  it.each(corpus.filter(({ verdict }) => verdict === 'ok'))(
    'keeps only the pixels of: $name',
    async ({ make }) => {
      const { jpeg } = await preparePhoto(await make());
      const kept = await sharp(jpeg).metadata();
      expect(kept).toMatchObject({
        format: 'jpeg',
        width: 512,
        height: 512,
        channels: 3,
        space: 'srgb',
        depth: 'uchar',
      });
      for (const carried of ['exif', 'xmp', 'iptc', 'icc', 'comments', 'orientation', 'gainMap']) {
        expect(kept).not.toHaveProperty(carried);
      }
      expect(jpeg.includes(privateMarker)).toBe(false);
      expect(jpeg.indexOf(Buffer.from([0xff, 0xd9]))).toBe(jpeg.length - 2);
    },
  );

  it('rejects a photo that is too large by its header without decoding it', async () => {
    const large = corpus.find(({ name }) => name.includes('30,000×30,000'))!;
    const bytes = await large.make();
    const started = performance.now();
    await expect(preparePhoto(bytes)).rejects.toThrow(
      'The picture has 30000×30000 pixels, 900 million; the maximum is 50 million. Send a smaller copy.',
    );
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('names the detected file type and the accepted types', async () => {
    await expect(preparePhoto(await face(1).gif().toBuffer())).rejects.toThrow(
      'The file is a GIF picture. Send the photo as JPEG, PNG, WebP, AVIF or HEIC.',
    );
    await expect(preparePhoto(await facePhoto(1, { width: 300, height: 200 }))).rejects.toThrow(
      'The picture has 300×200 pixels. Send one whose shorter side has at least 256 pixels.',
    );
  });
});

describe('a prepared photo', () => {
  it('is upright and has the colours of the original, if it is a HEIC of a phone', async () => {
    const { jpeg, sourceWidth, sourceHeight } = await preparePhoto(phonePhoto);
    expect({ sourceWidth, sourceHeight }).toEqual({ sourceWidth: 600, sourceHeight: 600 });
    expect(await strayed(jpeg)).toBeLessThan(6);
  });

  it('is not made of a HEIC that takes too long to decode', async () => {
    await expect(preparePhoto(phonePhoto, 0.001)).rejects.toThrow('The picture takes too long to decode.');
  });

  it('is not made of a HEIC with more pixels than can be decoded at once', async () => {
    await expect(preparePhoto(withSides(phonePhoto, 600, 6000))).rejects.toThrow(
      'The picture has 6000×6000 pixels, 36 million; the maximum is 25 million',
    );
  });

  it.each(heldAs)(
    'is upright with EXIF orientation $orientation',
    async ({ orientation, mirrored, angle }) => {
      const scene = await quarters().flop(mirrored).png().toBuffer();
      const photo = await sharp(scene).rotate(angle).withMetadata({ orientation }).jpeg().toBuffer();
      expect(await strayed((await preparePhoto(photo)).jpeg)).toBeLessThan(6);
    },
  );

  it('reports the size of the upright photo', async () => {
    const sideways = await face(1, { width: 800, height: 600 })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    expect(await preparePhoto(sideways)).toMatchObject({
      sourceWidth: 600,
      sourceHeight: 800,
      width: 512,
      height: 512,
    });
  });

  it.each([
    { name: 'Display P3', make: () => quarters().withIccProfile('p3').jpeg(), tolerance: 8 },
    { name: '16 bits', make: () => quarters().toColourspace('rgb16').png(), tolerance: 6 },
    { name: 'CMYK', make: () => quarters().withIccProfile('cmyk').jpeg(), tolerance: 25 },
  ])('has the colours of a photo in $name', async ({ make, tolerance }) => {
    expect(await strayed((await preparePhoto(await make().toBuffer())).jpeg)).toBeLessThan(tolerance);
  });

  it('is white where the photo was transparent', async () => {
    const clear = sharp({
      create: { width: 300, height: 300, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
    });
    const { jpeg } = await preparePhoto(await clear.png().toBuffer());
    expect(await colourAt(jpeg, 256, 256)).toEqual([255, 255, 255]);
  });

  it.each([
    { width: 960, height: 540, at: { x: 0.2, y: 0.5 } },
    { width: 960, height: 540, at: { x: 0.5, y: 0.5 } },
    { width: 960, height: 540, at: { x: 0.8, y: 0.55 } },
    { width: 540, height: 960, at: { x: 0.5, y: 0.25 } },
    { width: 540, height: 960, at: { x: 0.5, y: 0.5 } },
    { width: 540, height: 960, at: { x: 0.4, y: 0.75 } },
  ])('contains a head at $at.x, $at.y of $width×$height', async ({ width, height, at }) => {
    for (const seed of [1, 2, 3]) {
      const picture = face(seed, { width, height, at }).raw().toBuffer({ resolveWithObject: true });
      const square = await chooseSquare((await picture) as RawPicture);
      const scale = 540 / 600;
      expect(square.left).toBeLessThanOrEqual(at.x * width - 135 * scale);
      expect(square.left + square.side).toBeGreaterThanOrEqual(at.x * width + 135 * scale);
      expect(square.top).toBeLessThanOrEqual(at.y * height - 195 * scale);
      expect(square.top + square.side).toBeGreaterThanOrEqual(at.y * height + 145 * scale);
    }
  });

  it('is cropped from the middle of a picture without detail', async () => {
    const plain = sharp({ create: { width: 800, height: 600, channels: 3, background: '#777' } });
    const picture = await plain.raw().toBuffer({ resolveWithObject: true });
    expect(await chooseSquare(picture as RawPicture)).toEqual({ left: 100, top: 0, side: 600 });
  });
});
