import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createDeflateRaw } from 'node:zlib';

/** A file to be put into an archive. */
export interface ZipEntry {
  /** With slashes: `avatars/avatar_….jpg`. */
  readonly path: string;
  readonly modifiedAt: Date;
  /** Read once, when the archive has come to it. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Whether it gets smaller by packing; pictures do not. */
  readonly isPackable: boolean;
}

/** What is counted of a file while it goes by: its checksum, and its bytes before and after packing. */
interface Sums {
  crc: number;
  packedSize: number;
  size: number;
}

/** What the directory at an archive's end says of a file. */
interface Listed extends Sums {
  readonly name: Buffer;
  readonly modified: Buffer;
  readonly offset: number;
}

/** The largest number of four bytes, and of two: in their place they mean "see the 64-bit field". */
const most32 = 0xffff_ffff;
const most16 = 0xffff;

/** How many bytes of an archive are handed on at once, at least. */
const gatheredBytes = 65_536;

/** Versions of the format: one with DEFLATE and folders, and one with 64-bit fields. */
const plainVersion = 20;
const wideVersion = 45;

/** Made under Unix, so that `externalAttributes` are Unix's: a file that its owner may read and write. */
const madeBy = (3 << 8) | wideVersion;
const fileMode = 0o100_600;

/** Bit 3: sizes stand after the bytes. Bit 11: names are UTF-8. */
const flags = (1 << 3) | (1 << 11);
const deflate = 8;

/**
 * Writes an archive while its files are read, after PKWARE's APPNOTE 6.3: nothing of a file is kept but its line in the
 * directory, some 100 bytes. Sizes follow the bytes, as nobody knows them before; and all files are "deflated", also
 * those that are not compressed, since readers that stream find the end of nothing else. From 65,535 files or 4 GiB on
 * the directory is ZIP64.
 * @throws what reading a file throws; Error for a file of 4 GiB or more. The archive is then no archive
 */
export function zip(entries: AsyncIterable<ZipEntry>): AsyncGenerator<Buffer, undefined> {
  return gathered(parts(entries));
}

async function* parts(entries: AsyncIterable<ZipEntry>): AsyncGenerator<Buffer, undefined> {
  const directory: Buffer[] = [];
  let offset = 0;
  for await (const entry of entries) {
    const name = Buffer.from(entry.path);
    const modified = dosTime(entry.modifiedAt);
    const head = localHead(name, modified);
    yield head;
    const sums = { crc: 0, packedSize: 0, size: 0 };
    for await (const packed of pack(entry, sums)) yield packed;
    if (sums.size > most32 || sums.packedSize > most32) throw new Error('A file has more than 4 GiB.');
    const tail = descriptor(sums);
    yield tail;
    directory.push(directoryLine({ name, modified, ...sums, offset }));
    offset += head.length + sums.packedSize + tail.length;
  }
  yield* directory;
  const directorySize = directory.reduce((size, line) => size + line.length, 0);
  yield ending({ count: directory.length, size: directorySize, offset });
}

/** Joins small parts: a write to the network for each would cost more than the files. */
async function* gathered(small: AsyncIterable<Buffer>): AsyncGenerator<Buffer, undefined> {
  let waiting: Buffer[] = [];
  let size = 0;
  for await (const part of small) {
    waiting.push(part);
    size += part.length;
    if (size < gatheredBytes) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    size = 0;
  }
  yield Buffer.concat(waiting);
}

/** @param sums - counted up while the bytes go by */
async function* pack({ bytes, isPackable }: ZipEntry, sums: Sums): AsyncGenerator<Buffer> {
  const read = counted(bytes, sums);
  for await (const chunk of isPackable ? deflated(read) : wrapped(read)) {
    sums.packedSize += chunk.length;
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
  const packer = createDeflateRaw();
  const packing = pipeline(Readable.from(bytes, { objectMode: false, highWaterMark: 65_536 }), packer);
  // Whoever reads the packer meets its error.
  packing.catch(() => undefined);
  for await (const chunk of packer as AsyncIterable<Buffer>) yield chunk;
  await packing;
}

/** As DEFLATE's blocks without compression (RFC 1951, 3.2.4): a bit for the last one, the length, its complement. */
async function* wrapped(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of bytes) {
    for (let start = 0; start < chunk.length; start += most16) {
      const block = chunk.subarray(start, start + most16);
      yield blockHead(block.length, false);
      yield Buffer.from(block.buffer, block.byteOffset, block.length);
    }
  }
  yield blockHead(0, true);
}

