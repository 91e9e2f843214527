import { createHash } from 'node:crypto';
import sharp, { type OverlayOptions, type Sharp } from 'sharp';
import { textPath } from './bitmap-text';

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

/** A picture in memory, which sharp accepts as an input and as an overlay. */
type Raster = Required<Pick<OverlayOptions, 'raw'>> & { readonly input: Buffer };

/** What the filters derive from the prompt. */
interface Palette {
  /** CSS colours. The first one has the prompt's hue. */
  readonly main: string;
  readonly contrast: string;
  /** 0 to 359 degrees. */
  readonly hue: number;
}

type StyleFilter = (photo: Raster, palette: Palette) => Promise<Raster> | Raster;

/** Filters run at most at this size, and their result is enlarged: their cost grows with the square. */
const maxFilteredSize = 1_024;

const realistic: StyleFilter = (photo, { main }) =>
  render(open(photo).linear(1.15, -12).modulate({ saturation: 1.2 }), [vignette(photo, main, 0.55)]);

const anime: StyleFilter = async (photo, { main }) => {
  const flat = await render(half(photo, 5).linear(1.3, -20).modulate({ saturation: 1.6 }));
  const outlines = await render(open(await edges(photo, 6)).negate());
  return render(open(flat).resize(sideOf(photo)), [
    { ...outlines, blend: 'multiply' },
    vignette(photo, main, 0.8),
  ]);
};

const watercolor: StyleFilter = async (photo, { main }) => {
  const wash = await render(half(photo, 7).modulate({ saturation: 1.5, brightness: 1.1 }));
  return render(open(wash), [vignette(wash, main, 0.35), vignette(wash, '#fffaf0', 1)]);
};

const noir: StyleFilter = (photo, { hue }) => {
  const slats = Array.from({ length: 16 }, (_, index) => `M0 ${index * 40 + (hue % 40)}h512v14h-512z`);
  const blind = svg(sideOf(photo), `<path d="${slats.join('')}" transform="skewY(-12)" opacity=".5"/>`);
  return render(open(photo).greyscale().linear(1.5, -30), [{ input: blind }, vignette(photo, '#000', 0.9)]);
};

const popArt: StyleFilter = async (photo, { main, contrast, hue }) => {
  const inks = await render(half(photo, 3).linear(4, -340));
  const turned = await render(open(inks).modulate({ hue, saturation: 1.3 }));
  const dots = svg(
    sideOf(inks),
    `<pattern id="p" width="10" height="10" patternUnits="userSpaceOnUse"><circle cx="5" cy="5" r="3" fill="${contrast}"/></pattern>
     <rect width="512" height="512" fill="url(#p)"/>`,
  );
  return render(open(turned), [{ input: dots, blend: 'overlay' }, vignette(inks, main, 0.7)]);
};

const pixel: StyleFilter = async (photo, { main }) => {
  const cells = await render(open(photo).resize(64).normalise().modulate({ saturation: 1.6 }));
  const tinted = await render(open(cells), [vignette(cells, main, 0.8)]);
  const few = await open(tinted).png({ palette: true, colours: 24, dither: 0.5, effort: 1 }).toBuffer();
  return render(sharp(few).resize(sideOf(photo), null, { kernel: 'nearest' }));
};

/** Divides the photo by its blur, which leaves its lines. */
const sketch: StyleFilter = async (photo, { main }) => {
  const grey = await render(open(photo).greyscale());
  const blurred = await render(
    open(grey)
      .negate()
      .blur(sideOf(photo) / 100),
  );
  const lines = await render(open(grey), [{ ...blurred, blend: 'colour-dodge' }]);
  return render(open(lines).linear(1.6, -150), [vignette(photo, main, 0.45)]);
};

