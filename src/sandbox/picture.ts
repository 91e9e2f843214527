import { createHash } from 'node:crypto';
import { join } from 'node:path';
import sharp, { type OverlayOptions, type Raw, type Sharp } from 'sharp';

/*
 * Fontconfig reads this when the first text is drawn: pictures use the font in this folder, which the build copies to
 * `dist`, and do not depend on the fonts of the machine, which may have none.
 */
process.env.FONTCONFIG_FILE = join(__dirname, 'font', 'fonts.conf');

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
interface Raster {
  readonly input: Buffer;
  readonly raw: Raw;
}

/** CSS colours derived from the prompt. The first one has the prompt's hue, 0 to 359 degrees. */
type Palette = Readonly<{ main: string; contrast: string; hue: number }>;

/** Filters run at most at this size, and their result is enlarged: their cost grows with the square. */
const maxFilteredSize = 1_024;

const filters: Record<string, (photo: Raster, palette: Palette) => Promise<Raster>> = {
  realistic: (photo, { main }) =>
    render(open(photo).linear(1.15, -12).modulate({ saturation: 1.2 }), vignette(main, 0.55)),

  async anime(photo, { main }) {
    const outlines = await render(open(await edges(photo, 6)).negate());
    const flat = await render(small(photo).median(5).linear(1.3, -20).modulate({ saturation: 1.6 }));
    const enlarged = open(flat).resize(photo.raw.width);
    return render(enlarged, { ...outlines, blend: 'multiply' }, vignette(main, 0.8));
  },

  watercolor: (photo, { main }) =>
    render(
      small(photo).median(7).modulate({ saturation: 1.5, brightness: 1.1 }),
      vignette(main, 0.35),
      vignette('#fffaf0', 1),
    ),

  noir(photo, { hue }) {
    const blind = `<pattern id="f" width="512" height="40" patternUnits="userSpaceOnUse" patternTransform="skewY(-12) translate(0 ${hue % 40})"><path d="M0 0h512v14h-512z" opacity=".5"/></pattern>${filled}`;
    return render(open(photo).greyscale().linear(1.5, -30), blind, vignette('#000', 0.9));
  },

  async 'pop-art'(photo, { main, contrast, hue }) {
    const inks = await render(small(photo).median(3).linear(4, -340));
    const dots = `<pattern id="f" width="10" height="10" patternUnits="userSpaceOnUse"><circle cx="5" cy="5" r="3" fill="${contrast}" opacity=".3"/></pattern>${filled}`;
    return render(open(inks).modulate({ hue, saturation: 1.3 }), dots, vignette(main, 0.7));
  },

  async pixel(photo, { main }) {
    const cells = open(photo).resize(64).normalise().modulate({ saturation: 1.6 });
    const tinted = await render(cells, vignette(main, 0.8));
    return render(open(tinted).resize(photo.raw.width, null, { kernel: 'nearest' }));
  },

  /** Divides the photo by its blur, which leaves its lines. */
  async sketch(photo, { main }) {
    const soft = await render(
      open(photo)
        .greyscale()
        .negate()
        .blur(photo.raw.width / 100),
    );
    const lines = await render(open(photo).greyscale(), { ...soft, blend: 'colour-dodge' });
    return render(open(lines).linear(1.6, -150), vignette(main, 0.45));
  },

  async neon(photo, { main, contrast }) {
    const lines = await edges(photo, 12);
    const glow = await render(open(lines).blur(photo.raw.width / 120));
    const lamps = `<linearGradient id="f"><stop stop-color="${main}"/><stop offset="1" stop-color="${contrast}"/></linearGradient>${filled}`;
    return render(
      open(photo).greyscale().linear(0.5, 0),
      { ...glow, blend: 'add' },
      { ...glow, blend: 'add' },
      { input: svg(photo.raw.width, lamps), blend: 'multiply' },
      { ...lines, blend: 'screen' },
    );
  },
};

/** The filter of each style, by the style's id. */
export const styles: ReadonlyMap<string, (typeof filters)[string]> = new Map(Object.entries(filters));

/** Makes a JPEG with a caption and the sandbox mark. Equal specifications give equal bytes. */
export async function makePicture(spec: PictureSpec): Promise<Buffer> {
  const { style, prompt, size } = spec;
  const filter = styles.get(style);
  if (!filter) throw new Error(`Unknown style: ${style}`);
  const hue = createHash('sha256').update(prompt).digest().readUInt32LE() % 360;
  const palette = { hue, main: `hsl(${hue},80%,55%)`, contrast: `hsl(${(hue + 150) % 360},85%,55%)` };
  const filtered = await filter(await cropped(spec), palette);
  const caption = lettering(prompt === '' ? style : `${style} - ${prompt}`, 472, 16, '#fff');
  const mark = lettering('SANDBOX - no AI', 502, 24, '#ffd166');
  const banner = `<path d="M0 450h512v62h-512z" fill="#0b0d12" fill-opacity=".75"/>${caption}${mark}`;
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
  const mirrored = variant % 2 === 1;
  return render(sharp(source).resize(whole, whole).extract(section).flop(mirrored));
}

/** White outlines on black. */
function edges(photo: Raster, gain: number): Promise<Raster> {
  const kernel = [-1, -1, -1, -1, 8, -1, -1, -1, -1];
  const outlines = open(photo).greyscale().blur(1.2).convolve({ width: 3, height: 3, kernel });
  return render(outlines.linear(gain, -10 * gain));
}

const filled = '<path d="M0 0h512v512h-512z" fill="url(#f)"/>';

/** A colour that leaves the middle, where the face is, and covers the corners. */
const vignette = (colour: string, opacity: number): string =>
  `<radialGradient id="f" cy=".47" r=".68"><stop offset=".55" stop-color="${colour}" stop-opacity="0"/><stop offset="1" stop-color="${colour}" stop-opacity="${opacity}"/></radialGradient>${filled}`;

/** Coordinates in `content` are 512ths of the picture's width. */
const svg = (side: number, content: string): Buffer =>
  Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}" viewBox="0 0 512 512">${content}</svg>`,
  );

const open = ({ input, raw }: Raster): Sharp => sharp(input, { raw });

/** The photo at half its size, at which a median filter removes more detail. */
const small = (photo: Raster): Sharp => open(photo).resize(photo.raw.width / 2);

/**
 * Runs the steps so far, since sharp orders the steps of one pipeline itself, and then draws the overlays.
 * @param overlays - pictures of the same size, or SVG in 512ths of the width
 */
async function render(image: Sharp, ...overlays: (OverlayOptions | string)[]): Promise<Raster> {
  const rgb = image.toColourspace('srgb').removeAlpha().raw();
  const { data, info } = await rgb.toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const picture = { input: data, raw: { width, height, channels } };
  const layers = overlays.map((one) => (typeof one === 'string' ? { input: svg(width, one) } : one));
  return layers.length === 0 ? picture : render(open(picture).composite(layers));
}

/** A line of text, cut at the edge of the picture; `y` is its baseline. Multiples of 8 are sharp heights of the font. */
function lettering(text: string, y: number, height: number, colour: string): string {
  const characters = [...text.replace(/[\s\p{C}]+/gu, ' ')].slice(0, maxCharacters).join('');
  const escaped = characters.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="16" y="${y}" font-family="Silkscreen" font-size="${height}" fill="${colour}">${escaped}</text>`;
}

const maxCharacters = 64;
