/** A JUMBF superbox (ISO/IEC 19566-5): the first four characters of its type, its label, and the boxes in it. */
interface Superbox {
  readonly type: string;
  readonly label: string;
  readonly children: readonly Box[];
}

/** A box: its type and content, which views the file. */
interface Box {
  readonly type: string;
  readonly content: Buffer;
}

/** The end of the types of C2PA's superboxes, after their first four characters. */
const typeSuffix = '00110010800000aa00389b71';

/** Flags of a description box: the box can be requested, has a label, has a private box, which is a salt. */
const describedBy = { requestable: 0x01, label: 0x02, salt: 0x10 } as const;

const maxSaltLength = 48;

/** Maximum lengths of contents in bytes: what hashes, actions and signatures need, but no picture of a useful size. */
const maxLengths = { c2as: 16_384, c2cl: 16_384, c2cs: 65_536 } as const;

/** The parts of a manifest: assertions, claim, signature. */
type PartType = keyof typeof maxLengths;

/**
 * Assertions about the picture itself. All others are possibly about its sources: thumbnails, ingredients, EXIF, IPTC,
 * authors, and those of vendors.
 */
const allowedAssertion = /^c2pa\.(actions(\.v2)?|hash\.(data|boxes))(__\d+)?$/;

/**
 * Whether a box is a store of C2PA manifests that contain only a claim, its signature, and assertions about what was done and
 * about hashes. Anything else, also what this version does not know, may contain data of the photos that the picture was
 * made from.
 */
export function isHarmlessManifest(box: Buffer): boolean {
  const [store, ...rest] = boxesIn(box) ?? [];
  if (store?.type !== 'jumb' || rest.length > 0) return false;
  const { type, children } = superboxIn(store.content) ?? nothing;
  return type === 'c2pa' && children.length > 0 && children.every(isHarmless);
}

const nothing: Superbox = { type: '', label: '', children: [] };

function isHarmless({ type, content }: Box): boolean {
  const manifest = type === 'jumb' ? superboxIn(content) : null;
  return manifest?.type === 'c2ma' && manifest.children.every(isHarmlessPart);
}

function isHarmlessPart({ type, content }: Box): boolean {
  const part = type === 'jumb' ? superboxIn(content) : null;
  if (!part || !isPartType(part.type)) return false;
  const max = maxLengths[part.type];
  if (part.type !== 'c2as') return isCbor(part.children, max);
  return part.children.every((child) => {
    const assertion = child.type === 'jumb' ? superboxIn(child.content) : null;
    return (
      assertion?.type === 'cbor' && allowedAssertion.test(assertion.label) && isCbor(assertion.children, max)
    );
  });
}

function isPartType(type: string): type is PartType {
  return Object.hasOwn(maxLengths, type);
}

function isCbor([box, ...rest]: readonly Box[], maxLength: number): boolean {
  return box?.type === 'cbor' && box.content.length <= maxLength && rest.length === 0;
}

/** The superbox with this content; null if its description is not as C2PA's are. */
function superboxIn(content: Buffer): Superbox | null {
  const [description, ...children] = boxesIn(content) ?? [];
  const head = description?.type === 'jumd' ? headIn(description.content) : null;
  return head && { ...head, children };
}

function headIn(bytes: Buffer): Pick<Superbox, 'type' | 'label'> | null {
  const labelEnd = bytes.indexOf(0, 17);
  if (labelEnd < 0 || bytes.toString('hex', 4, 16) !== typeSuffix) return null;
  const flags = bytes[16]!;
  const hasSalt = (flags & describedBy.salt) !== 0;
  if ((flags & ~describedBy.salt) !== (describedBy.requestable | describedBy.label)) return null;
  if (!isSalt(bytes.subarray(labelEnd + 1), hasSalt)) return null;
  return { type: bytes.toString('latin1', 0, 4), label: bytes.toString('utf8', 17, labelEnd) };
}

/** @param isExpected - otherwise there must be no bytes */
function isSalt(bytes: Buffer, isExpected: boolean): boolean {
  if (!isExpected) return bytes.length === 0;
  const boxes = bytes.length <= maxSaltLength ? boxesIn(bytes) : null;
  return boxes?.length === 1 && boxes[0]!.type === 'c2sh';
}

/** The boxes that fill `bytes`; null if they do not. C2PA's boxes have a length of four bytes. */
function boxesIn(bytes: Buffer): Box[] | null {
  const boxes: Box[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.length - at < 8 ? 0 : bytes.readUInt32BE(at);
    if (length < 8 || at + length > bytes.length) return null;
    boxes.push({
      type: bytes.toString('latin1', at + 4, at + 8),
      content: bytes.subarray(at + 8, at + length),
    });
    at += length;
  }
  return boxes;
}