const neon: StyleFilter = async (photo, { main, contrast }) => {
  const lines = await edges(photo, 12);
  const glow = await render(
    open(lines)
      .blur(sideOf(photo) / 120)
      .linear(2.5, 0),
  );
  const dim = await render(open(photo).greyscale().linear(0.5, 0), [{ ...glow, blend: 'screen' }]);
  const lamps = svg(
    sideOf(photo),
    `<linearGradient id="g"><stop stop-color="${main}"/><stop offset="1" stop-color="${contrast}"/></linearGradient>
     <rect width="512" height="512" fill="url(#g)"/>`,
  );
  const core = await render(open(lines).linear(0.6, 0));
  return render(open(dim), [
    { input: lamps, blend: 'multiply' },
    { ...core, blend: 'screen' },
  ]);
};

/** The filter of each style, by the style's id. */
export const styles: ReadonlyMap<string, StyleFilter> = new Map([
  ['realistic', realistic],
  ['anime', anime],
  ['watercolor', watercolor],
  ['noir', noir],
  ['pop-art', popArt],
  ['pixel', pixel],
  ['sketch', sketch],
  ['neon', neon],
]);

/** Makes a JPEG with a caption and the sandbox mark. Equal specifications give equal bytes. */
export async function makePicture(spec: PictureSpec): Promise<Buffer> {
  const filter = styles.get(spec.style);
  if (!filter) throw new Error(`Unknown style: ${spec.style}`);
  const hue = createHash('sha256').update(spec.prompt).digest().readUInt32LE() % 360;
  const palette = { hue, main: `hsl(${hue},80%,55%)`, contrast: `hsl(${(hue + 150) % 360},85%,55%)` };
  const filtered = await filter(await cropped(spec), palette);
  const kernel = spec.style === 'pixel' ? 'nearest' : 'cubic';
  return open(filtered)
    .resize(spec.size, spec.size, { kernel })
    .composite([{ input: banner(spec), gravity: 'south' }])
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
  return render(
    sharp(source)
      .resize(whole, whole)
      .extract(section)
      .flop(variant % 2 === 1),
  );
}

function banner({ size, style, prompt }: PictureSpec): Buffer {
  const caption = textPath(prompt === '' ? style : `${style} - ${prompt}`, 16, 10, 2, 480);
  const mark = textPath('SANDBOX - no AI', 16, 32, 3, 480);
  return svg(
    size,
    `<rect width="512" height="62" fill="#0b0d12" fill-opacity=".75"/><path d="${caption}" fill="#fff"/>
     <path d="${mark}" fill="#ffd166"/>`,
    62,
  );
}

/** The photo at half its size, without detail that is smaller than `width`. */
function half(photo: Raster, width: number): Sharp {
  return open(photo)
    .resize(Math.round(sideOf(photo) / 2))
    .median(width);
}

/** White outlines on black. */
function edges(photo: Raster, gain: number): Promise<Raster> {
  const kernel = [-1, -1, -1, -1, 8, -1, -1, -1, -1];
  const smooth = open(photo).greyscale().blur(1.2);
  return render(smooth.convolve({ width: 3, height: 3, kernel }).linear(gain, -10 * gain));
}

/** A colour that leaves the middle, where the face is, and covers the corners. */
function vignette(photo: Raster, colour: string, opacity: number): OverlayOptions {
  const stops = `<stop offset=".55" stop-color="${colour}" stop-opacity="0"/><stop offset="1" stop-color="${colour}" stop-opacity="${opacity}"/>`;
  const gradient = `<radialGradient id="g" cy=".47" r=".68">${stops}</radialGradient>`;
  return { input: svg(sideOf(photo), `${gradient}<rect width="512" height="512" fill="url(#g)"/>`) };
}

/** Coordinates in `content` are 512ths of the picture's width. */
function svg(width: number, content: string, height = 512): Buffer {
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${Math.round((width * height) / 512)}" viewBox="0 0 512 ${height}">${content}</svg>`,
  );
}

function open({ input, raw }: Raster): Sharp {
  return sharp(input, { raw });
}

/** Runs the steps so far: sharp orders the steps of one pipeline itself. */
async function render(image: Sharp, overlays: OverlayOptions[] = []): Promise<Raster> {
  const { data, info } = await image
    .composite(overlays)
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { input: data, raw: { width: info.width, height: info.height, channels: info.channels } };
}

function sideOf({ raw }: Raster): number {
  return raw.width;
}
