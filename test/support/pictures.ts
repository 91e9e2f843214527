import sharp, { type Sharp } from 'sharp';

/** A small pseudo-random number generator (mulberry32): the same seed always creates the same picture. */
function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How a face is drawn; all lengths in pixels. */
interface FaceOptions {
  width?: number;
  height?: number;
  /** The centre of the face as fractions of width and height. */
  at?: { x: number; y: number };
  /** The colour of the background. @defaultValue a pale one, different for each seed */
  background?: string;
}

/** A drawn face, different for each seed, for tests that need a photo without committing one. */
export function face(seed: number, { width = 800, height = 600, at, background }: FaceOptions = {}): Sharp {
  const random = numbersFrom(seed);
  const between = (low: number, high: number): number => low + random() * (high - low);
  const size = Math.min(width, height) / 600;
  const { x: left, y: top } = at ?? { x: between(0.4, 0.6), y: between(0.45, 0.55) };
  const [x, y] = [width * left, height * top];
  const hair = `hsl(${between(0, 50)}, 50%, ${between(10, 35)}%)`;
  const skin = `hsl(${between(18, 32)}, ${between(40, 60)}%, ${between(45, 75)}%)`;
  const wall = background ?? `hsl(${between(180, 260)}, 20%, ${between(60, 85)}%)`;
  const shirt = `hsl(${between(0, 360)}, 45%, 40%)`;
  const eye = (side: number): string =>
    `<ellipse cx="${side * 45}" cy="-25" rx="20" ry="12" fill="#fff"/><circle cx="${side * 45}" cy="-25" r="9" fill="#321"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <rect width="100%" height="100%" fill="${wall}"/>
    <g transform="translate(${x} ${y}) scale(${size})">
      <ellipse cx="0" cy="330" rx="230" ry="180" fill="${shirt}"/>
      <rect x="-45" y="100" width="90" height="110" fill="${skin}"/>
      <ellipse cx="0" cy="-45" rx="135" ry="150" fill="${hair}"/>
      <ellipse cx="0" cy="0" rx="110" ry="145" fill="${skin}"/>
      ${eye(-1)}${eye(1)}
      <path d="M 0 -10 l -14 48 h 24" stroke="#8a5a3c" stroke-width="5" fill="none"/>
      <path d="M -40 ${75 + between(-5, 5)} q 40 ${between(10, 40)} 80 0" stroke="#a03c3c" stroke-width="9" fill="none"/>
    </g>
  </svg>`;
  return sharp(Buffer.from(svg)).flatten();
}

/** A drawn face as JPEG, 800×600 by default. */
export function facePhoto(seed = 1, options: FaceOptions = {}): Promise<Buffer> {
  return face(seed, options).jpeg({ quality: 90 }).toBuffer();
}
