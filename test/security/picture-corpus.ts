import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import type { PictureProblemCode } from '../../src/images/picture-file';
import * as bytes from '../support/picture-bytes';
import { face, facePhoto } from '../support/pictures';

/** An uploaded file and the expected result. */
export interface CorpusPicture {
  name: string;
  make: () => Buffer | Promise<Buffer>;
  verdict: 'ok' | PictureProblemCode;
}

const { privateMarker, jpegSegment, pngChunk, overwritten } = bytes;
const small = (): Sharp => face(3, { width: 400, height: 300 });
const jpeg = (): Promise<Buffer> => small().jpeg({ quality: 90 }).toBuffer();
const png = (): Promise<Buffer> => small().png().toBuffer();

const half = (file: Buffer): Buffer => file.subarray(0, file.length / 2);
const endOfJpeg = Buffer.from([0xff, 0xd9]);
const scanOf = (file: Buffer): number => file.indexOf(Buffer.from([0xff, 0xda]));
const jpegWith = async (marker: number, contents: string): Promise<Buffer> =>
  bytes.withSegments(await jpeg(), jpegSegment(marker, contents));
const jpegBefore = async (tail: Buffer | string): Promise<Buffer> =>
  Buffer.concat([await jpeg(), Buffer.from(tail as string)]);
const pngWith = async (type: string, ...contents: (Buffer | string)[]): Promise<Buffer> =>
  bytes.withChunks(
    await png(),
    pngChunk(type, Buffer.concat(contents.map((part) => Buffer.from(part as string)))),
  );
const bomb = (): Buffer => deflateSync(Buffer.alloc(100e6));
const padded = (head: string): Buffer => Buffer.concat([Buffer.from(head, 'latin1'), Buffer.alloc(300)]);

function all(
  verdict: CorpusPicture['verdict'],
  files: Record<string, CorpusPicture['make']>,
): CorpusPicture[] {
  return Object.entries(files).map(([name, make]) => ({ name, make, verdict }));
}

/** Pictures as cameras, phones and programs write them. */
const ordinary = all('ok', {
  JPEG: jpeg,
  'JPEG, progressive': () => small().jpeg({ progressive: true }).toBuffer(),
  'JPEG, 4:4:4': () => small().jpeg({ chromaSubsampling: '4:4:4' }).toBuffer(),
  'JPEG, grey': () => small().greyscale().jpeg().toBuffer(),
  'JPEG, CMYK': () => small().toColourspace('cmyk').jpeg().toBuffer(),
  'JPEG, CMYK with its profile': () => small().withIccProfile('cmyk').jpeg().toBuffer(),
  'JPEG, Display P3': () => small().withIccProfile('p3').jpeg().toBuffer(),
  'JPEG, broken profile': () => jpegWith(0xe2, 'ICC_PROFILE\0\x01\x01broken'),
  'JPEG, broken EXIF': () => jpegWith(0xe1, 'Exif\0\0MM\0*\xff\xff\xff\xff'),
  "JPEG, Samsung's scan header": async () => {
    const file = await jpeg();
    return overwritten(file, scanOf(file) + 11, [0, 0, 0]);
  },
  'JPEG, 12 megapixels': () => facePhoto(4, { width: 4000, height: 3000 }),
  'JPEG, wide strip': () => facePhoto(4, { width: 20_000, height: 260 }),
  'JPEG, tall strip': () => facePhoto(4, { width: 260, height: 20_000 }),
  PNG: png,
  'PNG, 16 bits': () => small().toColourspace('rgb16').png().toBuffer(),
  'PNG, interlaced': () => small().png({ progressive: true }).toBuffer(),
  'PNG, palette': () => small().png({ palette: true }).toBuffer(),
  'PNG, grey': () => small().toColourspace('b-w').png().toBuffer(),
  'PNG, transparent': () => small().ensureAlpha(0.5).png().toBuffer(),
  'PNG, grey and transparent': () => small().ensureAlpha(0.5).toColourspace('b-w').png().toBuffer(),
  'PNG, broken profile': () => pngWith('iCCP', 'x\0\0', deflateSync(Buffer.from('broken'))),
  'PNG, animation of one frame': async () => bytes.animated(await png(), 1),
  'PNG, end missing behind all pixels': async () => (await png()).subarray(0, -12),
  WebP: () => small().webp().toBuffer(),
  'WebP, lossless': () => small().webp({ lossless: true }).toBuffer(),
  'WebP, transparent': () => small().ensureAlpha(0.5).webp().toBuffer(),
  AVIF: () => small().avif({ effort: 0 }).toBuffer(),
  'AVIF, lossless': () => small().avif({ effort: 0, lossless: true }).toBuffer(),
  'AVIF, transparent': () => small().ensureAlpha(0.5).avif({ effort: 0 }).toBuffer(),
  HEIC: () => bytes.phonePhoto,
  'HEIC, by its compatible brands': () => bytes.withBrand(bytes.phonePhoto, 'mif1'),
  'AVIF, by its compatible brands': async () =>
    bytes.withBrand(await small().avif({ effort: 0 }).toBuffer(), 'mif1'),
  'exactly 256×256': () => facePhoto(5, { width: 256, height: 256 }),
});

