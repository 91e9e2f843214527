import { encode } from 'blurhash';
import sharp from 'sharp';
import { aiMark } from './ai-mark';
import {
  decode,
  defaultTimeLimitSeconds,
  openPicture,
  type OpenedPicture,
  type PictureSource,
} from './decoding';
import type { PictureFormat } from './picture-file';
import { thumbHashOf } from './thumbhash';

/** Maximum size of a preview, in pixels. */
const previewSide = 256;

/** A fully decoded picture from the upstream. */
export interface VerifiedResult {
  /** Dimensions, upright, in pixels. */
  width: number;
  height: number;
  /** Determined from the content, not from the upstream's Content-Type. */
  contentType: `image/${PictureFormat}`;
  /** A blur hash of 4×3 components (https://blurha.sh). */
  placeholder: string;
  /** A ThumbHash in base64. */
  thumbhash: string;
  /** Whether the bytes to store contain a C2PA manifest. */
  hasContentCredentials: boolean;
  /** A JPEG of at most 256×256 pixels, with the AI mark. */
  preview: Buffer;
  /**
   * The bytes to store instead of the file if it contains more than the picture and a harmless C2PA manifest
   * (metadata, a profile, unknown parts, leading or trailing bytes). Null if the file can be stored unchanged.
   */
  clean: Buffer | null;
}

const resultFormats = ['jpeg', 'png', 'webp'] as const;
type ResultFormat = (typeof resultFormats)[number];

/**
 * Checks that a result is a JPEG, PNG or WebP with one frame and at most 50 million pixels, by decoding all of it.
 * @throws PictureProblem with the problem as its message, without advice, which depends on the origin of the
 * picture
 */
export async function verifyResult(
  source: PictureSource,
  timeLimitSeconds = defaultTimeLimitSeconds,
): Promise<VerifiedResult> {
  const picture = await openPicture(source, resultFormats);
  const preview = await decode(picture, timeLimitSeconds, (decoder) =>
    decoder
      .resize(previewSide, previewSide, { fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#fff' })
      .withXmp(aiMark)
      .jpeg({ quality: 80 })
      .toBuffer(),
  );
  return {
    width: picture.width,
    height: picture.height,
    contentType: `image/${picture.format}`,
    ...(await placeholdersOf(preview)),
    preview,
    hasContentCredentials: picture.structure.bare && picture.structure.hasManifest,
    clean: picture.structure.bare ? null : await reencode(picture, timeLimitSeconds),
  };
}

/** Re-encodes the picture in the same format, upright and in sRGB, losslessly if it was lossless. */
function reencode(picture: OpenedPicture<ResultFormat>, timeLimitSeconds: number): Promise<Buffer> {
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

async function placeholdersOf(preview: Buffer): Promise<Pick<VerifiedResult, 'placeholder' | 'thumbhash'>> {
  const { data, info } = await sharp(preview)
    .resize(32, 32, { fit: 'inside' })
    .toColourspace('srgb')
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  return {
    placeholder: encode(new Uint8ClampedArray(data), width, height, 4, 3),
    thumbhash: thumbHashOf({ data, width, height }),
  };
}
