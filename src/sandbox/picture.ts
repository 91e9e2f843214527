import { createHash } from 'node:crypto';
import sharp, { type OverlayOptions, type Raw, type Sharp } from 'sharp';

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
  const caption = lettering(prompt === '' ? style : `${style} - ${prompt}`, 460, 2, '#fff');
  const mark = lettering('SANDBOX - no AI', 482, 3, '#ffd166');
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

/** A 5×7 font, since SVG text needs an installed one: five columns of two hexadecimal digits, lowest bit on top. */
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

/**
 * A line of text in capitals, without accents, cut at the margin.
 * @param pixel - the side of one font pixel; a capital is seven of them high
 */
function lettering(text: string, y: number, pixel: number, colour: string): string {
  const plain = text.normalize('NFKD').replace(/\p{M}+/gu, '');
  const characters = [...plain.replace(/[\s\p{C}]+/gu, ' ').toUpperCase()].slice(0, 480 / (6 * pixel));
  const columns = characters.flatMap((character) => {
    const glyph = character === ' ' ? '0000000000' : (glyphs.get(character) ?? unknownGlyph);
    return [...Buffer.from(`${glyph}00`, 'hex')];
  });
  const squares = columns.flatMap((bits, x) =>
    [0, 1, 2, 3, 4, 5, 6].filter((row) => bits & (1 << row)).map((row) => `M${x} ${row}h1v1h-1z`),
  );
  return `<path d="${squares.join('')}" fill="${colour}" transform="translate(16 ${y}) scale(${pixel})"/>`;
}
