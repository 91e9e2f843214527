import sharp, { type Sharp } from 'sharp';
import { verifyResult } from '../../src/images/result-image';
import {
  emptyZip,
  jpegSegment,
  pngChunk,
  privateMarker,
  withChunks,
  withSegments,
} from '../support/picture-bytes';
import { face } from '../support/pictures';

const avatar = (): Sharp => face(7, { width: 512, height: 512 });

/** A box: length, type, content. */
function box(type: string, ...content: Buffer[]): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(Buffer.concat(content).length + 8);
  return Buffer.concat([size, Buffer.from(type, 'latin1'), ...content]);
}

/** A JUMBF superbox of one of C2PA's types, with a label and boxes in it. */
function superbox(type: string, label: string, children: Buffer[], salt?: Buffer): Buffer {
  const uuid = Buffer.concat([Buffer.from(type, 'latin1'), Buffer.from('00110010800000aa00389b71', 'hex')]);
  const described = [uuid, Buffer.from([salt ? 0x13 : 0x03]), Buffer.from(`${label}\0`)];
  return box('jumb', box('jumd', ...described, ...(salt ? [salt] : [])), ...children);
}

const cbor = (length = 300): Buffer => box('cbor', Buffer.alloc(length, 7));
const assertion = (label: string, children = [cbor()], type = 'cbor', salt?: Buffer): Buffer =>
  superbox(type, label, children, salt);

const actions = assertion('c2pa.actions.v2');

/** A manifest as generators write it. */
function manifest(assertions: Buffer[] = [actions], others: Buffer[] = []): Buffer {
  return superbox('c2ma', 'urn:c2pa:1', [
    superbox('c2as', 'c2pa.assertions', assertions),
    superbox('c2cl', 'c2pa.claim.v2', [cbor()]),
    superbox('c2cs', 'c2pa.signature', [cbor(9_000)]),
    ...others,
  ]);
}

const store = (...manifests: Buffer[]): Buffer => superbox('c2pa', 'c2pa', manifests);

const plain = store(manifest([actions, assertion('c2pa.hash.data'), assertion('c2pa.actions__2')]));
/** A box of a vendor. */
const unknownBox = superbox('priv', 'vendor', [box('json', Buffer.alloc(500, 7))]);

/** The box in APP11 segments, each of which repeats the head of the box. */
function segments(of: Buffer): Buffer[] {
  return [of.subarray(0, 300), Buffer.concat([of.subarray(0, 8), of.subarray(300)])].map((part, index) =>
    jpegSegment(0xeb, Buffer.concat([Buffer.from([0x4a, 0x50, 0, 1, 0, 0, 0, index + 1]), part])),
  );
}

async function webpWith(chunk: Buffer): Promise<Buffer> {
  const webp = await avatar().ensureAlpha(0.5).webp().toBuffer();
  const head = Buffer.from('C2PA\0\0\0\0', 'latin1');
  head.writeUInt32LE(chunk.length, 4);
  const whole = Buffer.concat([webp, head, chunk, Buffer.alloc(chunk.length % 2)]);
  whole.writeUInt32LE(whole.length - 8, 4);
  return whole;
}

const makers: Record<string, (of: Buffer) => Promise<Buffer>> = {
  jpeg: async (of) => withSegments(await avatar().jpeg().toBuffer(), ...segments(of)),
  png: async (of) => withChunks(await avatar().png().toBuffer(), pngChunk('caBX', of)),
  webp: webpWith,
};

