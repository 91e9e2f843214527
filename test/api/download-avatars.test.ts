import { createHash } from 'node:crypto';
import { rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromGlobalId, newId, toGlobalId } from '../../src/core/ids';
import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';
import { unzip } from '../support/unzip';

let gateway: TestGateway;
let anna: Client;
let settled: { modelId: string; generationId: string };

beforeAll(async () => {
  gateway = await TestGateway.start({ ...jwtSettings, MAX_DOWNLOAD_AVATARS: '4' });
  anna = await Client.of(gateway, 'anna');
  settled = await anna.settle('../by the sea', 3);
  // A damaged picture is not fetched again.
  await gateway.rows('UPDATE avatars SET expires_at = now()');
});

afterAll(async () => {
  anna.close();
  await gateway.stop();
});

interface Download {
  url: string;
  expiresAt: string;
  avatarCount: number;
  byteSize: number;
}

const mutation = `mutation ($select: AvatarSelectionInput!) {
  downloadAvatars(input: { select: $select }) { url expiresAt avatarCount byteSize } }`;

const webp = 'size: PX_128, format: WEBP';

/** @param picture - arguments in GraphQL */
async function offer(select: object, person = anna, picture = ''): Promise<Download> {
  const text = mutation.replace('select: $select', `select: $select ${picture}`);
  return (await person.request<{ downloadAvatars: Download }>(text, { select })).downloadAvatars;
}

async function filesAt(url: string): Promise<Map<string, Buffer>> {
  const response = await fetch(url);
  if (response.status !== 200) throw new Error(await response.text());
  return unzip(Buffer.from(await response.arrayBuffer()));
}

interface Avatar {
  id: string;
  sha256: string;
  byteSize: number;
}

async function avatars(): Promise<Avatar[]> {
  const query = '{ avatars(orderBy: OLDEST) { nodes { id sha256 byteSize } } }';
  return (await anna.request<{ avatars: { nodes: Avatar[] } }>(query)).avatars.nodes;
}