/** Each of the eight orientations that EXIF knows. */
const turned: CorpusPicture[] = [1, 2, 3, 4, 5, 6, 7, 8].flatMap((orientation) =>
  (['jpeg', 'webp'] as const).map((format) => ({
    name: `${format}, EXIF orientation ${orientation}`,
    make: () => small().withMetadata({ orientation }).toFormat(format).toBuffer(),
    verdict: 'ok',
  })),
);

const secretExif = {
  IFD0: { Copyright: privateMarker },
  IFD3: { GPSAreaInformation: privateMarker },
};
const secretXmp = `<x:xmpmeta xmlns:x="adobe:ns:meta/">${privateMarker}</x:xmpmeta>`;

/** Files with more data than a picture; only the picture may be kept. */
const carrying = all('ok', {
  'JPEG with EXIF and GPS': () => small().withExif(secretExif).jpeg().toBuffer(),
  'JPEG with XMP': () => small().withXmp(secretXmp).jpeg().toBuffer(),
  'JPEG with IPTC': async () => bytes.withSegments(await jpeg(), bytes.iptcSegment(privateMarker)),
  'JPEG with a comment': () => jpegWith(0xfe, privateMarker),
  'JPEG with a script as comment': () => jpegWith(0xfe, `<?php /*${privateMarker}*/ ?>`),
  'JPEG with an unknown segment': () => jpegWith(0xeb, `JP${privateMarker}`),
  'JPEG and ZIP at once': () => jpegBefore(bytes.emptyZip(privateMarker)),
  'JPEG and web page at once': () => jpegBefore(`<html><script>/*${privateMarker}*/</script>`),
  'JPEG and PHP at once': () => jpegBefore(`<?php /*${privateMarker}*/ ?>`),
  'JPEG with a second one behind': async () => jpegBefore(await facePhoto(9)),
  'JPEG in Ultra HDR': async () => {
    const gainMap = await small().greyscale().toColourspace('b-w').jpeg().toBuffer();
    const brightness = bytes.withSegments(gainMap, jpegSegment(0xfe, privateMarker));
    return bytes.ultraHdr(await jpeg(), brightness);
  },
  'JPEG with a video behind': () =>
    jpegBefore(Buffer.concat([bytes.ftypBox('mp42'), Buffer.from(privateMarker)])),
  'PNG with text': () => pngWith('tEXt', `Comment\0${privateMarker}`),
  'PNG with a private chunk': () => pngWith('prVt', privateMarker),
  'PNG with text that unpacks to 100 MB': () => pngWith('zTXt', 'Comment\0\0', bomb()),
  'PNG with a profile that unpacks to 100 MB': () => pngWith('iCCP', 'x\0\0', bomb()),
  'PNG with 20,000 texts': async () => {
    const texts = Array.from({ length: 20_000 }, (_, n) => pngChunk('tEXt', Buffer.from(`Comment${n}\0x`)));
    return bytes.withChunks(await png(), ...texts);
  },
  'WebP with EXIF, XMP and a profile': () =>
    small().withExif(secretExif).withXmp(secretXmp).withIccProfile('p3').webp().toBuffer(),
  'WebP and ZIP at once': async () =>
    Buffer.concat([await small().webp().toBuffer(), bytes.emptyZip(privateMarker)]),
  'AVIF with EXIF and XMP': () =>
    small().withExif(secretExif).withXmp(secretXmp).avif({ effort: 0 }).toBuffer(),
  'AVIF and ZIP at once': async () =>
    Buffer.concat([await small().avif({ effort: 0 }).toBuffer(), bytes.emptyZip(privateMarker)]),
  'HEIC and ZIP at once': () => Buffer.concat([bytes.phonePhoto, bytes.emptyZip(privateMarker)]),
  'PNG and ZIP at once': async () => Buffer.concat([await png(), bytes.emptyZip(privateMarker)]),
});