describe('a picture with a C2PA manifest', () => {
  it.each(Object.entries(makers))('is stored unchanged as %s', async (format, make) => {
    const bytes = await make(plain);
    expect(await verifyResult(bytes)).toMatchObject({
      ...{ clean: null, hasContentCredentials: true, contentType: `image/${format}` },
    });
  });

  it.each(Object.entries(makers))('is not a %s with another box', async (_format, make) => {
    const { clean, hasContentCredentials } = await verifyResult(await make(unknownBox));
    expect(hasContentCredentials).toBe(false);
    expect(clean!.includes('priv')).toBe(false);
  });

  it.each(Object.entries(makers))(
    'is stored without one that is not harmless as %s',
    async (_format, make) => {
      const { clean, hasContentCredentials } = await verifyResult(
        await make(store(manifest([actions, assertion('c2pa.thumbnail.ingredient.jpeg')]))),
      );
      expect(hasContentCredentials).toBe(false);
      expect(clean!.includes('c2pa')).toBe(false);
    },
  );

  it.each<[string, Buffer]>([
    ['hashes', store(manifest([assertion('c2pa.hash.boxes'), assertion('c2pa.hash.data__1')]))],
    ['several manifests', store(manifest(), manifest())],
    ['salts', store(manifest([assertion('c2pa.actions', [cbor()], 'cbor', box('c2sh', Buffer.alloc(32)))]))],
  ])('is kept with %s', async (_, of) => {
    expect(await verifyResult(await makers.png!(of))).toMatchObject({
      clean: null,
      hasContentCredentials: true,
    });
  });

  it.each<[string, Buffer]>([
    ['a thumbnail', store(manifest([assertion('c2pa.thumbnail.claim.jpeg')]))],
    ['an ingredient', store(manifest([assertion('c2pa.ingredient.v3')]))],
    ['EXIF', store(manifest([assertion('stds.exif')]))],
    ['an author', store(manifest([assertion('stds.schema-org.CreativeWork')]))],
    ['an unknown assertion', store(manifest([assertion('c2pa.actions.photo')]))],
    ['an embedded file', store(manifest([assertion('c2pa.actions', [box('bidb', Buffer.alloc(9))])]))],
    ['an assertion of another type', store(manifest([assertion('c2pa.actions', [cbor()], 'json')]))],
    ['two contents', store(manifest([assertion('c2pa.actions', [cbor(), cbor()])]))],
    ['an assertion as long as a picture', store(manifest([assertion('c2pa.actions', [cbor(16_385)])]))],
    [
      'a long salt',
      store(manifest([assertion('c2pa.actions', [cbor()], 'cbor', box('c2sh', Buffer.alloc(41)))])),
    ],
    [
      'another box after the label',
      store(manifest([assertion('c2pa.actions', [cbor()], 'cbor', box('exif'))])),
    ],
    ['a plain box beside the assertions', store(manifest([cbor()]))],
    ['a data box', store(manifest([actions], [superbox('c2db', 'c2pa.databoxes', [cbor()])]))],
    ['a harmless one and another', store(manifest(), manifest([assertion('c2pa.ingredient')]))],
    ['an update manifest', store(superbox('c2um', 'urn:c2pa:2', []))],
    ['no manifest', store()],
    ['a second store', Buffer.concat([plain, plain])],
    ['an incomplete box', store(manifest(), cbor().subarray(0, 200))],
    [
      'another type of the same name',
      Buffer.from(plain.toString('latin1').replace('\x00\x11\x00\x10', 'exif'), 'latin1'),
    ],
  ])('is not kept with %s', async (_, of) => {
    const { clean, hasContentCredentials } = await verifyResult(await makers.png!(of));
    expect(hasContentCredentials).toBe(false);
    expect(clean!.includes('caBX')).toBe(false);
  });

  it.each([
    [
      'jpeg, beside another box',
      async () => withSegments(await makers.jpeg!(unknownBox), ...segments(plain)),
    ],
    [
      'jpeg, before another box',
      async () => withSegments(await makers.jpeg!(plain), ...segments(unknownBox)),
    ],
    ['png, with bytes after the box', () => makers.png!(Buffer.concat([plain, Buffer.from('priv')]))],
    ['webp, with bytes after the box', () => makers.webp!(Buffer.concat([plain, Buffer.from('priv')]))],
  ])('is stored without it: %s', async (_, make) => {
    const { clean, hasContentCredentials } = await verifyResult(await make());
    expect(hasContentCredentials).toBe(false);
    expect([clean!.includes('priv'), clean!.includes('c2pa')]).toEqual([false, false]);
  });

  it('is stored without it if the file contains other data', async () => {
    const bytes = Buffer.concat([await makers.jpeg!(plain), emptyZip(privateMarker)]);
    const { clean, hasContentCredentials } = await verifyResult(bytes);
    expect(hasContentCredentials).toBe(false);
    expect([clean!.includes(privateMarker), clean!.includes('c2pa')]).toEqual([false, false]);
    expect((await sharp(clean!).metadata()).width).toBe(512);
  });

  it('has no manifest without one', async () => {
    expect((await verifyResult(await avatar().jpeg().toBuffer())).hasContentCredentials).toBe(false);
  });
});
