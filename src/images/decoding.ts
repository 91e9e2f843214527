import { readFile } from 'node:fs/promises';
import sharp, { type FailOnOptions, type Metadata, type Sharp } from 'sharp';
import { heicToPng } from './heic-decoder';
import {
  guessFormat,
  type PictureFormat,
  PictureProblem,
  type PictureStructure,
  readStructure,
} from './picture-file';

// Pictures are not processed twice, and a cache would keep personal pictures in memory.
sharp.cache(false);
// One thread per picture: the semaphore limits the number of used cores.
sharp.concurrency(1);
// Decode phones' HDR photos as plain JPEGs: the gain map is not needed, and its loader in libvips ignores `failOn`.
sharp.block({ operation: ['VipsForeignLoadUhdr'] });

/** Maximum number of pixels, checked in the header before decoding. */
export const maxPixels = 50_000_000;

/**
 * Maximum number of pixels for progressive JPEG, interlaced PNG, AVIF and HEIC: these are decoded in memory as a whole, with up
 * to 8 bytes per pixel, while others are decoded in stripes, or, WebP, with half as many bytes.
 */
export const maxPixelsInPasses = 25_000_000;

/** Maximum duration of one decoding, in seconds; about ten times the measured maximum of allowed pictures. */
export const defaultTimeLimitSeconds = 20;

/** The bytes of a picture, the path of its file, or a function that reads it. */
export type PictureSource = Buffer | string | (() => Promise<Buffer>);

/** A picture whose header has been checked and whose pixels have not been decoded. */
export interface OpenedPicture<Format extends PictureFormat = PictureFormat> {
  bytes: Buffer;
  format: Format;
  /** Dimensions in pixels after the EXIF rotation. */
  width: number;
  height: number;
  structure: PictureStructure;
  /** The colour profile in the header, as the file has it. */
  profile?: Buffer;
}

/**
 * Determines the format from the content, and rejects pictures that must not be decoded.
 * @param formats - the accepted formats
 * @throws PictureProblem UNSUPPORTED_TYPE, UNREADABLE, TOO_MANY_PIXELS or ANIMATED, with the problem as its message
 */
export async function openPicture<Format extends PictureFormat>(
  source: PictureSource,
  formats: readonly Format[],
): Promise<OpenedPicture<Format>> {
  const bytes = await bytesOf(source);
  if (bytes.length === 0) throw new PictureProblem('UNREADABLE', 'The file is empty.');
  const { format: found, label } = guessFormat(bytes);
  const format = formats.find((accepted) => accepted === found);
  if (format === undefined) throw new PictureProblem('UNSUPPORTED_TYPE', `The file is ${label}.`);
  const structure = await readStructure(bytes, format);
  if (structure.frames > 1) {
    throw new PictureProblem('ANIMATED', `The picture is an animation of ${structure.frames} frames.`);
  }
  const header = await readHeader(bytes);
  refuseTooLarge(header);
  const { width, height } = header.autoOrient;
  return { bytes, format, width, height, structure, profile: header.icc };
}

async function bytesOf(source: PictureSource): Promise<Buffer> {
  if (typeof source === 'string') return readFile(source);
  return typeof source === 'function' ? source() : source;
}

function refuseTooLarge({ width, height, isProgressive, format }: Metadata): void {
  const isWhole = isProgressive || format === 'heif';
  const max = isWhole ? maxPixelsInPasses : maxPixels;
  if (width * height <= max) return;
  const given = `${width}×${height} pixels, ${Math.round((width * height) / 1e5) / 10} million`;
  const kind = isWhole ? ' for AVIF, HEIC, and progressive or interlaced pictures' : '';
  throw new PictureProblem(
    'TOO_MANY_PIXELS',
    `The picture has ${given}; the maximum is ${max / 1e6} million${kind}.`,
  );
}

async function readHeader(bytes: Buffer): Promise<Metadata> {
  try {
    return await sharp(bytes, { failOn: 'none', limitInputPixels: false }).metadata();
  } catch (error) {
    throw damaged(error);
  }
}

/** Warnings without loss of pixels. Samsung cameras cause the first in every photo; libvips repeats libjpeg's text. */
const harmlessWarnings = /Invalid SOS parameters|unknown JFIF revision|Unknown Adobe color transform/;

/**
 * Decodes a picture, upright, and passes it to `work`. Damaged pictures are rejected: for JPEG, libjpeg's warnings
 * count as damage, since with sharp's `error` level a truncated photo with an end marker would pass as half grey.
 * PNG has checksums, and libpng warns about harmless details.
 * @param work - called a second time if the first call failed with a harmless warning only
 * @throws PictureProblem UNREADABLE
 */
export async function decode<T>(
  picture: OpenedPicture,
  timeLimitSeconds: number,
  work: (decoder: Sharp) => Promise<T>,
): Promise<T> {
  const started = performance.now();
  const bytes = picture.format === 'heic' ? await convertHeic(picture, timeLimitSeconds) : picture.bytes;
  const attempt = (failOn: FailOnOptions): Promise<T> =>
    work(
      sharp(bytes, { failOn, limitInputPixels: maxPixels, autoOrient: true }).timeout({
        seconds: timeLimitSeconds,
      }),
    );
  try {
    return await attempt(picture.format === 'jpeg' ? 'warning' : 'error').catch((error: unknown) => {
      if (!harmlessWarnings.test(String(error))) throw error;
      return attempt('error');
    });
  } catch (error) {
    // An aborted decoder does not always report the abort.
    const isLate = performance.now() - started >= timeLimitSeconds * 1000;
    throw isLate
      ? new PictureProblem('UNREADABLE', 'The picture takes too long to decode.', error)
      : damaged(error);
  }
}

function convertHeic({ bytes, profile }: OpenedPicture, timeLimitSeconds: number): Promise<Buffer> {
  return heicToPng(bytes, { maxPixels: maxPixelsInPasses, timeLimitMs: timeLimitSeconds * 1000, profile });
}

function damaged(error: unknown): PictureProblem {
  return new PictureProblem('UNREADABLE', 'The picture is damaged or truncated.', error);
}