/** Pictures that are damaged, truncated, or only similar. */
const broken = all('UNREADABLE', {
  'no bytes': () => Buffer.alloc(0),
  'JPEG, first three bytes': () => Buffer.from([0xff, 0xd8, 0xff]),
  'JPEG, cut in half': async () => half(await jpeg()),
  'JPEG, last hundred bytes missing': async () => (await jpeg()).subarray(0, -100),
  'JPEG, cut in half and closed again': async () => Buffer.concat([half(await jpeg()), endOfJpeg]),
  'JPEG, progressive, cut in half': async () => half(await small().jpeg({ progressive: true }).toBuffer()),
  'JPEG, an end in the middle': async () => overwritten(await jpeg(), 3000, endOfJpeg),
  'JPEG, header only': async () => {
    const file = await jpeg();
    return file.subarray(0, scanOf(file));
  },
  'JPEG, noise behind its first bytes': () =>
    Buffer.from(`\xff\xd8\xff\xe0${'noise '.repeat(500)}`, 'latin1'),
  'PNG, signature only': async () => (await png()).subarray(0, 8),
  'PNG, cut in half': async () => half(await png()),
  'PNG, wrong checksum of the header': async () => overwritten(await png(), 29, [1, 2, 3, 4]),
  'PNG, overwritten pixels': async () => {
    const file = await png();
    return overwritten(file, file.indexOf('IDAT') + 204, [1, 2, 3, 4]);
  },
  'WebP, cut in half': async () => half(await small().webp().toBuffer()),
  'WebP, last hundred bytes missing': async () => (await small().webp().toBuffer()).subarray(0, -100),
  'HEIC, type only': () => bytes.ftypBox('heic'),
  'HEIC, cut in half': () => half(bytes.phonePhoto),
  'HEIC, last hundred bytes missing': () => bytes.phonePhoto.subarray(0, -100),
  'HEIC, side of a tile that is larger': () => bytes.withSides(bytes.phonePhoto, 320, 4000),
  'AVIF, type only': () => bytes.ftypBox('avif'),
  'AVIF, cut in half': async () => half(await small().avif({ effort: 0 }).toBuffer()),
  'AVIF, last hundred bytes missing': async () =>
    (await small().avif({ effort: 0 }).toBuffer()).subarray(0, -100),
  'AVIF, sides stated too small': async () => bytes.withSides(await square(), 320, 280),
  'AVIF, sides stated too large': async () => bytes.withSides(await square(), 320, 4000),
  'AVIF, overwritten pixels': async () => {
    const file = await small().avif({ effort: 0 }).toBuffer();
    return overwritten(file, file.indexOf('mdat') + 4, Buffer.alloc(200, 0xff));
  },
  'PNG, no pixels': async () =>
    Buffer.concat([(await png()).subarray(0, 33), pngChunk('IEND', Buffer.alloc(0))]),
});

/** An AVIF of 320×320 pixels. */
const square = (): Promise<Buffer> => face(6, { width: 320, height: 320 }).avif({ effort: 0 }).toBuffer();

/** Readable pictures that are unsuitable for training. */
const unfit = [
  ...all('TOO_SMALL', {
    'one pixel': () => facePhoto(6, { width: 1, height: 1 }),
    '255 pixels high': () => facePhoto(6, { width: 800, height: 255 }),
    '255 pixels wide, turned by EXIF': () =>
      face(6, { width: 800, height: 255 }).withMetadata({ orientation: 6 }).jpeg().toBuffer(),
  }),
  ...all('TOO_MANY_PIXELS', {
    'PNG that claims 30,000×30,000 pixels': () => bytes.pngClaiming(30_000, 30_000),
    'PNG that claims 50,001×1,000 pixels': () => bytes.pngClaiming(50_001, 1000),
    'AVIF that claims 16,000×16,000 pixels': async () => bytes.withSides(await square(), 320, 16_000),
    'interlaced PNG that claims 6,000×6,000 pixels': () => bytes.pngClaiming(6000, 6000, 1),
    'JPEG that claims 65,000×65,000 pixels': async () => {
      const file = await jpeg();
      return overwritten(file, file.indexOf(Buffer.from([0xff, 0xc0])) + 5, [0xfd, 0xe8, 0xfd, 0xe8]);
    },
  }),
  ...all('ANIMATED', {
    'animated PNG': async () => bytes.animated(await png(), 2),
    'animated WebP': async () => {
      const frames = await Promise.all([7, 8].map((seed) => face(seed).png().toBuffer()));
      return sharp(frames, { join: { animated: true } })
        .webp()
        .toBuffer();
    },
  }),
];

/** Other file types, with any name. */
const foreign = all('UNSUPPORTED_TYPE', {
  'one byte': () => Buffer.from([0xff]),
  GIF: () => small().gif().toBuffer(),
  'AVIF, animated': () => bytes.ftypBox('avis'),
  TIFF: () => small().tiff().toBuffer(),
  'HEIF of an unknown codec': () => bytes.ftypBox('mif1'),
  'HEIC, animated': () => bytes.ftypBox('msf1'),
  MP4: () => bytes.ftypBox('isom'),
  BMP: () => padded('BM'),
  icon: () => padded('\0\0\x01\0\x01\0'),
  Photoshop: () => padded('8BPS\0\x01'),
  'JPEG XL': () => padded('\xff\x0a'),
  'JPEG 2000': () => padded('\0\0\0\x0cjP  \r\n\x87\n'),
  SVG: () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="400" height="300"/>'),
  'SVG behind an XML declaration': () =>
    Buffer.from('<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg"/>'),
  PDF: () => padded('%PDF-1.7\n'),
  ZIP: () => bytes.emptyZip('photos'),
  'web page': () => Buffer.from('<!DOCTYPE html><title>Sign in</title>'),
  'web page with a JPEG behind': async () => Buffer.concat([Buffer.from('<html>'), await jpeg()]),
  text: () => Buffer.from('This is no picture.'),
  zeros: () => Buffer.alloc(4096),
});

/** Valid and invalid photos, generated on each run. */
export const corpus: readonly CorpusPicture[] = [
  ...ordinary,
  ...turned,
  ...carrying,
  ...broken,
  ...unfit,
  ...foreign,
];
