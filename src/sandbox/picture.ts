import { createHash } from 'node:crypto';
import sharp, { type OverlayOptions, type Sharp } from 'sharp';

/** One picture to be made. */
export interface PictureSpec {
  /** A square picture that sharp can read. */
  readonly source: Buffer;
  /** A key of {@link styles}. */
  readonly style: string;
  readonly prompt: string;
  /** Distinguishes pictures of one prompt. */
  readonly variant: number;
  /** Pixels of a side, 512 or more. */
  readonly size: number;
}

/** A square picture in memory, which sharp accepts as an input and as an overlay. */
type Raster = Required<Pick<OverlayOptions, 'raw'>> & { readonly input: Buffer };

/** CSS colours derived from the prompt. The first one has the prompt's hue, 0 to 359 degrees. */
interface Palette {
  readonly main: string;
  readonly contrast: string;
  readonly hue: number;
}

/** Filters run at most at this size, and their result is enlarged: their cost grows with the square. */
const maxFilteredSize = 1_024;

type StyleFilter = (photo: Raster, palette: Palette) => Promise<Raster>;

const filters: Record<string, StyleFilter> = {
  realistic: (photo, { main }) =>
    render(open(photo).linear(1.15, -12).modulate({ saturation: 1.2 }), vignette(main, 0.55)),

  async anime(photo, { main }) {
    const flat = await render(smooth(photo, 5).linear(1.3, -20).modulate({ saturation: 1.6 }));
    const outlines = await render(open(await edges(photo, 6)).negate());
    const outlined = await render(open(flat).resize(photo.raw.width), { ...outlines, blend: 'multiply' });
    return render(open(outlined), vignette(main, 0.8));
  },

  watercolor: (photo, { main }) =>
    render(
      smooth(photo, 7).modulate({ saturation: 1.5, brightness: 1.1 }),
      vignette(main, 0.35),
      vignette('#fffaf0', 1),
    ),

  noir(photo, { hue }) {
    const slats = Array.from({ length: 16 }, (_, index) => `M0 ${index * 40 + (hue % 40)}h512v14h-512z`);
    const blind = `<path d="${slats.join('')}" transform="skewY(-12)" opacity=".5"/>`;
    return render(open(photo).greyscale().linear(1.5, -30), blind, vignette('#000', 0.9));
  },

  async 'pop-art'(photo, { main, contrast, hue }) {
    const inks = await render(smooth(photo, 3).linear(4, -340));
    const dot = `<circle cx="5" cy="5" r="3" fill="${contrast}" opacity=".3"/>`;
    const dots = `<pattern id="f" width="10" height="10" patternUnits="userSpaceOnUse">${dot}</pattern>${filled}`;
    return render(open(inks).modulate({ hue, saturation: 1.3 }), dots, vignette(main, 0.7));
  },

  async pixel(photo, { main }) {
    const cells = open(photo).resize(64).normalise().modulate({ saturation: 1.6 });
    const tinted = await render(cells, vignette(main, 0.8));
    return render(open(tinted).resize(photo.raw.width, null, { kernel: 'nearest' }));
  },

  /** Divides the photo by its blur, which leaves its lines. */
  async sketch(photo, { main }) {
    const grey = await render(open(photo).greyscale());
    const negative = await render(open(grey).negate());
    const soft = await render(open(negative).blur(photo.raw.width / 100));
    const lines = await render(open(grey), { ...soft, blend: 'colour-dodge' });
    return render(open(lines).linear(1.6, -150), vignette(main, 0.45));
  },

  async neon(photo, { main, contrast }) {
    const lines = await edges(photo, 12);
    const glow = await render(open(lines).blur(photo.raw.width / 120));
    const dark = open(photo).greyscale().linear(0.5, 0);
    const lit = await render(dark, { ...glow, blend: 'add' }, { ...glow, blend: 'add' });
    const stops = `<stop stop-color="${main}"/><stop offset="1" stop-color="${contrast}"/>`;
    const lamps = `<linearGradient id="f">${stops}</linearGradient>${filled}`;
    const coloured = await render(open(lit), { input: svg(photo.raw.width, lamps), blend: 'multiply' });
    return render(open(coloured), { ...lines, blend: 'screen' });
  },
};

/** The filter of each style, by the style's id. */
export const styles: ReadonlyMap<string, StyleFilter> = new Map(Object.entries(filters));

/** Makes a JPEG with a caption and the sandbox mark. Equal specifications give equal bytes. */
export async function makePicture(spec: PictureSpec): Promise<Buffer> {
  const { style, prompt, size } = spec;
  const filter = styles.get(style);
  if (!filter) throw new Error(`Unknown style: ${style}`);
  const hue = createHash('sha256').update(prompt).digest().readUInt32LE() % 360;
  const palette = { hue, main: `hsl(${hue},80%,55%)`, contrast: `hsl(${(hue + 150) % 360},85%,55%)` };
  const filtered = await filter(await cropped(spec), palette);
  const caption = textPath(prompt === '' ? style : `${style} - ${prompt}`, 460, 2);
  const mark = textPath('SANDBOX - no AI', 482, 3);
  const banner = `<path d="M0 450h512v62h-512z" fill="#0b0d12" fill-opacity=".75"/><path d="${caption}" fill="#fff"/><path d="${mark}" fill="#ffd166"/>`;
  return open(filtered)
    .resize(size, size, { kernel: style === 'pixel' ? 'nearest' : 'cubic' })
    .composite([{ input: svg(size, banner) }])
    .jpeg({ quality: 88 })
    .toBuffer();
}

