import {
  cloud,
  type Colour,
  colourOf,
  distances,
  edgesOf,
  evened,
  type Frame,
  lumaOf,
  lumaThrough,
  painted,
  ramp,
  readFrame,
  softened,
  softLuma,
  stretched,
  through,
  toSharp,
  tuned,
} from './pixels';

// Taken out once: looked up a million times in a row, a global costs more than the sum that it is asked for.
const { abs, floor, max, min, round, sqrt } = Math;

/** What a prompt lends to a look: the same words give the same mood. */
export interface Mood {
  /** In degrees. */
  readonly hue: number;
  /** The hue's partner. */
  readonly accent: number;
  readonly random: () => number;
}

/** Turns a photo into a picture of one style. Sizes in it are relative to the frame's. */
export type Look = (photo: Frame, mood: Mood) => Promise<Frame>;

/** Lifts the colours, sharpens, and lights the background. */
export const realistic: Look = async (photo, { hue }) => {
  const lit = await through(tuned(photo, 1.15), (image) => image.sharpen());
  return backdrop(lit, colourOf(hue, 0.42, 0.3), 0.7);
};

/** Flat bands of strong colour inside inked outlines. */
export const anime: Look = async (photo, { hue }) => {
  const { size } = photo;
  const flat = tuned(await softened(photo, 3), 1.5);
  const luma = lumaOf(flat);
  const edges = edgesOf(luma, size);
  const ink = colourOf(hue, 0.5, 0.12);
  const around = distances(size);
  const sky = colourOf(hue, 0.75, 0.72);
  return painted(size, (out, i) => {
    const level = luma[i]! / 46;
    const band = (floor(level) + ramp(level % 1, 0.35, 0.65)) * 44 + 20;
    const gain = min(1.6, band / max(12, luma[i]!));
    const line = ramp(edges[i]!, 60, 150);
    const far = ramp(around[i]!, 0.95, 1.5) * 0.75;
    for (let c = 0; c < 3; c++) {
      const tone = flat.pixels[3 * i + c]! * gain;
      const coloured = tone + (sky[c]! - tone) * far;
      out[3 * i + c] = coloured + (ink[c]! - coloured) * line;
    }
  });
};

/** Wet edges, pigment in the paper's grain, and corners that the brush did not reach. */
export const watercolor: Look = async (photo, { hue, random }) => {
  const { size } = photo;
  const k = size / 512;
  const wash = tuned(await softened(photo, 5), 1.45);
  const drift = cloud(size, 22 * k, random);
  const grain = cloud(size, 2.5 * k, random);
  const blots = cloud(size, 60 * k, random);
  const edges = edgesOf(lumaOf(wash), size);
  const around = distances(size);
  const tint = colourOf(hue, 0.6, 0.78);
  const paper = [250, 247, 240] as const;
  return painted(size, (out, i) => {
    const x = i % size;
    const y = (i - x) / size;
    const fromX = clampTo(x + (drift[i]! - 0.5) * 16 * k, size);
    const fromY = clampTo(y + (blots[i]! - 0.5) * 16 * k, size);
    const from = fromY * size + fromX;
    const bare = ramp(around[i]! + (blots[i]! - 0.5) * 0.35 + (drift[i]! - 0.5) * 0.22, 1.16, 1.28);
    const pigment = (0.8 + blots[i]! * 0.2) * (1 - bare) * (0.93 + grain[i]! * 0.14);
    const wet = 1.06 - min(0.4, edges[from]! / 420) - 0.5 * bare;
    const wild = ramp(around[i]!, 0.8, 1.2) * 0.45;
    for (let c = 0; c < 3; c++) {
      const tone = wash.pixels[3 * from + c]!;
      out[3 * i + c] = paper[c]! * (1 - pigment * (1 - ((tone + (tint[c]! - tone) * wild) / 255) * wet));
    }
  });
};

/** Black and white, hard light through a blind, grain. */
export const noir: Look = async (photo, { random }) => {
  const { size } = photo;
  const luma = stretched(lumaOf(await through(photo, (image) => image.sharpen())));
  const around = distances(size);
  const slope = 0.18 + random() * 0.3;
  const pitch = size / (7 + floor(random() * 4));
  const phase = random() * pitch;
  return painted(size, (out, i) => {
    const x = i % size;
    const y = (i - x) / size;
    const slat = abs((((y + x * slope + phase) / pitch) % 1) - 0.5) * 2;
    const light = 0.5 + 0.62 * ramp(slat, 0.22, 0.42);
    const shade = 1 - 0.75 * ramp(around[i]!, 0.75, 1.55);
    const tone = 255 * ramp(luma[i]! / 255, 0.06, 0.92) * light * shade + (random() - 0.5) * 26;
    out[3 * i] = tone;
    out[3 * i + 1] = tone;
    out[3 * i + 2] = tone * 0.97;
  });
};

/** Four flat inks and a screen of dots. */
export const popArt: Look = async (photo, { hue, accent }) => {
  const { size } = photo;
  const luma = await softLuma(photo, 3);
  const tones = evened(luma);
  const edges = edgesOf(stretched(luma), size);
  const inks = [inkOf(accent, 34), inkOf(hue, 112), inkOf(hue + 35, 176), inkOf(accent + 20, 234)] as const;
  const dot = size / 64;
  return painted(size, (out, i) => {
    const x = i % size;
    const y = (i - x) / size;
    const u = ((x + y) / dot / 1.4142) % 1;
    const v = ((x - y + size) / dot / 1.4142) % 1;
    const screen = sqrt((u - 0.5) ** 2 + (v - 0.5) ** 2) / 0.7071;
    const level = tones[i]! * 3 + (0.5 - screen) * 0.5;
    const ink = edges[i]! > 240 ? inks[0] : inks[max(0, min(3, round(level))) as 0 | 1 | 2 | 3];
    for (let c = 0; c < 3; c++) out[3 * i + c] = ink[c]!;
  });
};

