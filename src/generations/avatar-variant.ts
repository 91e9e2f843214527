import type { RenditionFormat, RenditionSpec } from '../images/rendition';

/** The maximum sides of renditions in pixels. */
const maxSides = { PX_128: 128, PX_256: 256, PX_512: 512, PX_1024: 1_024 } as const;

/** The original, the preview, or the largest picture that fits into a square. */
export type AvatarSize = 'ORIGINAL' | 'PREVIEW' | keyof typeof maxSides;

/** The file format of a picture. */
export type ImageFormat = 'JPEG' | 'WEBP' | 'AVIF';

/** The extensions of file names. */
const extensions = { JPEG: 'jpg', WEBP: 'webp', AVIF: 'avif' } as const;

/** The maximum side of a converted original in pixels: AVIF files of this size take about ten seconds. */
export const maxConvertedSide = 4_096;

/** A file that a picture can be downloaded as. */
export interface AvatarVariant {
  /** Unique; part of the URL: `original`, `preview`, `original.webp`, `512.jpg`. */
  readonly name: string;
  /** The media type; null: that of the original. */
  readonly contentType: `image/${RenditionFormat}` | null;
  /** What is stored with the picture, or made from it on demand. */
  readonly source: 'ORIGINAL' | 'PREVIEW' | RenditionSpec;
}

/** The picture as it was received. */
export const originalVariant: AvatarVariant = { name: 'original', contentType: null, source: 'ORIGINAL' };
const preview: AvatarVariant = { name: 'preview', contentType: 'image/jpeg', source: 'PREVIEW' };

/** The variant of a size and format. Null: the format of the original for ORIGINAL, JPEG for the other sizes. */
export function variantOf(size: AvatarSize, format: ImageFormat | null): AvatarVariant {
  if (size === 'ORIGINAL')
    return format === null ? originalVariant : rendition('original', maxConvertedSide, format);
  if (size !== 'PREVIEW') return rendition(String(maxSides[size]), maxSides[size], format ?? 'JPEG');
  return format === null || format === 'JPEG' ? preview : variantOf('PX_256', format);
}

function rendition(stem: string, maxSide: number, format: ImageFormat): AvatarVariant {
  const name = `${stem}.${extensions[format]}`;
  const encoding = format.toLowerCase() as Lowercase<ImageFormat>;
  const contentType = `image/${encoding}` as const;
  // The preview is that file.
  if (name === '256.jpg') return { name, contentType, source: 'PREVIEW' };
  return { name, contentType, source: { maxSide, format: encoding } };
}

const sizes = ['ORIGINAL', 'PREVIEW', ...(Object.keys(maxSides) as (keyof typeof maxSides)[])] as const;
const formats = [null, ...(Object.keys(extensions) as ImageFormat[])];

/** All variants by name. */
const variants: ReadonlyMap<string, AvatarVariant> = new Map(
  sizes.flatMap((size) =>
    formats.map((format) => {
      const variant = variantOf(size, format);
      return [variant.name, variant] as const;
    }),
  ),
);

/** The variant with this name; null for an unknown name. */
export function readVariant(name: string): AvatarVariant | null {
  return variants.get(name) ?? null;
}
