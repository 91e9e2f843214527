import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { letter } from './lettering';
import {
  anime,
  type Look,
  type Mood,
  neon,
  noir,
  pixel,
  popArt,
  realistic,
  sketch,
  watercolor,
} from './looks';
import { motif } from './motifs';
import { type Frame, randomOf, readFrame, toSharp } from './pixels';

/** Every style that the sandbox knows, by the id that is asked for. */
export const looks: ReadonlyMap<string, Look> = new Map([
  ['realistic', realistic],
  ['anime', anime],
  ['watercolor', watercolor],
  ['noir', noir],
  ['pop-art', popArt],
  ['pixel', pixel],
  ['sketch', sketch],
  ['neon', neon],
]);

/** One picture to be made. */
export interface PictureSpec {
  /** A square picture that sharp can read. */
  readonly source: Buffer;
  /** One of {@link looks}. */
  readonly style: string;
  readonly prompt: string;
  /** Tells pictures of one prompt apart. */
  readonly variant: number;
  /** Pixels of a side, 512 or more. */
  readonly size: number;
}

/** Looks are painted no larger than this and enlarged; their cost grows with the square. */
const maxPaintedSize = 1_024;

/** Makes the JPEG. The same order makes the same picture. */
export async function makePicture(spec: PictureSpec): Promise<Buffer> {
  const look = looks.get(spec.style);
  if (!look) throw new Error(`There is no look called ${spec.style}.`);
  const mood = moodOf(spec.prompt, spec.variant);
  const side = Math.min(spec.size, maxPaintedSize);
  const painted = await look(await compose(spec, mood, side), mood);
  const kernel = spec.style === 'pixel' ? 'nearest' : 'cubic';
  return toSharp(painted)
    .resize(spec.size, spec.size, { kernel })
    .composite(overlays(spec, mood))
    .jpeg({ quality: 88 })
    .toBuffer();
}

/** A colour named in the prompt decides; otherwise the words are thrown like dice. */
const namedHues: ReadonlyMap<string, number> = new Map([
  ['red', 2],
  ['orange', 28],
  ['gold', 45],
  ['golden', 45],
  ['yellow', 54],
  ['green', 130],
  ['turquoise', 175],
  ['blue', 218],
  ['purple', 275],
  ['violet', 275],
  ['pink', 330],
]);

function moodOf(prompt: string, variant: number): Mood {
  const words = prompt.toLowerCase();
  const dice = randomOf(createHash('sha256').update(words).digest().readUInt32LE(0));
  const named = (words.match(/[a-z]+/g) ?? [])
    .map((word) => namedHues.get(word))
    .find((hue) => hue !== undefined);
  const hue = named ?? Math.floor(dice() * 360);
  const accent = (hue + 120 + Math.floor(dice() * 120)) % 360;
  return { hue, accent, random: randomOf(Math.floor(dice() * 2 ** 32) + variant * 7_919) };
}

/** The photo as this picture sees it: nearer or farther, a little aside, perhaps mirrored. */
async function compose({ source, variant }: PictureSpec, { random }: Mood, side: number): Promise<Frame> {
  const whole = Math.round(side * (1.02 + random() * 0.16));
  const spare = whole - side;
  const window = {
    left: Math.round(spare * random()),
    top: Math.round(spare * random() * 0.6),
    width: side,
    height: side,
  };
  const image = sharp(source).resize(whole, whole, { fit: 'cover' }).extract(window);
  return readFrame(variant % 2 === 1 ? image.flop() : image, side);
}

/** The motif around the face, the caption, and the banner that says what this is. */
function overlays({ prompt, style, size }: PictureSpec, mood: Mood): sharp.OverlayOptions[] {
  const k = size / 512;
  const banner = {
    input: Buffer.from(bannerSvg(size, k, prompt, style)),
    top: size - Math.round(62 * k),
    left: 0,
  };
  const frame = motif(style, mood);
  return frame === '' ? [banner] : [{ input: Buffer.from(wrap(size, size, frame)), top: 0, left: 0 }, banner];
}

function bannerSvg(size: number, k: number, prompt: string, style: string): string {
  const height = Math.round(62 * k);
  const caption = letter(prompt === '' ? style : `${style} · ${prompt}`, 16, 13, 1.9, 480);
  const words = letter('SANDBOX · no AI', 16, 38, 1.9, 480);
  const strokes = 'fill="none" stroke-linecap="round" stroke-linejoin="round"';
  return wrap(
    size,
    height,
    `<rect width="512" height="62" fill="#0b0d12" fill-opacity=".72"/>
     <path d="${caption.path}" ${strokes} stroke="#fff" stroke-width="1.9"/>
     <path d="${words.path}" ${strokes} stroke="#ffd166" stroke-width="2.3"/>`,
  );
}

/** Drawn in units of a 512th of the picture. */
function wrap(width: number, height: number, content: string): string {
  const units = (512 * height) / width;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 512 ${units}">${content}</svg>`;
}
