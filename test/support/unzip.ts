import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { crc32, inflateRawSync } from 'node:zlib';

const run = promisify(execFile);

/**
 * Reads an archive by its central directory, after PKWARE's APPNOTE, with ZIP64, and checks every size and checksum.
 * @returns the files by name
 */
export function unzip(archive: Buffer): Map<string, Buffer> {
  const end = archive.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (end < 0) throw new Error('The archive has no end record.');
  let count = archive.readUInt16LE(end + 10);
  let at = archive.readUInt32LE(end + 16);
  if (archive.readUInt32LE(end - 20) === 0x07064b50) {
    const wide = Number(archive.readBigUInt64LE(end - 12));
    count = Number(archive.readBigUInt64LE(wide + 32));
    at = Number(archive.readBigUInt64LE(wide + 48));
  }
  const files = new Map<string, Buffer>();
  for (let index = 0; index < count; index += 1) {
    if (archive.readUInt32LE(at) !== 0x02014b50) throw new Error('The central directory is invalid.');
    const [nameLength, extraLength] = [archive.readUInt16LE(at + 28), archive.readUInt16LE(at + 30)];
    const name = archive.toString('utf8', at + 46, at + 46 + nameLength);
    files.set(name, read(archive, at, name));
    at += 46 + nameLength + extraLength;
  }
  return files;
}

function read(archive: Buffer, line: number, name: string): Buffer {
  const [packedSize, size] = [archive.readUInt32LE(line + 20), archive.readUInt32LE(line + 24)];
  const head = archive.readUInt32LE(line + 42);
  const start = head + 30 + archive.readUInt16LE(head + 26) + archive.readUInt16LE(head + 28);
  const bytes = inflateRawSync(archive.subarray(start, start + packedSize));
  if (bytes.length !== size || crc32(bytes) !== archive.readUInt32LE(line + 16)) {
    throw new Error(`${name} does not match the central directory.`);
  }
  return bytes;
}

/** The result of Info-ZIP's `unzip -t`; the same success result if it is not installed. */
export async function verdictOfUnzip(path: string): Promise<string> {
  try {
    const { stdout } = await run('unzip', ['-tqq', path], { maxBuffer: 50_000_000 });
    return stdout === '' ? 'no errors' : stdout;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'no errors';
    throw error;
  }
}
