import { isHarmlessManifest } from './content-credentials';

/** Whether the segment at `at` has a part of a JUMBF box (APP11, ISO/IEC 19566-5). */
function isJumbfSegment(bytes: Buffer, at: number): boolean {
  return (
    bytes[at + 1] === 0xeb &&
    bytes.toString('latin1', at + 4, at + 6) === 'JP' &&
    bytes.toString('latin1', at + 16, at + 20) === 'jumb'
  );
}

/** The length of a segment's head: marker, length, `JP`, the number of the box, and the number of the segment. */
const headLength = 12;

/** The C2PA manifest of a JPEG: one box, in numbered segments that each repeat its number and its head. */
export class JpegManifest {
  private head: string | null = null;
  private readonly parts: Buffer[] = [];

  constructor(private readonly bytes: Buffer) {}

  get isFound(): boolean {
    return this.head !== null;
  }

  /** Whether all of it was found and is harmless; also without a manifest. */
  get isHarmless(): boolean {
    return !this.isFound || isHarmlessManifest(Buffer.concat(this.parts));
  }

  /** Takes the segment at `at` if it is the next one of the first box. */
  take(at: number): boolean {
    const { bytes, parts } = this;
    if (!isJumbfSegment(bytes, at) || bytes.readUInt32BE(at + 8) !== parts.length + 1) return false;
    const head = bytes.toString('hex', at + 6, at + 8) + bytes.toString('hex', at + 12, at + 20);
    if (this.head !== null && head !== this.head) return false;
    const from = at + headLength + (this.head === null ? 0 : 8);
    const to = at + 2 + bytes.readUInt16BE(at + 2);
    if (to < from) return false;
    this.head = head;
    parts.push(bytes.subarray(from, to));
    return true;
  }
}
