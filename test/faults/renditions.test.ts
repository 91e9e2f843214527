import { createHash, randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { digitalSourceType } from '../../src/images/ai-mark';
import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import { face } from '../support/pictures';
import { until } from '../support/until';

const formats = { JPEG: 'jpeg', WEBP: 'webp', AVIF: 'heif' } as const;
const sizes = { PX_128: 128, PX_256: 256, PX_512: 512, PX_1024: 1_024 } as const;

interface Picture {
  id: string;
  width: number;
  height: number;
  contentType: string;
  sha256: string;
}

let gateway: TestGateway;
let anna: Client;
let pictures: Picture[];
let generationId: string;

beforeAll(async () => {
  gateway = await TestGateway.start(jwtSettings);
  anna = await Client.of(gateway, 'anna');
  ({ generationId } = await anna.settle('by the sea', 3));
  const query = '{ avatars(orderBy: OLDEST) { nodes { id width height contentType sha256 } } }';
  pictures = (await anna.request<{ avatars: { nodes: Picture[] } }>(query)).avatars.nodes;
});

afterAll(async () => {
  anna.close();
  await gateway.stop();
});

/** The URL of a picture. `args` are as in GraphQL. */
async function urlOf(id: string, args: string, person = anna): Promise<string> {
  const query = `query ($id: ID!) { avatar(id: $id) { url${args} } }`;
  return (await person.request<{ avatar: { url: string } }>(query, { id })).avatar.url;
}

interface Answer {
  status: number;
  headers: Headers;
  bytes: Buffer;
}

async function get(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init);
  const { status, headers } = response;
  return { status, headers, bytes: Buffer.from(await response.arrayBuffer()) };
}

const renditions = (): Promise<{ id: string; name: string; read_at: Date }[]> =>
  gateway.rows('SELECT id, name, read_at FROM avatar_renditions ORDER BY name');

const renditionFiles = async (): Promise<string[]> =>
  (await gateway.rows<{ id: string }>('SELECT id FROM avatar_renditions')).map(({ id }) => id).sort();

/** The stored files that are neither photos, originals nor previews. */
const storedRenditions = async (): Promise<string[]> =>
  (await gateway.mediaFiles()).filter((name) => !name.includes('.')).sort();

const pathOf = (id: string): string => join(gateway.mediaDir, 'renditions', id.slice(-2), id);

/** Whether a file is the original of an avatar. */
const isOriginalOf = (id: string, name: string): boolean =>
  name.replaceAll('-', '').startsWith(id.split('_')[1]!) && name.endsWith('.picture');

