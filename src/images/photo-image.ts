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

/** The side of a prepared photo in pixels: what Picsart's guide recommends to send. */
const photoSide = 512;

/** The least that the shorter side of a photo must have, in pixels; less holds too little of a face to train from. */
const minPhotoSide = 256;

/** A photo as it is kept and sent upstream. */
export interface PreparedPhoto {
  /** Holds pixels and nothing else: no EXIF, GPS, XMP, IPTC, comment, profile or thumbnail. */
  jpeg: Buffer;
  /** Of the photo as it came, upright, in pixels. */
  sourceWidth: number;
  sourceHeight: number;
  width: number;
  height: number;
}

/** What the sender can do about each problem. */
const cures: Readonly<Record<PictureProblemCode, string>> = {
  UNSUPPORTED_TYPE: 'Send the photo as JPEG or PNG.',
  UNREADABLE: 'Send the original file again, or save the photo anew as JPEG.',
  TOO_SMALL: `Send one whose shorter side has at least ${minPhotoSide} pixels.`,
  TOO_MANY_PIXELS: 'Send a smaller copy.',
  ANIMATED: 'Send a single picture.',
};

/**
 * Makes of a stranger's file a 512×512 JPEG that shows the photo's subject, or refuses it. What the file is, is
 * decided by its content alone. All pixels are decoded, turned upright, converted to sRGB with 8 bits (from CMYK, 16
 * bits or any embedded profile), laid on white where they are transparent, cropped and encoded anew.
 *
 * Bytes after the picture's end are accepted and lost, whatever they are: phones append gain maps, depth maps and
 * short videos to every photo, and what is encoded anew cannot carry an archive or a script along.
 * @throws PictureProblem whose message says what is wrong and what to do
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

/** The longer side is kept up to three times the shorter, so that a strip of 50 megapixels stays small. */
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
