import { setImmediate as nextTurn } from 'node:timers/promises';
import { isHarmlessManifest } from './content-credentials';
import { JpegManifest } from './jpeg-manifest';

/**
 * Why a picture cannot be used. The codes are stable; clients see them in `Photo.problems`.
 * - `UNSUPPORTED_TYPE`: its content has a format that is not accepted
 * - `UNREADABLE`: it is damaged, truncated, or takes too long to decode
 * - `TOO_SMALL`: its shorter side has too few pixels
 * - `TOO_MANY_PIXELS`: it would need too much memory
 * - `ANIMATED`: it has several frames
 */
export type PictureProblemCode =
  'UNSUPPORTED_TYPE' | 'UNREADABLE' | 'TOO_SMALL' | 'TOO_MANY_PIXELS' | 'ANIMATED';

/**
 * A picture that is rejected because of its content. The message is for clients: it states the problem and what to
 * do.
 */
export class PictureProblem extends Error {
  constructor(
    readonly code: PictureProblemCode,
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
    this.name = 'PictureProblem';
  }
}

/** The accepted formats; AVIF and HEIC only for photos. */
export type PictureFormat = 'jpeg' | 'png' | 'webp' | 'avif' | 'heic';

/** A format's magic number: bytes at an offset. */
interface Signature {
  /** Undefined for formats that are not accepted. */
  format?: PictureFormat;
  /** For messages: "a GIF picture". */
  label: string;
  /** The bytes at offset 0, if `at` is not 0. */
  start?: string;
  /** @defaultValue 0 */
  at?: number;
  /** Compared as Latin-1. */
  bytes: readonly string[];
}

/**
 * Checked before any decoder reads the bytes, so that SVG, TIFF or PDF from clients never reach the libraries that
 * parse those. Unlisted formats are rejected too; the list only provides names for messages.
 */
