import sharp, { type Sharp } from 'sharp';

// Taken out once: looked up a million times in a row, a global costs more than the sum that it is asked for.
const { ceil, floor, hypot, imul, max, min, round, sqrt } = Math;

/** A square of RGB pixels, three bytes each. */
export interface Frame {
  readonly pixels: Uint8Array;
  readonly size: number;
}

/** A colour, 0 to 255 each. */
export type Colour = readonly [red: number, green: number, blue: number];

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Hue in degrees, saturation and lightness from 0 to 1. */
export function colourOf(hue: number, saturation: number, lightness: number): Colour {
  const channel = (offset: number): number => {
    const k = (offset + hue / 30 + 120) % 12;
    return 255 * (lightness - saturation * min(lightness, 1 - lightness) * max(-1, min(k - 3, 9 - k, 1)));
  };
  return [channel(0), channel(8), channel(4)];
}

/** A frame as input for sharp. */
export function toSharp({ pixels, size }: Frame): Sharp {
  return sharp(pixels, { raw: { width: size, height: size, channels: 3 } });
}

/** Runs a frame through sharp; the size must stay. */
export async function through(frame: Frame, change: (image: Sharp) => Sharp): Promise<Frame> {
  return readFrame(change(toSharp(frame)), frame.size);
}

/** Reads a picture as a frame of its own size. */
export async function readFrame(image: Sharp, size: number): Promise<Frame> {
  const pixels = await image.removeAlpha().toColourspace('srgb').raw().toBuffer();
  return { pixels, size };
}

/**
 * Small detail removed, edges kept. Done at half the size: there it costs a quarter, and a painter's hand does not see
 * the difference.
 */
export async function softened(frame: Frame, width: number): Promise<Frame> {
  const half = round(frame.size / 2);
  const small = await readFrame(toSharp(frame).resize(half, half, { kernel: 'linear' }).median(width), half);
  return readFrame(toSharp(small).resize(frame.size, frame.size, { kernel: 'cubic' }), frame.size);
}

/** The brightness of {@link softened}, at a third of its cost. */
export async function softLuma(frame: Frame, width: number): Promise<Float32Array> {
  const { size } = frame;
  const half = round(size / 2);
  const small = await toSharp(frame)
    .greyscale()
    .resize(half, half, { kernel: 'linear' })
    .median(width)
    .toColourspace('b-w')
    .raw()
    .toBuffer();
  return readLuma(
    sharp(small, { raw: { width: half, height: half, channels: 1 } }).resize(size, size, { kernel: 'cubic' }),
  );
}

/** Runs a field of brightness through sharp; the size must stay. */
export async function lumaThrough(
  luma: Float32Array,
  size: number,
  change: (image: Sharp) => Sharp,
): Promise<Float32Array> {
  const bytes = Uint8ClampedArray.from(luma);
  return readLuma(change(sharp(bytes, { raw: { width: size, height: size, channels: 1 } })));
}

async function readLuma(image: Sharp): Promise<Float32Array> {
  return Float32Array.from(await image.toColourspace('b-w').raw().toBuffer());
}

/** The photo with its tones spread from black to white, and its colours stronger or weaker by a factor. */
export function tuned(frame: Frame, saturation: number): Frame {
  const luma = lumaOf(frame);
  const [low, high] = reach(luma);
  const gain = 255 / (high - low);
  return painted(frame.size, (out, i) => {
    const grey = luma[i]!;
    const lifted = (grey - low) * gain;
    for (let p = 3 * i; p < 3 * i + 3; p++) out[p] = lifted + (frame.pixels[p]! - grey) * saturation;
  });
}

/** Brightness of each pixel, 0 to 255 (Rec. 601). */
export function lumaOf({ pixels, size }: Frame): Float32Array {
  const luma = new Float32Array(size * size);
  for (let i = 0, p = 0; i < luma.length; i++, p += 3) {
    luma[i] = 0.299 * pixels[p]! + 0.587 * pixels[p + 1]! + 0.114 * pixels[p + 2]!;
  }
  return luma;
}

