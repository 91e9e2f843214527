import { decode, isBlurhashValid } from 'blurhash';

/** Opaque pixels, four bytes each, by rows. */
export interface RgbaPixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  /** At most 100, as for {@link height}: more take time without a benefit. */
  readonly width: number;
  readonly height: number;
}

/** The coefficients of a channel: the constant, the others from 0 to 1, and the factor that scales them. */
interface Coefficients {
  readonly dc: number;
  readonly ac: readonly number[];
  readonly scale: number;
}

/**
 * The ThumbHash of a picture (https://evanw.github.io/thumbhash) in base64, as the reference implementation makes it of
 * opaque pixels. Why not the package: docs/adr/0029.
 */
export function thumbHashOf({ data, width, height }: RgbaPixels): string {
  // Multiplied as in the reference: a quotient differs in the last bit, which may change what is rounded.
  const unit = 1 / 255;
  const luminance: number[] = [];
  const yellowBlue: number[] = [];
  const redGreen: number[] = [];
  for (let at = 0; at < width * height * 4; at += 4) {
    const [red, green, blue] = [data[at]! * unit, data[at + 1]! * unit, data[at + 2]! * unit];
    luminance.push((red + green + blue) / 3);
    yellowBlue.push((red + green) / 2 - blue);
    redGreen.push(red - green);
  }
  const longer = Math.max(width, height);
  const columns = Math.max(1, Math.round((7 * width) / longer));
  const rows = Math.max(1, Math.round((7 * height) / longer));
  const size = { width, height };
  const l = transform(luminance, size, Math.max(3, columns), Math.max(3, rows));
  const p = transform(yellowBlue, size, 3, 3);
  const q = transform(redGreen, size, 3, 3);
  const isLandscape = width > height;
  const head =
    Math.round(63 * l.dc) |
    (Math.round(31.5 + 31.5 * p.dc) << 6) |
    (Math.round(31.5 + 31.5 * q.dc) << 12) |
    (Math.round(31 * l.scale) << 18);
  const tail =
    (isLandscape ? rows : columns) |
    (Math.round(63 * p.scale) << 3) |
    (Math.round(63 * q.scale) << 9) |
    (Number(isLandscape) << 15);
  const hash = [head & 255, (head >> 8) & 255, head >> 16, tail & 255, tail >> 8];
  const factors = [...l.ac, ...p.ac, ...q.ac].map((factor) => Math.round(15 * factor));
  for (let index = 0; index < factors.length; index += 2)
    hash.push(factors[index]! | ((factors[index + 1] ?? 0) << 4));
  return Buffer.from(hash).toString('base64');
}

/** The first coefficients of the discrete cosine transform of a channel, in a triangle. */
function transform(
  channel: readonly number[],
  { width, height }: { width: number; height: number },
  columns: number,
  rows: number,
): Coefficients {
  const found: number[] = [];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column * rows < columns * (rows - row); column += 1)
      found.push(coefficient(channel, { width, height }, column, row));
  }
  const [dc, ...ac] = found;
  const scale = Math.max(0, ...ac.map(Math.abs));
  return { dc: dc!, scale, ac: scale === 0 ? ac : ac.map((value) => 0.5 + (0.5 / scale) * value) };
}

function coefficient(
  channel: readonly number[],
  { width, height }: { width: number; height: number },
  column: number,
  row: number,
): number {
  const cosines = Array.from({ length: width }, (_, x) => Math.cos((Math.PI / width) * column * (x + 0.5)));
  let sum = 0;
  for (let y = 0; y < height; y += 1) {
    const factor = Math.cos((Math.PI / height) * row * (y + 0.5));
    for (let x = 0; x < width; x += 1) sum += channel[x + y * width]! * cosines[x]! * factor;
  }
  return sum / (width * height);
}

/** The longer side of a decoded blur hash, in pixels: enough for its components. */
const decodedSide = 16;

/** Grey, for a text that is not a blur hash. */
const greyPixel: RgbaPixels = { data: Uint8Array.of(128, 128, 128, 255), width: 1, height: 1 };

/**
 * An approximate ThumbHash of a picture of which only the blur hash is known; takes about 0.1 ms.
 * @param size - the size of the picture, for its proportions
 */
export function thumbHashOfBlurHash(blurHash: string, size: { width: number; height: number }): string {
  if (!isBlurhashValid(blurHash).result) return thumbHashOf(greyPixel);
  const scale = decodedSide / Math.max(size.width, size.height);
  const width = Math.max(1, Math.round(size.width * scale));
  const height = Math.max(1, Math.round(size.height * scale));
  return thumbHashOf({ data: decode(blurHash, width, height), width, height });
}