describe('downloadAvatars', () => {
  it('gives a URL of an archive with the originals, named by style and prompt', async () => {
    const all = await avatars();
    for (const select of [
      { modelId: settled.modelId },
      { generationId: settled.generationId },
      { ids: all.map(({ id }) => id) },
      { filter: { styles: ['realistic'] } },
    ]) {
      const { url, expiresAt, ...sizes } = await offer(select);
      expect(sizes).toEqual({
        avatarCount: 3,
        byteSize: all.reduce((sum, { byteSize }) => sum + byteSize, 0),
      });
      const leftMs = Date.parse(expiresAt) - Date.now();
      expect(leftMs).toBeGreaterThan(3_500_000);
      expect(leftMs).toBeLessThanOrEqual(3_600_000);
      const files = await filesAt(url);
      const extension = [...files.keys()][0]!.split('.').at(-1)!;
      expect([...files.keys()]).toEqual(
        [1, 2, 3].map((number) => `realistic-by-the-sea-${number}.${extension}`),
      );
      expect([...files.values()].map((bytes) => createHash('sha256').update(bytes).digest('hex'))).toEqual(
        all.map(({ sha256 }) => sha256),
      );
    }
    expect(
      await gateway.rows(`SELECT details FROM audit_log WHERE action = 'downloadAvatars' LIMIT 1`),
    ).toEqual([{ details: { avatars: 3 } }]);
    await gateway.rows('DELETE FROM avatar_downloads');
  });

  it('names every id without an avatar of the owner, and refuses other problems', async () => {
    const [own] = await avatars();
    const bob = await Client.of(gateway, 'bob');
    const ghost = toGlobalId('Avatar', newId());
    const problemsOf = async (select: object, person = anna): Promise<unknown> => {
      const { extensions } = await person.refusal(mutation, { select });
      return (extensions.problems as { path: unknown[]; code: string }[]).map(({ path, code }) => [
        path.join('.'),
        code,
      ]);
    };
    expect(await problemsOf({ ids: [own!.id, ghost] })).toEqual([['input.select.ids.1', 'NOT_FOUND']]);
    expect(await problemsOf({ ids: [own!.id] }, bob)).toEqual([['input.select.ids.0', 'NOT_FOUND']]);
    expect(await problemsOf({ ids: ['x', settled.modelId] })).toEqual([
      ['input.select.ids.0', 'NOT_FOUND'],
      ['input.select.ids.1', 'NOT_FOUND'],
    ]);
    for (const person of [anna, bob])
      expect(await problemsOf({ filter: { favorite: true } }, person)).toEqual([
        ['input.select', 'NOT_FOUND'],
      ]);
    expect(await problemsOf({ modelId: settled.modelId }, bob)).toEqual([['input.select', 'NOT_FOUND']]);
    expect(await problemsOf({ modelId: settled.generationId })).toEqual([
      ['input.select.modelId', 'NOT_FOUND'],
    ]);
    await gateway.rows(
      `INSERT INTO avatars (id, owner, generation_id, position, status, style, width, height, byte_size, content_type, sha256, placeholder)
       SELECT gen_random_uuid(), owner, generation_id, position + 10, status, 'extra', width, height, byte_size, content_type, sha256, placeholder
         FROM avatars WHERE owner = 'anna'`,
    );
    expect(await problemsOf({ filter: {} })).toEqual([['input.select', 'INVALID_INPUT']]);
    await gateway.rows(`DELETE FROM avatars WHERE style = 'extra'`);
  });

  it('converts the pictures to a size and format, and names them by it', async () => {
    const query = '{ avatars(orderBy: OLDEST) { nodes { url(size: PX_128, format: WEBP) } } }';
    const { avatars: shown } = await anna.request<{ avatars: { nodes: { url: string }[] } }>(query);
    const files = await filesAt((await offer({ modelId: settled.modelId }, anna, webp)).url);
    expect([...files.keys()]).toEqual([1, 2, 3].map((number) => `realistic-by-the-sea-${number}.webp`));
    for (const [index, bytes] of [...files.values()].entries()) {
      const response = await fetch(shown.nodes[index]!.url);
      expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
    }
    await gateway.rows('DELETE FROM avatar_downloads');
  });

  it('makes a rendition again whose file is lost, and leaves out a picture whose file is lost', async () => {
    const { url } = await offer({ modelId: settled.modelId }, anna, 'size: PX_512, format: WEBP');
    const whole = [...(await filesAt(url))];
    const [rendition] = await gateway.rows<{ id: string }>(
      `SELECT r.id FROM avatar_renditions r JOIN avatars a ON a.id = r.avatar_id WHERE name = '512.webp' ORDER BY a.id LIMIT 1`,
    );
    await truncate(join(gateway.mediaDir, 'renditions', rendition!.id.slice(-2), rendition!.id), 10);
    const originals = [...(await filesAt((await offer({ modelId: settled.modelId })).url))];
    const without = [...(await filesAt(url))];
    expect(without.map(([name]) => name.split('.')[0])).toEqual(whole.map(([name]) => name.split('.')[0]));
    expect(without[0]![1]).toEqual(originals[0]![1]);
    expect([...(await filesAt(url))]).toEqual(whole);
    const [first] = (await avatars()).map(({ id }) => fromGlobalId('Avatar', id));
    const isOriginal = (name: string): boolean => name.startsWith(first!) && name.endsWith('.picture');
    const file = join(
      gateway.mediaDir,
      'avatars',
      first!.slice(-2),
      (await gateway.mediaFiles()).find(isOriginal)!,
    );
    await rename(file, `${file}.away`);
    const { url: sized } = await offer({ modelId: settled.modelId }, anna, 'size: PX_1024, format: WEBP');
    expect([...(await filesAt(sized)).keys()]).toHaveLength(2);
    const damaged = 'SELECT id FROM avatars WHERE damaged_at IS NOT NULL';
    await until(async () => (await gateway.rows(damaged)).length === 1);
    await rename(`${file}.away`, file);
    await gateway.rows('UPDATE avatars SET damaged_at = NULL');
    await gateway.rows('DELETE FROM avatar_downloads');
  });

  it('has the original of a picture that cannot be converted, and not one that is damaged', async () => {
    const { url } = await offer({ modelId: settled.modelId }, anna, 'size: PX_512, format: AVIF');
    const [first, second] = (await avatars()).map(({ id }) => fromGlobalId('Avatar', id));
    const bytes = Buffer.from('not a picture');
    const isOriginal = (name: string): boolean => name.startsWith(first!) && name.endsWith('.picture');
    const file = (await gateway.mediaFiles()).find(isOriginal)!;
    await writeFile(join(gateway.mediaDir, 'avatars', first!.slice(-2), file), bytes);
    const hash = createHash('sha256').update(bytes).digest('hex');
    await gateway.rows('UPDATE avatars SET sha256 = $2, byte_size = $3 WHERE id = $1', [
      first,
      hash,
      bytes.length,
    ]);
    await gateway.rows('UPDATE avatars SET damaged_at = now() WHERE id = $1', [second]);
    const files = [...(await filesAt(url))];
    expect(files.map(([name]) => name)).toEqual([
      expect.stringMatching(/^realistic-by-the-sea-1[.](jpg|png|webp)$/),
      'realistic-by-the-sea-3.avif',
    ]);
    expect(files[0]![1]).toEqual(bytes);
    await gateway.rows('UPDATE avatars SET damaged_at = NULL');
    await gateway.rows('DELETE FROM avatar_downloads');
  });

  it('leaves out avatars that are deleted before they are read', async () => {
    const { url } = await offer({ modelId: settled.modelId });
    const [first] = await avatars();
    await anna.request('mutation ($id: ID!) { deleteAvatar(input: { id: $id }) { deletedId } }', {
      id: first!.id,
    });
    expect([...(await filesAt(url)).keys()].map((name) => name.replace(/[.].*/, ''))).toEqual([
      'realistic-by-the-sea-2',
      'realistic-by-the-sea-3',
    ]);
  });

  it('gives URLs that are signed, expire, and are limited in number', async () => {
    await gateway.rows('DELETE FROM avatar_downloads');
    const urls: string[] = [];
    for (let count = 0; count < 10; count += 1) urls.push((await offer({ modelId: settled.modelId })).url);
    const { extensions } = await anna.refusal(mutation, { select: { modelId: settled.modelId } });
    expect(extensions).toMatchObject({ code: 'RATE_LIMITED', maximum: 10 });
    const [other, late] = [new URL(urls[0]!), new URL(urls[0]!)];
    other.pathname = new URL(urls[1]!).pathname;
    late.searchParams.set('expires', String(Number(late.searchParams.get('expires')) + 60));
    for (const wrong of [other, late]) expect((await fetch(wrong)).status).toBe(403);
    await gateway.rows('UPDATE avatar_downloads SET expires_at = now()');
    expect((await fetch(urls[0]!)).status).toBe(404);
  });
});