const signatures: readonly Signature[] = [
  { format: 'jpeg', label: 'a JPEG picture', bytes: ['\xff\xd8\xff'] },
  { format: 'png', label: 'a PNG picture', bytes: ['\x89PNG\r\n\x1a\n'] },
  { format: 'webp', label: 'a WebP picture', start: 'RIFF', at: 8, bytes: ['WEBP'] },
  { label: 'a GIF picture', bytes: ['GIF87a', 'GIF89a'] },
  { format: 'avif', label: 'an AVIF picture', at: 4, bytes: ['ftypavif'] },
  { label: 'an AVIF animation', at: 4, bytes: ['ftypavis'] },
  { format: 'heic', label: 'a HEIC picture', at: 4, bytes: ['ftypheic', 'ftypheix'] },
  { label: 'a HEIC animation', at: 4, bytes: ['ftyphevc', 'ftyphevx', 'ftypheim', 'ftypheis', 'ftypmsf1'] },
  { label: 'a HEIF picture of another kind than HEIC or AVIF', at: 4, bytes: ['ftypmif1'] },
  { label: 'a video', at: 4, bytes: ['ftyp'] },
  { label: 'a TIFF picture', bytes: ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'] },
  { label: 'a BMP picture', bytes: ['BM'] },
  { label: 'an icon', bytes: ['\0\0\x01\0'] },
  { label: 'a Photoshop file', bytes: ['8BPS'] },
  { label: 'a JPEG XL picture', bytes: ['\xff\x0a', '\0\0\0\x0cJXL '] },
  { label: 'a JPEG 2000 picture', bytes: ['\0\0\0\x0cjP  '] },
  { label: 'a PDF file', bytes: ['%PDF'] },
  { label: 'a ZIP archive', bytes: ['PK\x03\x04', 'PK\x05\x06'] },
];

/** Detects the type of a file from its content only; the filename and the declared type are ignored. */
export function guessFormat(bytes: Buffer): { format: PictureFormat | null; label: string } {
  const head = withCodec(bytes.toString('latin1', 0, 64));
  const found = signatures.find(
    ({ start = '', at = 0, bytes: texts }) =>
      head.startsWith(start) && texts.some((text) => head.startsWith(text, at)),
  );
  if (found) return { format: found.format ?? null, label: found.label };
  const text = bytes.toString('latin1', 0, 1024).trimStart().toLowerCase();
  if (/^(<\?xml[^]*)?(<!doctype svg|<svg)/.test(text)) return { format: null, label: 'an SVG drawing' };
  const isPage = text.startsWith('<!doctype html') || text.startsWith('<html');
  return { format: null, label: isPage ? 'a web page' : 'no picture' };
}

/** `mif1` and `msf1` name the container only. The codec is among the compatible brands, 4 bytes each from byte 16. */
function withCodec(head: string): string {
  if (!/^[^]{4}ftyp(mif1|msf1)/.test(head)) return head;
  const brands = head.slice(16, head.charCodeAt(3)).match(/[^]{4}/g) ?? [];
  const codec = brands.find((brand) => /^(avi[fs]|hei[cx]|hev[cx])$/.test(brand));
  return codec === undefined ? head : `${head.slice(0, 8)}${codec}${head.slice(12)}`;
}

/** Maximum number of segments or chunks to read. Encoders make some thousands for the largest pictures. */
const maxSegments = 50_000;

/** How many bytes of entropy-coded data are scanned before yielding to the event loop: about a millisecond. */
const bytesPerTurn = 1_000_000;

/** Properties of a file besides its pixels. */
export interface PictureStructure {
  /** The number of declared frames; 1 for a still picture. */
  frames: number;
  /**
   * Whether the file contains only what is needed to render it, and possibly a harmless C2PA manifest: no EXIF, XMP,
   * IPTC, comment, text, profile or thumbnail, nothing unknown, and no leading or trailing bytes.
   */
  bare: boolean;
  /**
   * Whether it contains a C2PA manifest, which proves its origin and holds only while the file is not changed. Of files
   * that are not `bare`, it may be wrong.
   */
  hasManifest: boolean;
  /** Whether the encoding is lossless. */
  lossless: boolean;
}

/**
 * Reads a file's segments or chunks without decoding them. A file with an invalid structure is not `bare`; whether
 * it can be decoded is left to the decoder. Never blocks the event loop for more than a few milliseconds.
 * The structure of an AVIF or HEIC is not read: it counts as one picture with unknown data.
 * @throws PictureProblem UNREADABLE for a PNG or WebP of more than 50,000 chunks; a JPEG with as many segments is
 * not `bare`
 */
export async function readStructure(bytes: Buffer, format: PictureFormat): Promise<PictureStructure> {
  switch (format) {
    case 'jpeg':
      return readJpeg(bytes);
    case 'png':
      return readPng(bytes);
    case 'webp':
      return readWebp(bytes);
    case 'avif':
    case 'heic':
      return { frames: 1, bare: false, hasManifest: false, lossless: false };
  }
}

/** Markers without a length (ITU T.81, table B.1): TEM and the restarts. */
const isStandalone = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7);

/** The segments that decoding needs: frames C0–CF (with DHT C4, DAC CC), SOS, DQT, DNL and DRI. */
const isDrawing = (marker: number): boolean =>
  (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc8) || (marker >= 0xda && marker <= 0xdd);

async function readJpeg(bytes: Buffer): Promise<PictureStructure> {
  const found: PictureStructure = { frames: 1, bare: false, hasManifest: false, lossless: false };
  const manifest = new JpegManifest(bytes);
  let at = 2;
  for (let parts = 0; at + 4 <= bytes.length; parts += 1) {
    const isPart = manifest.take(at);
    const next = bytes[at] === 0xff && parts < maxSegments ? afterSegment(bytes, at, isPart) : null;
    if (next === null) return found;
    at = bytes[at + 1] === startOfScan ? await nextMarker(bytes, next) : next;
  }
  const isEnd = at + 2 === bytes.length && bytes.readUInt16BE(at) === 0xffd9;
  return { ...found, bare: isEnd && manifest.isHarmless, hasManifest: manifest.isFound };
}

/** The segment after which entropy-coded data follow. */
const startOfScan = 0xda;

