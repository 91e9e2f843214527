import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createDeflateRaw } from 'node:zlib';

/** A file of an archive. */
export interface ZipEntry {
  /** With slashes: `avatars/avatar_….jpg`. */
  readonly path: string;
  readonly modifiedAt: Date;
  /** Read once, when all earlier entries have been written. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Whether to compress the file. Pictures are compressed already. */
  readonly isCompressible: boolean;
}

/** The checksum of a file and its sizes before and after compression, updated while it is written. */
interface Sums {
  crc: number;
  compressedSize: number;
  size: number;
}

/** The data of a file's entry in the central directory. */
interface DirectoryEntry extends Sums {
  readonly name: Buffer;
  readonly modified: Buffer;
  readonly offset: number;
}

/** The largest values of 32-bit and 16-bit fields; in a ZIP field they refer to the ZIP64 field. */
const max32 = 0xffff_ffff;
const max16 = 0xffff;

/** The minimum size of a chunk, except for the last one. */
const minChunkBytes = 65_536;

/** "Version needed to extract": with DEFLATE and folders, and with ZIP64. */
const deflateVersion = 20;
const zip64Version = 45;

/** "Version made by" with Unix as the host system, so that the external attributes hold Unix permissions. */
const madeBy = (3 << 8) | zip64Version;
const fileMode = 0o100_600;

/** Bit 3: sizes follow the data. Bit 11: names are UTF-8. */
const flags = (1 << 3) | (1 << 11);
const deflate = 8;

/**
 * Writes an archive while its files are read, as specified by PKWARE's APPNOTE 6.3. Memory holds only the directory
 * entries of written files, about 100 bytes each. Sizes follow the data, since they are not known before. All files use
 * the DEFLATE method, also those that are not compressed: readers that stream cannot find the end of stored entries. The
 * directory is ZIP64 from 65,535 files or 4 GiB on.
 * @throws errors from reading a file; Error for a file of 4 GiB or more. The archive is then incomplete and invalid
 */
export function zip(entries: AsyncIterable<ZipEntry>): AsyncGenerator<Buffer, undefined> {
  return joined(parts(entries));
}

async function* parts(entries: AsyncIterable<ZipEntry>): AsyncGenerator<Buffer, undefined> {
  const directory: Buffer[] = [];
  let offset = 0;
  for await (const entry of entries) {
    const name = Buffer.from(entry.path);
    const modified = dosTime(entry.modifiedAt);
    const head = localHeader(name, modified);
    yield head;
    const sums = { crc: 0, compressedSize: 0, size: 0 };
    for await (const chunk of compress(entry, sums)) yield chunk;
    if (sums.size > max32 || sums.compressedSize > max32)
      throw new Error(`${entry.path} is larger than 4 GiB.`);
    const tail = descriptor(sums);
    yield tail;
    directory.push(directoryRecord({ name, modified, ...sums, offset }));
    offset += head.length + sums.compressedSize + tail.length;
  }
  yield* directory;
  const directorySize = directory.reduce((size, record) => size + record.length, 0);
  yield endOfDirectory({ count: directory.length, size: directorySize, offset });
}

/** Joins small chunks, since a network write for each of them would dominate the cost. */
async function* joined(small: AsyncIterable<Buffer>): AsyncGenerator<Buffer, undefined> {
  let waiting: Buffer[] = [];
  let size = 0;
  for await (const part of small) {
    waiting.push(part);
    size += part.length;
    if (size < minChunkBytes) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    size = 0;
  }
  yield Buffer.concat(waiting);
}

/** @param sums - updated with each chunk */
async function* compress({ bytes, isCompressible }: ZipEntry, sums: Sums): AsyncGenerator<Buffer> {
  const read = counted(bytes, sums);
  for await (const chunk of isCompressible ? deflated(read) : uncompressed(read)) {
    sums.compressedSize += chunk.length;
    yield chunk;
  }
}