function blockHead(length: number, isLast: boolean): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(isLast ? 1 : 0, 0);
  head.writeUInt16LE(length, 1);
  head.writeUInt16LE(~length & most16, 3);
  return head;
}

function localHead(name: Buffer, modified: Buffer): Buffer {
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x04034b50, 0);
  head.writeUInt16LE(plainVersion, 4);
  head.writeUInt16LE(flags, 6);
  head.writeUInt16LE(deflate, 8);
  modified.copy(head, 10);
  head.writeUInt16LE(name.length, 26);
  return Buffer.concat([head, name]);
}

function descriptor({ crc, packedSize, size }: Sums): Buffer {
  const tail = Buffer.alloc(16);
  tail.writeUInt32LE(0x08074b50, 0);
  tail.writeUInt32LE(crc, 4);
  tail.writeUInt32LE(packedSize, 8);
  tail.writeUInt32LE(size, 12);
  return tail;
}

function directoryLine({ name, modified, crc, packedSize, size, offset }: Listed): Buffer {
  const isFar = offset >= most32;
  const wide = Buffer.alloc(isFar ? 12 : 0);
  if (isFar) {
    wide.writeUInt16LE(1, 0);
    wide.writeUInt16LE(8, 2);
    wide.writeBigUInt64LE(BigInt(offset), 4);
  }
  const line = Buffer.alloc(46);
  line.writeUInt32LE(0x02014b50, 0);
  line.writeUInt16LE(madeBy, 4);
  line.writeUInt16LE(isFar ? wideVersion : plainVersion, 6);
  line.writeUInt16LE(flags, 8);
  line.writeUInt16LE(deflate, 10);
  modified.copy(line, 12);
  line.writeUInt32LE(crc, 16);
  line.writeUInt32LE(packedSize, 20);
  line.writeUInt32LE(size, 24);
  line.writeUInt16LE(name.length, 28);
  line.writeUInt16LE(wide.length, 30);
  line.writeUInt32LE(fileMode * 0x1_0000, 38);
  line.writeUInt32LE(isFar ? most32 : offset, 42);
  return Buffer.concat([line, name, wide]);
}

/** Where the directory is: for all readers, and before it, where numbers are too large for them, in 64 bits. */
function ending({ count, size, offset }: { count: number; size: number; offset: number }): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Math.min(count, most16), 8);
  end.writeUInt16LE(Math.min(count, most16), 10);
  end.writeUInt32LE(Math.min(size, most32), 12);
  end.writeUInt32LE(Math.min(offset, most32), 16);
  if (count < most16 && size < most32 && offset < most32) return end;
  const wide = Buffer.alloc(56 + 20);
  wide.writeUInt32LE(0x06064b50, 0);
  wide.writeBigUInt64LE(44n, 4);
  wide.writeUInt16LE(madeBy, 12);
  wide.writeUInt16LE(wideVersion, 14);
  wide.writeBigUInt64LE(BigInt(count), 24);
  wide.writeBigUInt64LE(BigInt(count), 32);
  wide.writeBigUInt64LE(BigInt(size), 40);
  wide.writeBigUInt64LE(BigInt(offset), 48);
  wide.writeUInt32LE(0x07064b50, 56);
  wide.writeBigUInt64LE(BigInt(offset + size), 64);
  wide.writeUInt32LE(1, 72);
  return Buffer.concat([wide, end]);
}

/** A time in UTC to two seconds, as DOS wrote it: four bytes, time before date. */
function dosTime(at: Date): Buffer {
  const year = Math.min(Math.max(at.getUTCFullYear(), 1980), 2107);
  const time = (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1);
  const date = ((year - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate();
  const written = Buffer.alloc(4);
  written.writeUInt16LE(time, 0);
  written.writeUInt16LE(date, 2);
  return written;
}
