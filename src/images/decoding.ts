import { readFile } from 'node:fs/promises';
import sharp, { type FailOnOptions, type Metadata, type Sharp } from 'sharp';
import { guessFormat, type PictureFormat } from './format';
import { PictureProblem } from './image-problem';
import { readStructure, type PictureStructure } from './structure';

// No two pictures are the same, and a cache would keep faces in memory.
sharp.cache(false);
// One thread a picture: the workshop's gate says how many cores are used.
sharp.concurrency(1);
// Phones' HDR photos are read as the plain JPEGs that they are as well: the gain map is not wanted, and libvips'
// loader for it does not heed `failOn`.
sharp.block({ operation: ['VipsForeignLoadUhdr'] });

/** The most pixels a picture may have. Asked of the header, before decoding. */
const maxPixels = 50_000_000;

/**
 * The most for one that is stored in passes over the whole picture (progressive JPEG, interlaced PNG): it is decoded in
 * memory as a whole, up to 8 bytes a pixel, while others pass through in stripes.
 */
const maxPixelsInPasses = 25_000_000;

/** How long one decoding may take, in seconds; the slowest allowed pictures that were found take a tenth of it. */
export const defaultTimeLimitSeconds = 20;

/** A picture's bytes, the path of the file that holds them, or a function that reads them. */
export type PictureSource = Buffer | string | (() => Promise<Buffer>);

/** A picture whose outside has been checked. Nothing of its inside has been decoded yet. */
export interface OpenedPicture {
  bytes: Buffer;
  format: PictureFormat;
  /** In pixels, upright: after the turn that EXIF asks for. */
  width: number;
  height: number;
  structure: PictureStructure;
}

/**
 * Reads what a picture is by its content and refuses what must not be decoded.
 * @param formats - those taken here
 * @throws PictureProblem UNSUPPORTED_TYPE, UNREADABLE, TOO_MANY_PIXELS or ANIMATED, with the bare fact as message
 */
export async function openPicture(
  source: PictureSource,
  formats: readonly PictureFormat[],
): Promise<OpenedPicture> {
  const bytes = await bytesOf(source);
  if (bytes.length === 0) throw new PictureProblem('UNREADABLE', 'The file is empty.');
  const { format, label } = guessFormat(bytes);
  if (format === null || !formats.includes(format)) {
    throw new PictureProblem('UNSUPPORTED_TYPE', `The file is ${label}.`);
  }
  const structure = await readStructure(bytes, format);
  if (structure.frames > 1) {
    throw new PictureProblem('ANIMATED', `The picture is an animation of ${structure.frames} frames.`);
  }
  const header = await readHeader(bytes);
  refuseTooLarge(header);
  const { width, height } = header.autoOrient;
  return { bytes, format, width, height, structure };
}

async function bytesOf(source: PictureSource): Promise<Buffer> {
  if (typeof source === 'string') return readFile(source);
  return typeof source === 'function' ? source() : source;
}

function refuseTooLarge({ width, height, isProgressive }: Metadata): void {
  const most = isProgressive ? maxPixelsInPasses : maxPixels;
  if (width * height <= most) return;
  const given = `${width}×${height} pixels, ${Math.round((width * height) / 1e5) / 10} million`;
  const kind = isProgressive ? ' for a progressive or interlaced picture' : '';
  throw new PictureProblem(
    'TOO_MANY_PIXELS',
    `The picture has ${given}; the most is ${most / 1e6} million${kind}.`,
  );
}

async function readHeader(bytes: Buffer): Promise<Metadata> {
  try {
    return await sharp(bytes, { failOn: 'none', limitInputPixels: false }).metadata();
  } catch (error) {
    throw damaged(error);
  }
}

/** Warnings that lose no pixel. Samsung's cameras write the first into every photo; libvips repeats libjpeg's words. */
const harmlessWarnings = /Invalid SOS parameters|unknown JFIF revision|Unknown Adobe color transform/;

/**
 * Decodes a picture, upright, and lets `work` make something of it. Damage is refused: for JPEG already libjpeg's
 * warnings count, since with sharp's `error` level a photo that was cut in half and closed again would pass as half
 * grey. PNG is guarded by its checksums, and libpng warns of trifles.
 * @param work - called a second time if the first met a harmless warning only
 * @throws PictureProblem UNREADABLE
 */
export async function decode<T>(
  picture: OpenedPicture,
  timeLimitSeconds: number,
  work: (decoder: Sharp) => Promise<T>,
): Promise<T> {
  const started = performance.now();
  const attempt = (failOn: FailOnOptions): Promise<T> =>
    work(
      sharp(picture.bytes, { failOn, limitInputPixels: maxPixels, autoOrient: true }).timeout({
        seconds: timeLimitSeconds,
      }),
    );
  try {
    return await attempt(picture.format === 'jpeg' ? 'warning' : 'error').catch((error: unknown) => {
      if (!harmlessWarnings.test(String(error))) throw error;
      return attempt('error');
    });
  } catch (error) {
    // A decoder that is stopped does not always say that it was.
    const isLate = performance.now() - started >= timeLimitSeconds * 1000;
    throw isLate
      ? new PictureProblem('UNREADABLE', 'The picture takes too long to decode.', error)
      : damaged(error);
  }
}

function damaged(error: unknown): PictureProblem {
  return new PictureProblem('UNREADABLE', 'The picture is damaged or was cut off.', error);
}
