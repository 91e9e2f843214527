import sharp, { type Sharp } from 'sharp';
import { chooseSquare, type RawPicture } from './crop';
import {
  decode,
  defaultTimeLimitSeconds,
  openPicture,
  type OpenedPicture,
  type PictureSource,
} from './decoding';
import { PictureProblem, type PictureProblemCode } from './image-problem';

/** The side of a prepared photo in pixels, as recommended by Picsart's guide. */
const photoSide = 512;

/** Minimum length of the shorter side of a photo, in pixels; smaller photos have too little detail of a face. */
const minPhotoSide = 256;

/** A photo as it is stored and sent to the upstream. */
export interface PreparedPhoto {
  /** Contains only pixels: no EXIF, GPS, XMP, IPTC, comment, profile or thumbnail. */
  jpeg: Buffer;
  /** Dimensions of the original, upright, in pixels. */
  sourceWidth: number;
  sourceHeight: number;
  width: number;
  height: number;
}

/** The advice for each problem. */
const cures: Readonly<Record<PictureProblemCode, string>> = {
  UNSUPPORTED_TYPE: 'Send the photo as JPEG or PNG.',
  UNREADABLE: 'Send the original file again, or save the photo as a new JPEG.',
  TOO_SMALL: `Send one whose shorter side has at least ${minPhotoSide} pixels.`,
  TOO_MANY_PIXELS: 'Send a smaller copy.',
  ANIMATED: 'Send a single picture.',
};

/**
 * Converts a client's file to a 512×512 JPEG around the photo's subject, or rejects it. The type is determined from
 * the content. All pixels are decoded, rotated upright, converted to 8-bit sRGB (from CMYK, 16 bits or any embedded
 * profile), flattened on white, cropped and re-encoded.
 *
 * Trailing bytes are accepted and dropped: phones append gain maps, depth maps and short videos to photos, and a
 * re-encoded picture cannot contain an archive or a script.
 * @throws PictureProblem whose message states the problem and what to do
 */
export async function preparePhoto(
  source: PictureSource,
  timeLimitSeconds = defaultTimeLimitSeconds,
): Promise<PreparedPhoto> {
  try {
    const photo = await openPicture(source, ['jpeg', 'png']);
    if (Math.min(photo.width, photo.height) < minPhotoSide) {
      throw new PictureProblem('TOO_SMALL', `The picture has ${photo.width}×${photo.height} pixels.`);
    }
    const scaled = await decode(photo, timeLimitSeconds, (decoder) => scale(decoder, photo));
    const jpeg = await cut(scaled);
    return {
      jpeg,
      sourceWidth: photo.width,
      sourceHeight: photo.height,
      width: photoSide,
      height: photoSide,
    };
  } catch (error) {
    if (!(error instanceof PictureProblem)) throw error;
    throw new PictureProblem(error.code, `${error.message} ${cures[error.code]}`, error.cause);
  }
}

/** Limits the longer side to three times the shorter, so that a strip of 50 megapixels stays small. */
function scale(decoder: Sharp, { width, height }: OpenedPicture): Promise<RawPicture> {
  const factor = photoSide / Math.min(width, height);
  const bounded = (length: number): number => Math.min(Math.round(length * factor), photoSide * 3);
  return decoder
    .flatten({ background: '#fff' })
    .resize(bounded(width), bounded(height), { fit: 'cover', position: 'top' })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true }) as Promise<RawPicture>;
}

async function cut(picture: RawPicture): Promise<Buffer> {
  const { left, top, side } = await chooseSquare(picture);
  return sharp(picture.data, { raw: picture.info })
    .extract({ left, top, width: side, height: side })
    .jpeg({ quality: 90, chromaSubsampling: '4:4:4' })
    .toBuffer();
}
