import { encode } from 'blurhash';
import sharp from 'sharp';
import {
  decode,
  defaultTimeLimitSeconds,
  openPicture,
  type OpenedPicture,
  type PictureSource,
} from './decoding';
import type { PictureFormat } from './format';

/** The longer side of a preview, in pixels. */
const previewSide = 256;

/** A picture from the upstream that was decoded whole. */
export interface VerifiedResult {
  /** Upright, in pixels. */
  width: number;
  height: number;
  /** By content, whatever the upstream called it. */
  contentType: `image/${PictureFormat}`;
  /** A blur hash of 4×3 components (https://blurha.sh). */
  placeholder: string;
  /** A JPEG of at most 256×256 pixels. */
  preview: Buffer;
  /**
   * What is to be stored in place of the file, if that held anything besides the picture: metadata, a profile,
   * unknown parts, bytes before or after. Null if the file can be stored as it came.
   */
  clean: Buffer | null;
}

/**
 * Checks that a result is a JPEG, PNG or WebP of one frame and at most 50 million pixels, by decoding all of it.
 * @throws PictureProblem with the bare fact as message; what to do about it depends on where the result came from
 */
export async function verifyResult(
  source: PictureSource,
  timeLimitSeconds = defaultTimeLimitSeconds,
): Promise<VerifiedResult> {
  const picture = await openPicture(source, ['jpeg', 'png', 'webp']);
  const preview = await decode(picture, timeLimitSeconds, (decoder) =>
    decoder
      .resize(previewSide, previewSide, { fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#fff' })
      .jpeg({ quality: 80 })
      .toBuffer(),
  );
  return {
    width: picture.width,
    height: picture.height,
    contentType: `image/${picture.format}`,
    placeholder: await blurHash(preview),
    preview,
    clean: picture.structure.bare ? null : await reencode(picture, timeLimitSeconds),
  };
}

/** The same pixels in the same format, upright and in sRGB, without loss where the format was without. */
function reencode(picture: OpenedPicture, timeLimitSeconds: number): Promise<Buffer> {
  return decode(picture, timeLimitSeconds, (decoder) => {
    switch (picture.format) {
      case 'jpeg':
        return decoder.jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer();
      case 'png':
        return decoder.png().toBuffer();
      case 'webp':
        return decoder.webp({ quality: 95, lossless: picture.structure.lossless }).toBuffer();
    }
  });
}

async function blurHash(preview: Buffer): Promise<string> {
  const { data, info } = await sharp(preview)
    .resize(32, 32, { fit: 'inside' })
    .toColourspace('srgb')
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return encode(new Uint8ClampedArray(data), info.width, info.height, 4, 3);
}