describe('Avatar.url(size, format)', () => {
  it.each(Object.keys(sizes) as (keyof typeof sizes)[])(
    'gives pictures of %s in each format, never enlarged, with the AI mark',
    async (size) => {
      const { id, width, height } = pictures[0]!;
      const side = Math.max(width, height);
      for (const [format, decoder] of Object.entries(formats)) {
        const url = await urlOf(id, `(size: ${size}, format: ${format})`);
        const { status, headers, bytes } = await get(url);
        expect([status, headers.get('content-type')]).toEqual([200, `image/${format.toLowerCase()}`]);
        const found = await sharp(bytes).metadata();
        expect(found.format).toBe(decoder);
        expect(Math.max(found.width, found.height)).toBe(Math.min(side, sizes[size]));
        expect(found.xmpAsString).toContain(`${digitalSourceType}<`);
        expect([found.exif, found.icc, found.iptc]).toEqual([undefined, undefined, undefined]);
        expect(headers.get('cache-control')).toBe('private, max-age=3600, immutable');
      }
    },
  );

  it('gives JPEG for a size without a format, and the original for ORIGINAL', async () => {
    const { id, sha256, contentType } = pictures[0]!;
    expect(await urlOf(id, '(size: PX_512)')).toBe(await urlOf(id, '(size: PX_512, format: JPEG)'));
    expect(await urlOf(id, '')).toBe(await urlOf(id, '(size: ORIGINAL, format: null)'));
    const { headers, bytes } = await get(await urlOf(id, ''));
    expect(headers.get('content-type')).toBe(contentType);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
  });

  it('converts ORIGINAL, unless it has the format', async () => {
    const { id, width, height, contentType, sha256 } = pictures[0]!;
    for (const [format, decoder] of Object.entries(formats)) {
      const { bytes } = await get(await urlOf(id, `(size: ORIGINAL, format: ${format})`));
      expect(await sharp(bytes).metadata()).toMatchObject({ format: decoder, width, height });
      const isSame = createHash('sha256').update(bytes).digest('hex') === sha256;
      expect(isSame).toBe(contentType === `image/${format.toLowerCase()}`);
    }
  });

  it('gives the preview for PX_256 as JPEG, and PX_256 for PREVIEW in another format', async () => {
    const { id } = pictures[0]!;
    const [preview, small] = await Promise.all(
      ['(size: PREVIEW)', '(size: PX_256)'].map(async (args) => get(await urlOf(id, args))),
    );
    expect(preview!.bytes).toEqual(small!.bytes);
    expect(await urlOf(id, '(size: PREVIEW, format: WEBP)')).toBe(
      await urlOf(id, '(size: PX_256, format: WEBP)'),
    );
  });

  it('supports HEAD, ranges and ETag from the first demand on', async () => {
    const url = await urlOf(pictures[1]!.id, '(size: PX_512, format: WEBP)');
    const head = await get(url, { method: 'HEAD' });
    const whole = await get(url);
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(whole.bytes.length)]);
    expect(whole.headers.get('etag')).toBe(head.headers.get('etag'));
    const part = await get(url, { headers: { range: 'bytes=10-19' } });
    expect([part.status, part.bytes]).toEqual([206, whole.bytes.subarray(10, 20)]);
    const etag = whole.headers.get('etag')!;
    expect((await get(url, { headers: { 'if-none-match': etag } })).status).toBe(304);
  });

  it('refuses unknown names, and the signature of another size, format or picture', async () => {
    const url = await urlOf(pictures[0]!.id, '(size: PX_512, format: WEBP)');
    const other = pictures[1]!.id;
    const before = await renditionFiles();
    for (const [from, to, status] of [
      ['/512.webp', '/512.avif', 403],
      ['/512.webp', '/1024.webp', 403],
      ['/512.webp', '/original', 403],
      [pictures[0]!.id, other, 403],
      ['/512.webp', '/512.gif', 404],
      ['/512.webp', '/512', 404],
      ['/512.webp', '/99999.webp', 404],
      ['/512.webp', '/original.png', 404],
      ['/512.webp', '/preview.webp', 404],
      ['/512.webp', '/__proto__', 404],
    ] as const)
      expect([to, (await get(url.replace(from, to))).status]).toEqual([to, status]);
    expect(await renditionFiles()).toEqual(before);
    await anna.refusal('query ($id: ID!) { avatar(id: $id) { url(size: PX_77) } }', { id: other });
  });

  it('makes a rendition once for concurrent first demands, and stores it', async () => {
    const url = await urlOf(pictures[1]!.id, '(size: PX_1024, format: AVIF)');
    const before = await storedRenditions();
    const answers = await Promise.all(Array.from({ length: 10 }, () => get(url)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ headers }) => headers.get('etag'))).size).toBe(1);
    const after = await storedRenditions();
    expect(after).toHaveLength(before.length + 1);
    expect(after).toEqual(await renditionFiles());
    await get(url);
    expect(await storedRenditions()).toEqual(after);
  });

  it('keeps one rendition if two processes make it', async () => {
    const second = await gateway.startAnother({ DATA_DIR: gateway.dataDir, ROLE: 'api' });
    const url = await urlOf(pictures[1]!.id, '(size: ORIGINAL, format: AVIF)');
    const urls = [url, url.replace(gateway.url, second.url)];
    const answers = await Promise.all(urls.map((each) => get(each)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers[0]!.headers.get('etag')).toBe(answers[1]!.headers.get('etag'));
    await until(async () => (await storedRenditions()).length === (await renditionFiles()).length);
  });

  it('makes a rendition again whose file is missing or cut', async () => {
    const url = await urlOf(pictures[1]!.id, '(size: PX_128, format: WEBP)');
    const first = await get(url);
    const [row] = await gateway.rows<{ id: string }>(
      `SELECT id FROM avatar_renditions WHERE name = '128.webp' ORDER BY read_at DESC LIMIT 1`,
    );
    await rm(pathOf(row!.id));
    const { status } = await get(url);
    expect(status).toBe(503);
    expect((await get(url)).bytes).toEqual(first.bytes);
  });

  it('makes none of a damaged picture', async () => {
    const { id } = pictures[2]!;
    const url = await urlOf(id, '(size: PX_512, format: WEBP)');
    const original = (await gateway.mediaFiles()).find((name) => isOriginalOf(id, name))!;
    const uuid = original.slice(0, 36);
    await gateway.rows('UPDATE avatars SET sha256 = repeat($2, 64) WHERE id = $1', [uuid, '0']);
    const before = await renditionFiles();
    expect((await get(url)).status).toBe(503);
    expect(await renditionFiles()).toEqual(before);
    await gateway.rows(
      'UPDATE avatars SET sha256 = $2, damaged_at = NULL, due_at = NULL, lease = NULL WHERE id = $1',
      [uuid, pictures[2]!.sha256],
    );
  });

  it('deletes renditions that were not requested for RENDITION_RETENTION, and notes requests by the day', async () => {
    const url = await urlOf(pictures[0]!.id, '(size: PX_1024, format: WEBP)');
    expect(await get(url)).toMatchObject({ status: 200 });
    await gateway.rows(`UPDATE avatar_renditions SET read_at = now() - interval '25 hours'`);
    expect(await get(url)).toMatchObject({ status: 200 });
    const read = (await renditions()).filter(({ read_at: at }) => Date.now() - at.getTime() < 3_600_000);
    expect(read.map(({ name }) => name)).toEqual(['1024.webp']);
    await gateway.rows(`UPDATE avatar_renditions SET read_at = now() - interval '31 days' WHERE id <> $1`, [
      read[0]!.id,
    ]);
    await gateway.restart();
    await until(async () => (await renditions()).length === 1);
    await until(async () => (await storedRenditions()).length === 1);
    expect(await storedRenditions()).toEqual([read[0]!.id]);
  });

  it('makes renditions again of a picture that an earlier version replaced, and deletes the others', async () => {
    const url = await urlOf(pictures[1]!.id, '(size: PX_128, format: WEBP)');
    const before = await get(url);
    const name = (await gateway.mediaFiles()).find((each) => isOriginalOf(pictures[1]!.id, each))!;
    const uuid = name.slice(0, 36);
    const bytes = await face(11, { width: 640, height: 480 }).jpeg().toBuffer();
    const replaced = join(gateway.mediaDir, 'avatars', uuid.slice(-2), `${uuid}.${'e'.repeat(12)}.picture`);
    await writeFile(replaced, bytes);
    const read = '{ thumbhash provenance { hasContentCredentials } }';
    const query = `query ($id: ID!) { avatar(id: $id) ${read} }`;
    await gateway.rows('UPDATE avatars SET has_content_credentials = true WHERE id = $1', [uuid]);
    const known = await anna.request<{ avatar: { thumbhash: string } }>(query, { id: pictures[1]!.id });
    await gateway.rows('UPDATE avatars SET sha256 = $2, media_token = $3 WHERE id = $1', [
      uuid,
      createHash('sha256').update(bytes).digest('hex'),
      'e'.repeat(12),
    ]);
    const after = await get(url);
    expect(after.status).toBe(200);
    expect(after.bytes.equals(before.bytes)).toBe(false);
    expect((await get(url)).bytes.equals(after.bytes)).toBe(true);
    const { avatar } = await anna.request<{ avatar: { thumbhash: string } }>(query, { id: pictures[1]!.id });
    expect(avatar).toMatchObject({ provenance: { hasContentCredentials: false } });
    expect(avatar.thumbhash).not.toBe(known.avatar.thumbhash);
    await gateway.restart();
    await until(async () => {
      const of = await gateway.rows<{ name: string }>(
        'SELECT name FROM avatar_renditions WHERE avatar_id = $1',
        [uuid],
      );
      return of.length === 1;
    });
    await until(async () => (await storedRenditions()).length === (await renditionFiles()).length);
  });

  it('deletes renditions of avatars that an earlier version deleted', async () => {
    const [row] = await renditions();
    await gateway.rows('UPDATE avatar_renditions SET avatar_id = $2 WHERE id = $1', [row!.id, randomUUID()]);
    await gateway.restart();
    await until(async () => !(await renditionFiles()).includes(row!.id));
    await until(async () => !(await storedRenditions()).includes(row!.id));
    expect(await storedRenditions()).toEqual(await renditionFiles());
  });

  it('deletes renditions with their avatar, generation or owner', async () => {
    await get(await urlOf(pictures[0]!.id, '(size: PX_512)'));
    await get(await urlOf(pictures[1]!.id, '(size: PX_512)'));
    await anna.delete('deleteAvatar', pictures[0]!.id);
    await until(async () => (await storedRenditions()).length === 2);
    await anna.delete('deleteGeneration', generationId);
    await until(async () => (await storedRenditions()).length === 0);
    expect(await renditions()).toEqual([]);

    const erased = await Client.of(gateway, 'erased');
    const generation = (await erased.settle('by the sea', 1)).generationId;
    const [avatar] = await erased.avatars(generation);
    const url = await urlOf(avatar!.id, '(size: PX_512)', erased);
    expect((await get(url)).status).toBe(200);
    await erased.erase();
    expect((await get(url)).status).toBe(404);
    await until(async () => (await storedRenditions()).length === 0);
    expect(await renditions()).toEqual([]);
  });
});