/** The end of the segment at `at`; null if it is neither needed for decoding nor a part of the manifest. */
function afterSegment(bytes: Buffer, at: number, isManifestPart: boolean): number | null {
  const marker = bytes[at + 1]!;
  if (marker === 0xff) return at + 1;
  if (isStandalone(marker)) return at + 2;
  const isKept = isDrawing(marker) || isPlainHeader(bytes, at) || isManifestPart;
  if (!isKept) return null;
  return at + 2 + bytes.readUInt16BE(at + 2);
}

/** JFIF's header without a thumbnail (16 bytes) and Adobe's colour transform (14 bytes), which decoding needs. */
function isPlainHeader(bytes: Buffer, at: number): boolean {
  const length = bytes.readUInt16BE(at + 2);
  const name = bytes.toString('latin1', at + 4, at + 9);
  return (
    (bytes[at + 1] === 0xe0 && name === 'JFIF\0' && length === 16) ||
    (bytes[at + 1] === 0xee && name === 'Adobe' && length === 14)
  );
}

/** The end of the entropy-coded data that starts at `from`: the next marker that is neither stuffing nor a restart. */
async function nextMarker(bytes: Buffer, from: number): Promise<number> {
  const last = bytes.length - 1;
  for (let at = from; at < last; at += bytesPerTurn) {
    const found = markerIn(bytes, at, Math.min(at + bytesPerTurn, last));
    if (found !== null) return found;
    await nextTurn();
  }
  return bytes.length;
}

/** A plain loop: `indexOf` is ten times slower if every second byte is FF. */
function markerIn(bytes: Buffer, from: number, to: number): number | null {
  for (let at = from; at < to; at += 1) {
    if (bytes[at] === 0xff && bytes[at + 1] !== 0 && !isStandalone(bytes[at + 1]!)) return at;
  }
  return null;
}

/** The type of a chunk with a harmless C2PA manifest. */
const manifestType = 'manifest';

/** The type of the chunk whose name and data are at these positions. */
function chunkType(bytes: Buffer, nameAt: number, dataAt: number, length: number): string {
  const name = bytes.toString('latin1', nameAt, nameAt + 4);
  if (name !== 'caBX' && name !== 'C2PA') return name;
  return isHarmlessManifest(bytes.subarray(dataAt, dataAt + length)) ? manifestType : name;
}

/** The chunks that affect rendering and cannot contain text (PNG, third edition, section 11). */
const pngDrawing = new Set([
  ...'IHDR PLTE IDAT IEND tRNS sRGB gAMA cHRM sBIT bKGD pHYs'.split(' '),
  manifestType,
]);

function readPng(bytes: Buffer): PictureStructure {
  const types = new Set<string>();
  let frames = 1;
  let at = 8;
  for (let parts = 0; at + 12 <= bytes.length; parts += 1) {
    if (parts === maxSegments) throw tooManySegments();
    const length = bytes.readUInt32BE(at);
    const type = chunkType(bytes, at + 4, at + 8, length);
    types.add(type);
    if (type === 'acTL' && length === 8) frames = Math.max(frames, bytes.readUInt32BE(at + 8));
    at += 12 + length;
    if (type === 'IEND') break;
  }
  return {
    frames,
    bare: types.has('IEND') && at === bytes.length && [...types].every((type) => pngDrawing.has(type)),
    hasManifest: types.has(manifestType),
    lossless: true,
  };
}

const webpDrawing = new Set(['VP8 ', 'VP8L', 'VP8X', 'ALPH', manifestType]);

function readWebp(bytes: Buffer): PictureStructure {
  const types: string[] = [];
  let at = 12;
  while (at + 8 <= bytes.length) {
    if (types.length === maxSegments) throw tooManySegments();
    const length = bytes.readUInt32LE(at + 4);
    types.push(chunkType(bytes, at, at + 8, length));
    at += 8 + length + (length % 2);
  }
  return {
    frames: Math.max(1, types.filter((type) => type === 'ANMF').length),
    bare:
      at === bytes.length && bytes.readUInt32LE(4) + 8 === at && types.every((type) => webpDrawing.has(type)),
    hasManifest: types.includes(manifestType),
    lossless: types.includes('VP8L'),
  };
}

function tooManySegments(): PictureProblem {
  return new PictureProblem('UNREADABLE', `The picture has more than ${maxSegments} chunks.`);
}