/** A section of the photo that depends on the prompt and the variant, mirrored for odd variants. */
function cropped({ source, prompt, variant, size }: PictureSpec): Promise<Raster> {
  const [zoom, left, top] = createHash('sha256').update(`${variant} ${prompt}`).digest();
  const side = Math.min(size, maxFilteredSize);
  const whole = Math.round(side * (1.02 + zoom! / 1_600));
  const offset = (byte: number): number => Math.floor(((whole - side) * byte) / 255);
  const section = { left: offset(left!), top: offset(top! / 2), width: side, height: side };
  const flopped = variant % 2 === 1;
  return render(sharp(source).resize(whole, whole).extract(section).flop(flopped));
}

/** The photo at half its size, without detail that is smaller than `width`. */
function smooth(photo: Raster, width: number): Sharp {
  return open(photo)
    .resize(photo.raw.width / 2)
    .median(width);
}

/** White outlines on black. */
function edges(photo: Raster, gain: number): Promise<Raster> {
  const kernel = [-1, -1, -1, -1, 8, -1, -1, -1, -1];
  const outlines = open(photo).greyscale().blur(1.2).convolve({ width: 3, height: 3, kernel });
  return render(outlines.linear(gain, -10 * gain));
}

const filled = '<path d="M0 0h512v512h-512z" fill="url(#f)"/>';

/** A colour that leaves the middle, where the face is, and covers the corners. */
function vignette(colour: string, opacity: number): string {
  const stops = `<stop offset=".55" stop-color="${colour}" stop-opacity="0"/><stop offset="1" stop-color="${colour}" stop-opacity="${opacity}"/>`;
  return `<radialGradient id="f" cy=".47" r=".68">${stops}</radialGradient>${filled}`;
}

/** Coordinates in `content` are 512ths of the picture's width. */
function svg(side: number, content: string): Buffer {
  const size = `width="${side}" height="${side}" viewBox="0 0 512 512"`;
  return Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" ${size}>${content}</svg>`);
}

function open({ input, raw }: Raster): Sharp {
  return sharp(input, { raw });
}

/**
 * Runs the steps so far, since sharp orders the steps of one pipeline itself, and then draws the overlays.
 * @param overlays - pictures of the same size, or SVG in 512ths of the width
 */
async function render(image: Sharp, ...overlays: (OverlayOptions | string)[]): Promise<Raster> {
  const { data, info } = await image
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const picture: Raster = {
    input: data,
    raw: { width: info.width, height: info.height, channels: info.channels },
  };
  const layers = overlays.map((one) => (typeof one === 'string' ? { input: svg(info.width, one) } : one));
  return layers.length === 0 ? picture : render(open(picture).composite(layers));
}

/**
 * A 5×7 bitmap font: SVG text needs fonts that a minimal machine does not have. Each glyph is five columns of two
 * hexadecimal digits; the lowest bit is the top row.
 */
const glyphs = new Map(
  `A7e1111117e B7f49494936 C3e41414122 D7f4141221c E7f49494941 F7f09090901 G3e4149497a H7f0808087f I00417f4100
   J2040413f01 K7f08142241 L7f40404040 M7f020c027f N7f0408107f O3e4141413e P7f09090906 Q3e4151215e R7f09192946
   S2649494932 T01017f0101 U3f4040403f V1f2040201f W3f4038403f X6314081463 Y0708700807 Z6151494543 03e5149453e
   100427f4000 24261514946 32141454b31 41814127f10 52745454539 63c4a494930 70171090503 83649494936 9064949291e
   -0808080808 .0060600000 ,0050300000 '0000070000 !00005f0000 ?0201510906 :0036360000`
    .split(/\s+/)
    .map((glyph) => [glyph.slice(0, 1), glyph.slice(1)]),
);
const unknownGlyph = '7f4141417f';
const rows = [0, 1, 2, 3, 4, 5, 6];

/**
 * The SVG path of a line of text, in capitals and without accents, cut at the margin.
 * @param pixel - the side of one font pixel; a capital is seven of them high
 */
function textPath(text: string, y: number, pixel: number): string {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .replace(/[\s\p{C}]+/gu, ' ')
    .toUpperCase();
  const characters = [...plain].slice(0, Math.floor(480 / (6 * pixel)));
  const squares = characters.flatMap((character, index) => {
    const glyph = character === ' ' ? '' : (glyphs.get(character) ?? unknownGlyph);
    const left = 16 + index * 6 * pixel;
    return [...Buffer.from(glyph, 'hex')].flatMap((bits, column) =>
      rows
        .filter((row) => bits & (1 << row))
        .map((row) => `M${left + column * pixel} ${y + row * pixel}h${pixel}v${pixel}h-${pixel}z`),
    );
  });
  return squares.join('');
}
