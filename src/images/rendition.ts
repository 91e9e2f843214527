import type { Sharp } from 'sharp';
import { aiMark } from './ai-mark';
import { decode, defaultTimeLimitSeconds, openPicture, type PictureSource } from './decoding';

/** The formats of renditions. */
export type RenditionFormat = 'jpeg' | 'webp' | 'avif';

/** What to make of a picture. */
export interface RenditionSpec {
  /** The maximum width and height in pixels. Smaller pictures are not enlarged. */
  readonly maxSide: number;
  readonly format: RenditionFormat;
}

/**
 * Scales and converts a stored picture to 8-bit sRGB. JPEG is flattened on white; WebP and AVIF keep transparency. The
 * file contains the pixels and {@link aiMark}, and nothing else.
 * @throws PictureProblem
 */
export async function renderPicture(
  source: PictureSource,
  { maxSide, format }: RenditionSpec,
  timeLimitSeconds = defaultTimeLimitSeconds,
): Promise<Buffer> {
  const picture = await openPicture(source, ['jpeg', 'png', 'webp']);
  return decode(picture, timeLimitSeconds, (decoder) => {
    const scaled = decoder
      .resize(maxSide, maxSide, { fit: 'inside', withoutEnlargement: true })
      .withXmp(aiMark);
    return encodings[format](scaled).toBuffer();
  });
}

/** The time of a rendition by its pixels, relative to JPEG. Measured with 4096×4096 and 1024×1024 pixels. */
const costs: Readonly<Record<RenditionFormat, number>> = { jpeg: 1, webp: 8, avif: 16 };

/** How long a rendition of a picture that is not smaller takes, relative to a JPEG of at most 512×512 pixels. */
export function renditionCost({ maxSide, format }: RenditionSpec): number {
  return Math.max(1, (maxSide / 512) ** 2 * costs[format]);
}

/** AVIF's effort 2 takes two thirds of the time of sharp's default 4, for files that are about 5 % larger. */
const encodings: Readonly<Record<RenditionFormat, (picture: Sharp) => Sharp>> = {
  jpeg: (picture) => picture.flatten({ background: '#fff' }).jpeg({ quality: 85 }),
  webp: (picture) => picture.webp({ quality: 82 }),
  avif: (picture) => picture.avif({ quality: 60, effort: 2 }),
};
