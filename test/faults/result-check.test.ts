import { rm, truncate, writeFile } from 'node:fs/promises';
import { Client, type StoredAvatar } from '../support/client';
import { findViolations, rowId } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending, prepareFixtures, order } from '../support/faults-jobs';
import { media } from '../support/faults-pictures';
import { eventually } from '../support/until';

jest.setTimeout(240_000);

const damages: { problem: string; damage: (path: string) => Promise<void> }[] = [
  { problem: 'missing', damage: (path) => rm(path) },
  { problem: 'cut', damage: (path) => truncate(path, 1_000) },
  { problem: 'changed', damage: (path) => writeFile(path, '<html>gateway timeout</html>') },
];

describe('a stored picture', () => {
  let environment: FaultsEnvironment;

  beforeAll(async () => {
    environment = await FaultsEnvironment.open();
    await prepareFixtures(environment);
  });

  afterAll(() => environment.stop());

  /** A stored avatar, and the paths of its file and its preview. */
  const stored = async (
    suffix = '.picture',
  ): Promise<{ avatar: StoredAvatar; generationId: string; path: string }> => {
    const { id } = await order(environment, 'generation');
    await ending(environment, 'generation', id);
    const [avatar] = await environment.client.avatars(id);
    const files = [...(await media(environment))];
    const [, path] = files.find(([key]) => key.includes(rowId(avatar!.id)) && key.endsWith(suffix))!;
    return { avatar: avatar!, generationId: id, path };
  };

  /** Waits for an error in the log, which arrives independently of responses. */
  const isLogged = (message: RegExp): Promise<unknown> =>
    eventually(
      `an error that matches ${String(message)}`,
      async () => environment.gateway.said(message, 'error'),
      (lines) => lines.length > 0,
    );

  const statusOf = async (url: string): Promise<number> => {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.status;
  };

  it.each(damages)('is fetched again when its file is $problem', async ({ damage }) => {
    const { avatar, generationId, path } = await stored();
    await damage(path);
    // Detected by its size on read, and not served.
    expect(await statusOf(avatar.url)).toBe(503);
    await eventually(
      'the repaired picture',
      () => statusOf(avatar.url),
      (status) => status === 200,
    );
    const [again] = await environment.client.avatars(generationId);
    expect(again).toMatchObject({ id: avatar.id, sha256: avatar.sha256 });
    await isLogged(/a stored picture is damaged; it is fetched again/);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('is detected by the periodic check when its bytes changed but not its size', async () => {
    const { avatar, path } = await stored();
    const before = await environment.gateway.metric('likeness_pictures_damaged_total');
    await writeFile(path, Buffer.alloc(avatar.byteSize, 7));
    await environment.rows('UPDATE avatars SET check_at = now() WHERE id = $1', [rowId(avatar.id)]);
    await eventually(
      'the repaired picture',
      async () =>
        (await environment.rows<{ damaged_at: Date | null }>('SELECT damaged_at FROM avatars')).every(
          ({ damaged_at: damagedAt }) => damagedAt === null,
        ) && (await environment.gateway.metric('likeness_pictures_damaged_total')) > before,
      (isDone) => isDone,
    );
    expect(await findViolations(environment)).toEqual([]);
  });

  it('is checked less often the older it is, up to MEDIA_CHECK_INTERVAL', async () => {
    const { avatar } = await stored();
    const daysUntilCheck = async (ageDays: number): Promise<number> => {
      await environment.rows(
        `UPDATE avatars SET created_at = now() - $2 * interval '1 day', check_at = now() WHERE id = $1`,
        [rowId(avatar.id), ageDays],
      );
      const days = `extract(epoch FROM check_at - now())::float8 / 86400 AS days`;
      const [row] = await eventually(
        'the next check',
        () =>
          environment.rows<{ days: number }>(`SELECT ${days} FROM avatars WHERE id = $1`, [rowId(avatar.id)]),
        ([found]) => found!.days > 0.5,
      );
      return row!.days;
    };
    expect(Math.round(await daysUntilCheck(3))).toBe(3);
    expect(Math.round(await daysUntilCheck(400))).toBe(7);
  });

  it('is not served when it cannot be fetched again, until its file is restored', async () => {
    const { avatar, path } = await stored();
    const bytes = Buffer.from(await (await fetch(avatar.url)).arrayBuffer());
    const id = rowId(avatar.id);
    await environment.rows(`UPDATE avatars SET expires_at = now() - interval '1 h' WHERE id = $1`, [id]);
    await writeFile(path, '<html>gateway timeout</html>');
    expect(await statusOf(avatar.url)).toBe(503);
    await eventually(
      'a response without pictures',
      () => statusOf(avatar.url),
      (status) => status === 404,
    );
    await isLogged(/restore its file from a backup/);
    await writeFile(path, bytes);
    await environment.rows('UPDATE avatars SET check_at = now() WHERE id = $1', [id]);
    await eventually(
      'the restored picture',
      () => statusOf(avatar.url),
      (status) => status === 200,
    );
    expect(await findViolations(environment)).toEqual([]);
  });

  it('gets a new preview when the preview is damaged', async () => {
    const { avatar, path } = await stored('.preview.jpg');
    const client = new Client(() => environment.gateway.url);
    const query = 'query ($id: ID!) { node(id: $id) { ... on Avatar { url(size: PREVIEW) } } }';
    const { node } = await client.request<{ node: { url: string } }>(query, { id: avatar.id });
    await rm(path);
    expect(await statusOf(node.url)).toBe(503);
    await eventually(
      'the preview',
      () => statusOf(node.url),
      (status) => status === 200,
    );
    await writeFile(path, 'changed');
    await environment.rows('UPDATE avatars SET check_at = now() WHERE id = $1', [rowId(avatar.id)]);
    await eventually(
      'the preview, made again',
      async () => (await (await fetch(node.url)).arrayBuffer()).byteLength,
      (size) => size > 100,
    );
    expect(await findViolations(environment)).toEqual([]);
  });
});