/** Sixty-four cells a side and few colours, as on a console of long ago. */
export const pixel: Look = async (photo, { hue }) => {
  const { size } = photo;
  const cells = 64;
  const small = tuned(await readFrame(toSharp(photo).resize(cells, cells).sharpen(), cells), 1.6);
  const around = distances(cells);
  const far = colourOf(hue, 0.65, 0.4);
  const cell = size / cells;
  const palette = painted(cells, (out, i) => {
    const x = i % cells;
    const y = (i - x) / cells;
    const dither = (bayer[(y & 3) * 4 + (x & 3)]! / 16 - 0.47) * 22;
    const away = ramp(around[i]!, 1, 1.35) * 0.8;
    for (let c = 0; c < 3; c++) {
      const tone = small.pixels[3 * i + c]!;
      out[3 * i + c] = round((tone + (far[c]! - tone) * away + dither) / 42.5) * 42.5;
    }
  });
  return painted(size, (out, i) => {
    const x = i % size;
    const from = floor((i - x) / size / cell) * cells + floor(x / cell);
    for (let c = 0; c < 3; c++) out[3 * i + c] = palette.pixels[3 * from + c]!;
  });
};

/** Pencil on toned paper: the photo divided by its own blur, hatched where it is dark. */
export const sketch: Look = async (photo, { hue, random }) => {
  const { size } = photo;
  const k = size / 512;
  const luma = stretched(lumaOf(photo));
  const soft = await lumaThrough(luma, size, (image) => image.blur(7 * k));
  const grain = cloud(size, 1.6 * k, random);
  const paper = colourOf(hue, 0.25, 0.92);
  const lead = colourOf(hue, 0.3, 0.16);
  const around = distances(size);
  return painted(size, (out, i) => {
    const x = i % size;
    const y = (i - x) / size;
    const line = 1 - ramp(luma[i]! / (soft[i]! + 1), 0.7, 1);
    const wave = (((x + y * 0.9) / k + grain[i]! * 5) % 7) / 7;
    const hatch = ramp(0.62 - soft[i]! / 255, 0, 0.6) * ramp(abs(wave - 0.5), 0.12, 0.3);
    const edge = 1 - ramp(around[i]!, 1.05, 1.4);
    const depth = min(1, (line * 0.95 + hatch * 0.62) * (0.7 + grain[i]! * 0.5)) * edge;
    for (let c = 0; c < 3; c++) out[3 * i + c] = paper[c]! + (lead[c]! - paper[c]!) * depth;
  });
};

/** Outlines that glow in two colours on a dark street. */
export const neon: Look = async (photo, { hue, accent }) => {
  const { size } = photo;
  const k = size / 512;
  const luma = stretched(await softLuma(photo, 3));
  const edges = edgesOf(luma, size);
  const lines = edges.map((edge) => 255 * ramp(edge, 40, 210));
  const glow = await lumaThrough(lines, size, (image) => image.blur(5 * k));
  const around = distances(size);
  const cold = colourOf(hue, 0.95, 0.6);
  const warm = colourOf(accent, 0.95, 0.6);
  const night = colourOf(hue, 0.7, 0.07);
  const pitch = max(3, round(4 * k));
  return painted(size, (out, i) => {
    const x = i % size;
    const y = (i - x) / size;
    const side = ramp(x / size + (y / size - 0.5) * 0.3, 0.3, 0.7);
    const scan = y % pitch === 0 ? 0.82 : 1;
    const line = lines[i]! / 255;
    const shine = min(1, (glow[i]! / 255) * 1.6);
    const body = (luma[i]! / 255) ** 1.3 * (0.6 - 0.48 * ramp(around[i]!, 0.7, 1.3));
    for (let c = 0; c < 3; c++) {
      const lamp = cold[c]! + (warm[c]! - cold[c]!) * side;
      const lit = night[c]! + lamp * (body + shine * 0.7);
      out[3 * i + c] = (lit + (255 - lit) * line * 0.8) * scan;
    }
  });
};

const bayer = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5];

function backdrop(frame: Frame, colour: Colour, strength: number): Frame {
  const around = distances(frame.size);
  return painted(frame.size, (out, i) => {
    const far = ramp(around[i]!, 0.8, 1.5) * strength;
    for (let c = 0; c < 3; c++)
      out[3 * i + c] = frame.pixels[3 * i + c]! + (colour[c]! - frame.pixels[3 * i + c]!) * far;
  });
}

/** A strong colour of this hue that is as bright as is wanted, 0 to 255: blue must be lighter than yellow for that. */
function inkOf(hue: number, luma: number): Colour {
  let low = 0;
  let high = 1;
  for (let step = 0; step < 8; step++) {
    const middle = (low + high) / 2;
    const [red, green, blue] = colourOf(hue, 0.9, middle);
    if (0.299 * red + 0.587 * green + 0.114 * blue < luma) low = middle;
    else high = middle;
  }
  return colourOf(hue, 0.9, low);
}

function clampTo(value: number, size: number): number {
  return min(size - 1, max(0, round(value)));
}