async function* counted(bytes: AsyncIterable<Uint8Array>, sums: Sums): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    sums.crc = crc32(chunk, sums.crc);
    sums.size += chunk.length;
    yield chunk;
  }
}

async function* deflated(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const deflater = createDeflateRaw();
  const deflating = pipeline(Readable.from(bytes, { objectMode: false, highWaterMark: 65_536 }), deflater);
  // The loop below throws the same error.
  deflating.catch(() => undefined);
  for await (const chunk of deflater as AsyncIterable<Buffer>) yield chunk;
  await deflating;
}

/** Writes DEFLATE blocks without compression (RFC 1951, 3.2.4). */
async function* uncompressed(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of bytes) {
    for (let start = 0; start < chunk.length; start += max16) {
      const block = chunk.subarray(start, start + max16);
      yield blockHeader(block.length, false);
      yield Buffer.from(block.buffer, block.byteOffset, block.length);
    }
  }
  yield blockHeader(0, true);
}

function blockHeader(length: number, isLast: boolean): Buffer {
  return Buffer.concat([Buffer.of(isLast ? 1 : 0), u16(length, ~length & max16)]);
}

function localHeader(name: Buffer, modified: Buffer): Buffer {
  const method = u16(deflateVersion, flags, deflate);
  const noSums = u32(0, 0, 0);
  return Buffer.concat([u32(0x04034b50), method, modified, noSums, u16(name.length, 0), name]);
}

function descriptor({ crc, compressedSize, size }: Sums): Buffer {
  return u32(0x08074b50, crc, compressedSize, size);
}

function directoryRecord({ name, modified, crc, compressedSize, size, offset }: DirectoryEntry): Buffer {
  const needsZip64 = offset >= max32;
  const zip64Field = needsZip64 ? Buffer.concat([u16(1, 8), u64(offset)]) : Buffer.alloc(0);
  return Buffer.concat([
    u32(0x02014b50),
    u16(madeBy, needsZip64 ? zip64Version : deflateVersion, flags, deflate),
    modified,
    u32(crc, compressedSize, size),
    // No comment, the first disk, no internal attributes.
    u16(name.length, zip64Field.length, 0, 0, 0),
    u32(fileMode * 0x1_0000, needsZip64 ? max32 : offset),
    name,
    zip64Field,
  ]);
}

/** The end of central directory record, preceded by the ZIP64 record and locator if a value does not fit. */
function endOfDirectory({ count, size, offset }: { count: number; size: number; offset: number }): Buffer {
  const [count16, size32, offset32] = [
    Math.min(count, max16),
    Math.min(size, max32),
    Math.min(offset, max32),
  ];
  const end = [u32(0x06054b50), u16(0, 0, count16, count16), u32(size32, offset32), u16(0)];
  if (count < max16 && size < max32 && offset < max32) return Buffer.concat(end);
  const record = [u16(madeBy, zip64Version), u32(0, 0), u64(count, count, size, offset)];
  const locator = [u32(0x07064b50, 0), u64(offset + size), u32(1)];
  return Buffer.concat([u32(0x06064b50), u64(44), ...record, ...locator, ...end]);
}

/** A DOS timestamp in UTC with a resolution of two seconds: time, then date. */
function dosTime(at: Date): Buffer {
  const year = Math.min(Math.max(at.getUTCFullYear(), 1980), 2107);
  const time = (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1);
  const date = ((year - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate();
  return u16(time, date);
}

/** Fields of 16, 32 and 64 bits, in little-endian order. */
const u16 = (...values: number[]): Buffer => fields(2, values);
const u32 = (...values: number[]): Buffer => fields(4, values);
const u64 = (...values: number[]): Buffer => fields(8, values);

function fields(bytes: 2 | 4 | 8, values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(bytes * values.length);
  values.forEach((value, index) => {
    if (bytes === 8) buffer.writeBigUInt64LE(BigInt(value), index * bytes);
    else buffer.writeUIntLE(value, index * bytes, bytes);
  });
  return buffer;
}
