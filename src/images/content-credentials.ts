/** Whether the box at `at` is a store of C2PA manifests: a JUMBF superbox whose type begins with `c2pa`. */
export function isManifest(bytes: Buffer, at: number): boolean {
  const [box, description, type] = [4, 12, 16].map((from) =>
    bytes.toString('latin1', at + from, at + from + 4),
  );
  return box === 'jumb' && description === 'jumd' && type === 'c2pa';
}

/** Whether the segment at `at` has a part of a JUMBF box (APP11, ISO/IEC 19566-5). */
function isJumbfSegment(bytes: Buffer, at: number): boolean {
  return (
    bytes[at + 1] === 0xeb &&
    bytes.toString('latin1', at + 4, at + 6) === 'JP' &&
    bytes.toString('latin1', at + 16, at + 20) === 'jumb'
  );
}

/** The C2PA manifest of a JPEG: one box, in numbered segments that each repeat its number and its head. */
export class JpegManifest {
  private head: string | null = null;
  /** The number of the last segment, from 1 on. */
  private sequence = 0;
  /** The number of bytes of the box in later segments. */
  private missing = 0;

  constructor(private readonly bytes: Buffer) {}

  get isFound(): boolean {
    return this.head !== null;
  }

  /** Also without a manifest. */
  get isWhole(): boolean {
    return this.missing === 0;
  }

  /** Takes the segment at `at` if it is the next one of the manifest. Segments of other boxes are never taken. */
  take(at: number): boolean {
    const { bytes, sequence } = this;
    if (!isJumbfSegment(bytes, at) || bytes.readUInt32BE(at + 8) !== sequence + 1) return false;
    const head = bytes.toString('hex', at + 6, at + 8) + bytes.toString('hex', at + 12, at + 20);
    if (this.head === null ? !isManifest(bytes, at + 12) : head !== this.head) return false;
    const before = this.head === null ? bytes.readUInt32BE(at + 12) - 8 : this.missing;
    const missing = before - (bytes.readUInt16BE(at + 2) - 18);
    if (missing < 0) return false;
    this.head = head;
    this.sequence += 1;
    this.missing = missing;
    return true;
  }
}