/** Steepness of each pixel's surroundings (Sobel), 0 at the rim. */
export function edgesOf(luma: Float32Array, size: number): Float32Array {
  const edges = new Float32Array(size * size);
  for (let y = 1; y < size - 1; y++) {
    for (let i = y * size + 1; i < y * size + size - 1; i++) {
      const nw = luma[i - size - 1]!;
      const ne = luma[i - size + 1]!;
      const sw = luma[i + size - 1]!;
      const se = luma[i + size + 1]!;
      const across = ne + 2 * luma[i + 1]! + se - nw - 2 * luma[i - 1]! - sw;
      const down = sw + 2 * luma[i + size]! + se - nw - 2 * luma[i - size]! - ne;
      edges[i] = sqrt(across * across + down * down);
    }
  }
  return edges;
}

/** Brightness spread from 0 to 255, so that a dull photo has the same tones as another. */
export function stretched(luma: Float32Array): Float32Array {
  const [low, high] = reach(luma);
  return luma.map((value) => min(255, max(0, ((value - low) * 255) / (high - low))));
}

/** Brightness from 0 to 1, half by its value and half by its rank, so that a picture without contrast gets some. */
export function evened(luma: Float32Array): Float32Array {
  const ranks = new Float32Array(256);
  const counts = countsOf(luma);
  counts.reduce((seen, count, level) => {
    ranks[level] = (seen + count / 2) / luma.length;
    return seen + count;
  }, 0);
  return stretched(luma).map((value, i) => (value / 255 + ranks[levelOf(luma[i]!)]!) / 2);
}

/** Where the darkest and the brightest hundredth of a field end. */
function reach(luma: Float32Array): [low: number, high: number] {
  const counts = countsOf(luma);
  const low = levelAt(counts, luma.length * 0.01);
  return [low, max(low + 32, levelAt(counts, luma.length * 0.99))];
}

function countsOf(luma: Float32Array): Uint32Array {
  const counts = new Uint32Array(256);
  for (const value of luma) counts[levelOf(value)]! += 1;
  return counts;
}

function levelOf(value: number): number {
  return min(255, max(0, value | 0));
}

function levelAt(counts: Uint32Array, wanted: number): number {
  let seen = 0;
  return counts.findIndex((count) => (seen += count) >= wanted);
}

/** Soft noise from 0 to 1, with blots of about `cell` pixels. */
export function cloud(size: number, cell: number, random: () => number): Float32Array {
  const side = ceil(size / cell) + 2;
  const lattice = Float32Array.from({ length: side * side }, random);
  const steps = Float32Array.from({ length: size }, (_, x) => smooth((x / cell) % 1));
  const field = new Float32Array(size * size);
  for (let y = 0, i = 0; y < size; y++) {
    const row = floor(y / cell) * side;
    const v = steps[y]!;
    for (let x = 0; x < size; x++, i++) {
      const at = row + floor(x / cell);
      const u = steps[x]!;
      const top = lattice[at]! + (lattice[at + 1]! - lattice[at]!) * u;
      const bottom = lattice[at + side]! + (lattice[at + side + 1]! - lattice[at + side]!) * u;
      field[i] = top + (bottom - top) * v;
    }
  }
  return field;
}

/** From 0 in the middle, where the face is, over 1 on an oval around it to more outside. */
export function distances(size: number): Float32Array {
  const known = ovals.get(size);
  if (known) return known;
  const field = new Float32Array(size * size);
  for (let i = 0; i < field.length; i++) {
    const x = i % size;
    const y = (i - x) / size;
    field[i] = hypot((x / size - 0.5) / 0.4, (y / size - 0.47) / 0.48);
  }
  ovals.set(size, field);
  return field;
}

/** Two or three sizes are ever asked for. */
const ovals = new Map<number, Float32Array>();

/** 0 below `from`, 1 above `to`, smooth between. */
export function ramp(value: number, from: number, to: number): number {
  return smooth(min(1, max(0, (value - from) / (to - from))));
}

/** Makes a frame pixel by pixel: `paint` writes the colour of pixel `i`, whose bytes begin at `3 * i`. */
export function painted(size: number, paint: (out: Uint8ClampedArray, i: number) => void): Frame {
  const pixels = new Uint8ClampedArray(size * size * 3);
  for (let i = 0; i < size * size; i++) paint(pixels, i);
  return { pixels: new Uint8Array(pixels.buffer), size };
}

function smooth(t: number): number {
  return t * t * (3 - 2 * t);
}
