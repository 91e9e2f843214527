/** The accepted formats; photos only as JPEG or PNG. */
export type PictureFormat = 'jpeg' | 'png' | 'webp';

/** The detected type of a file. `label` is for messages: "a GIF picture". */
export type FormatGuess = { format: PictureFormat; label: string } | { format: null; label: string };

/** A format's magic number: bytes at an offset. */
interface Signature {
  format: PictureFormat | null;
  label: string;
  /** The bytes at offset 0, if `at` is not 0. */
  start?: string;
  at: number;
  /** Compared as Latin-1. */
  bytes: readonly string[];
}

/**
 * Checked before any decoder reads the bytes, so that SVG, TIFF or HEIF from clients never reach the libraries that
 * parse those. Unlisted formats are rejected too; the list only provides names for messages.
 */
const signatures: readonly Signature[] = [
  { format: 'jpeg', label: 'a JPEG picture', at: 0, bytes: ['\xff\xd8\xff'] },
  { format: 'png', label: 'a PNG picture', at: 0, bytes: ['\x89PNG\r\n\x1a\n'] },
  { format: 'webp', label: 'a WebP picture', start: 'RIFF', at: 8, bytes: ['WEBP'] },
  { format: null, label: 'a GIF picture', at: 0, bytes: ['GIF87a', 'GIF89a'] },
  { format: null, label: 'an AVIF picture', at: 4, bytes: ['ftypavif', 'ftypavis'] },
  {
    format: null,
    label: 'a HEIC picture (the format of iPhones)',
    at: 4,
    bytes: ['ftypheic', 'ftypheix', 'ftypheim', 'ftypheis', 'ftyphevc', 'ftypmif1', 'ftypmsf1'],
  },
  { format: null, label: 'a video', at: 4, bytes: ['ftyp'] },
  { format: null, label: 'a TIFF picture', at: 0, bytes: ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'] },
  { format: null, label: 'a BMP picture', at: 0, bytes: ['BM'] },
  { format: null, label: 'an icon', at: 0, bytes: ['\0\0\x01\0'] },
  { format: null, label: 'a Photoshop file', at: 0, bytes: ['8BPS'] },
  { format: null, label: 'a JPEG XL picture', at: 0, bytes: ['\xff\x0a', '\0\0\0\x0cJXL '] },
  { format: null, label: 'a JPEG 2000 picture', at: 0, bytes: ['\0\0\0\x0cjP  '] },
  { format: null, label: 'a PDF file', at: 0, bytes: ['%PDF'] },
  { format: null, label: 'a ZIP archive', at: 0, bytes: ['PK\x03\x04', 'PK\x05\x06'] },
];

/** Detects the type of a file from its content only; the filename and the declared type are ignored. */
export function guessFormat(bytes: Buffer): FormatGuess {
  const head = bytes.toString('latin1', 0, 64);
  const found = signatures.find(
    ({ start = '', at, bytes: texts }) =>
      head.startsWith(start) && texts.some((text) => head.startsWith(text, at)),
  );
  if (found) return { format: found.format, label: found.label };
  const text = bytes.toString('latin1', 0, 1024).trimStart().toLowerCase();
  if (/^(<\?xml[^]*)?(<!doctype svg|<svg)/.test(text)) return { format: null, label: 'an SVG drawing' };
  if (text.startsWith('<!doctype html') || text.startsWith('<html'))
    return { format: null, label: 'a web page' };
  return { format: null, label: 'no picture' };
}
