import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';

/** A marker in all data that must be removed: metadata, comments, trailing bytes. */
export const privateMarker = 'PRIVATE-MARKER-52.5200N-13.4050E';

/** A segment of a JPEG: marker, length, contents. */
export function jpegSegment(marker: number, contents: Buffer | string): Buffer {
  const body = Buffer.from(contents as string, 'latin1');
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([head, body]);
}

/** A JPEG with segments inserted before all others. */
export function withSegments(jpeg: Buffer, ...segments: Buffer[]): Buffer {
  return Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);
}

/** IPTC in Photoshop's APP13: an 8BIM resource 0x0404 with a caption. */
export function iptcSegment(caption: string): Buffer {
  const dataset = Buffer.concat([Buffer.from([0x1c, 2, 120, 0, caption.length]), Buffer.from(caption)]);
  const padded = dataset.length % 2 === 0 ? dataset : Buffer.concat([dataset, Buffer.alloc(1)]);
  const head = Buffer.from('8BIM\x04\x04\0\0\0\0\0\0', 'latin1');
  head.writeUInt32BE(dataset.length, 8);
  return jpegSegment(0xed, Buffer.concat([Buffer.from('Photoshop 3.0\0'), head, padded]));
}

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const u32 = (value: number): Buffer => Buffer.concat([u16(value >>> 16), u16(value & 0xffff)]);

function xmpSegment(attributes: string): Buffer {
  const description = `<rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" ${attributes}/>`;
  return jpegSegment(
    0xe1,
    `http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">${description}</rdf:RDF></x:xmpmeta>`,
  );
}

/** CIPA's multi-picture index of two pictures (DC-007), which announces a second JPEG. */
function mpfSegment(sizes: readonly [number, number], secondAt: number): Buffer {
  const entries = [
    u32(0x030000),
    u32(sizes[0]),
    u32(0),
    u32(0),
    u32(0),
    u32(sizes[1]),
    u32(secondAt),
    u32(0),
  ];
  const fields = [
    [u16(0xb000), u16(7), u32(4), Buffer.from('0100')],
    [u16(0xb001), u16(4), u32(1), u32(2)],
    [u16(0xb002), u16(7), u32(32), u32(50)],
  ];
  const head = [Buffer.from('MPF\0MM\0*'), u32(8), u16(fields.length), ...fields.flat(), u32(0)];
  return jpegSegment(0xe2, Buffer.concat([...head, ...entries]));
}

/** An Ultra HDR photo as newer phones write it: a JPEG followed by a second one, the gain map. */
export function ultraHdr(jpeg: Buffer, gainMap: Buffer): Buffer {
  const map = withSegments(
    gainMap,
    xmpSegment(
      'hdrgm:GainMapMin="0" hdrgm:GainMapMax="2.5" hdrgm:Gamma="1" hdrgm:OffsetSDR="0.015625" hdrgm:OffsetHDR="0.015625" hdrgm:HDRCapacityMin="0" hdrgm:HDRCapacityMax="2.5" hdrgm:BaseRenditionIsHDR="False"',
    ),
  );
  const photo = withSegments(jpeg, xmpSegment(''));
  const size = photo.length + mpfSegment([0, 0], 0).length;
  return Buffer.concat([withSegments(photo, mpfSegment([size, map.length], size - 10)), map]);
}

/** A chunk of a PNG with a valid checksum. */
export function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

/** A PNG with chunks inserted after its header. */
export function withChunks(png: Buffer, ...chunks: Buffer[]): Buffer {
  return Buffer.concat([png.subarray(0, 33), ...chunks, png.subarray(33)]);
}

/** A PNG whose header declares a size that its pixel data do not have. */
export function pngClaiming(width: number, height: number, interlace = 0): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, interlace], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(Buffer.alloc(1000))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Turns a PNG into an animated one that declares the given number of frames. */
export function animated(png: Buffer, frames: number): Buffer {
  const control = Buffer.alloc(8);
  control.writeUInt32BE(frames, 0);
  return withChunks(png, pngChunk('acTL', control));
}

/** A copy with the bytes from `at` on overwritten. */
export function overwritten(bytes: Buffer, at: number, values: Buffer | readonly number[]): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(values, at);
  return copy;
}

/** A ZIP archive that consists of its end record with a comment. */
export function emptyZip(comment: string): Buffer {
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([end, Buffer.from(comment)]);
}

/** The first box of a file of the MP4 family: HEIC, AVIF and videos. */
export function ftypBox(brand: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, 0, 0, 24]),
    Buffer.from(`ftyp${brand}\0\0\0\0mif1${brand}`),
    Buffer.alloc(600),
  ]);
}

/**
 * A HEIC picture with the structure of phones': 2×2 tiles of 320×320 pixels (HEVC), which are cut to 600×600 and turned,
 * a Display P3 profile, and EXIF with {@link privateMarker}. Upright, its quarters are #a05050, #50a050, #5050a0 and
 * #a0a050 in sRGB. The tiles were encoded by heif-enc of libheif.
 */
export const phonePhoto = readFileSync(join(__dirname, '../fixtures/phone.heic'));

/** A picture of the HEIF family that names another main brand. */
export function withBrand(picture: Buffer, brand: string): Buffer {
  return Buffer.concat([picture.subarray(0, 8), Buffer.from(brand), picture.subarray(12)]);
}

/** A picture of the HEIF family in which each `ispe` box of a square with one side states another. */
export function withSides(picture: Buffer, side: number, stated: number): Buffer {
  const box = (length: number): Buffer =>
    Buffer.concat([Buffer.from('ispe\0\0\0\0'), u32(length), u32(length)]);
  const copy = Buffer.from(picture);
  for (let at = copy.indexOf(box(side)); at >= 0; at = copy.indexOf(box(side))) box(stated).copy(copy, at);
  return copy;
}
