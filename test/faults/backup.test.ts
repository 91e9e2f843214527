import { createHash } from 'node:crypto';
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { newId } from '../../src/core/ids';
import { createLogger } from '../../src/core/logger';
import { startSandbox, type Sandbox } from '../../src/sandbox/sandbox';
import { Client, uuidOf } from '../support/client';
import { likeness, type CommandResult } from '../support/command-line';
import { TestDatabase } from '../support/database';
import { newDataDir, type Settings } from '../support/environment';
import type { Feed } from '../support/feed';
import { TestGateway } from '../support/gateway';

jest.setTimeout(240_000);

const speed = 2_000;

let sandbox: Sandbox;
let folder: string;
let original: TestGateway;

const upstream = (): Settings => ({
  UPSTREAM: 'picsart',
  PICSART_BASE_URL: sandbox.url,
  PICSART_API_KEY: sandbox.apiKey,
  POLL_SPEED: String(speed),
  UNCERTAIN_GRACE: '10m',
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'likeness-backup-'));
  sandbox = await startSandbox({ speed, port: 0, logger: createLogger('silent') });
  original = await TestGateway.start(upstream());
});
afterAll(async () => {
  await original.stop();
  await sandbox.stop();
  await rm(folder, { recursive: true, force: true });
});

const operateOn = (
  { databaseUrl, dataDir }: { databaseUrl: string; dataDir: string },
  ...words: string[]
): Promise<CommandResult> =>
  likeness(
    { ...(upstream() as Record<string, string>), DATABASE_URL: databaseUrl, DATA_DIR: dataDir },
    ...words,
  );

const backup = async (): Promise<string> => {
  const target = join(folder, newId());
  const { code, remarks } = await operateOn(original, 'backup', target);
  expect({ code, remarks }).toEqual({ code: 0, remarks: expect.stringContaining('protect it') });
  return target;
};

/** The pictures of a generation, as their owner downloads them. */
const pictures = async (client: Client, generationId: string): Promise<string[]> => {
  const avatars = await client.avatars(generationId);
  return Promise.all(
    avatars.map(async ({ id, url, sha256 }) => {
      const bytes = Buffer.from(await (await fetch(url)).arrayBuffer());
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
      return `${id} ${sha256}`;
    }),
  );
};

/** Where everything of the viewer is now. */
const activityCursor = async (client: Client): Promise<string> =>
  (await client.request<{ viewer: { activityCursor: string } }>('{ viewer { activityCursor } }')).viewer
    .activityCursor;

/** The first message of a subscription, which is left then. */
const firstOf = async <T>(feed: Feed<T>): Promise<T> => {
  const [first] = await feed.until((messages) => messages.length > 0);
  feed.drop();
  return first!;
};

const activityQuery = `subscription ($after: String) { activity(after: $after) { cursor isSnapshot isEstimate } }`;

describe('the backup of a running gateway', () => {
  it('restored elsewhere has all pictures, answers old cursors with a snapshot, and pays nothing again', async () => {
    const client = new Client(() => original.url);
    const { modelId, generationId, photoIds } = await client.settle();
    const before = await pictures(client, generationId);
    const activityBefore = await activityCursor(client);
    // The gateway works during the backup: generations begin and end.
    const busy = { isOver: false };
    const work = (async () => {
      while (!busy.isOver) {
        const { id } = await client.generate(modelId, [{ prompt: 'at work', count: 1 }]);
        await client.generationEnd(id);
      }
    })();
    expect(await operateOn(original, 'pause', 'picsart')).toMatchObject({ code: 0 });
    const { id: queued } = await client.train({ photoIds });
    const target = await backup();
    // After the backup the queued job is submitted and paid, and further events follow.
    await operateOn(original, 'resume', 'picsart');
    await client.becomes('model', queued, 'READY');
    busy.isOver = true;
    await work;
    await client.rename(modelId, 'after the backup');
    const cursor = await firstOf(client.followTraining(modelId));
    const activityLost = await activityCursor(client);
    const register = join(folder, 'models.jsonl');
    expect(await operateOn(original, 'export', '--out', register)).toMatchObject({ code: 0 });
    const paid = await sandbox.counts();

    const dataDir = await newDataDir();
    const restored = await TestGateway.start(
      { ...upstream(), DATA_DIR: dataDir },
      {
        prepare: async (databaseUrl) => {
          const result = await operateOn({ databaseUrl, dataDir }, 'restore', target);
          expect(result).toMatchObject({ code: 0, out: expect.stringContaining('Restored the backup of') });
          expect(result.remarks).toContain('may have been paid since');
        },
      },
    );
    try {
      const elsewhere = new Client(() => restored.url);
      expect(await pictures(elsewhere, generationId)).toEqual(before);
      expect(await firstOf(elsewhere.followTraining(modelId, cursor.cursor))).toMatchObject({
        isSnapshot: true,
      });
      for (const after of [activityBefore, activityLost]) {
        const activity = elsewhere.subscribe<{ isSnapshot: boolean }>(activityQuery, { after });
        expect(await firstOf(activity)).toMatchObject({ isSnapshot: true });
      }
      const there = { databaseUrl: restored.databaseUrl, dataDir };
      expect(JSON.parse((await operateOn(there, 'status', '--json')).out)).toMatchObject({
        accounts: [{ submissionsPauseReason: 'OPERATOR' }],
        operatorPauses: ['all'],
      });
      await operateOn(there, 'resume');
      expect(await elsewhere.model(queued)).toMatchObject({ status: 'UNCERTAIN' });
      // A register that is newer than the backup has its id.
      expect(await operateOn(there, 'import', register)).toMatchObject({
        code: 0,
        out: expect.stringContaining('1 that were UNCERTAIN continue.'),
      });
      await elsewhere.becomes('model', queued, 'READY');
      expect((await sandbox.counts()).trainings).toBe(paid.trainings);
      // New work is paid, which nothing of the queue before it was.
      await elsewhere.trained(await elsewhere.upload());
      const after = await sandbox.counts();
      expect(after).toMatchObject({ trainings: paid.trainings + 1, generations: paid.generations });
    } finally {
      await restored.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  it('has every row and every file exactly', async () => {
    const client = new Client(() => original.url);
    const { modelId, generationId } = await client.settle();
    const [database, dataDir] = [await TestDatabase.create(), await newDataDir()];
    for (const path of [original.dataDir, dataDir])
      await mkdir(join(path, 'media/lost+found'), { recursive: true });
    const target = await backup();
    expect(await readdir(join(target, 'tables'))).not.toContainEqual(expect.stringMatching(/^rate_/));
    const there = { databaseUrl: database.url, dataDir };
    const restored = await operateOn(there, 'restore', target, '--moved', '--json');
    expect(JSON.parse(restored.out)).toMatchObject({ uncertain: 0, pausedAccounts: 0 });
    const selections = [
      [`SELECT row_to_json(t)::text AS row FROM models t WHERE id = $1`, uuidOf(modelId)],
      [
        `SELECT row_to_json(t)::text AS row FROM avatars t WHERE generation_id = $1 ORDER BY id`,
        uuidOf(generationId),
      ],
      [`SELECT row_to_json(t)::text AS row FROM submissions t WHERE model_id = $1`, uuidOf(modelId)],
    ] as const;
    for (const [text, id] of selections) {
      const rows = await original.rows<{ row: string }>(text, [id]);
      expect(rows.length).toBeGreaterThan(0);
      expect(await database.rows(text, [id])).toEqual(rows);
    }
    const names = async (path: string): Promise<string[]> =>
      (await readdir(join(path, 'media'), { recursive: true }))
        .filter((name) => name.endsWith('.jpg'))
        .sort();
    expect(await names(dataDir)).toEqual(await names(original.dataDir));
    // The id of the original database.
    expect(await readdir(join(dataDir, 'media'))).not.toContain('.store');
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('is refused if it is incomplete, changed, or would overwrite something', async () => {
    const target = await backup();
    const [database, dataDir] = [await TestDatabase.create(), await newDataDir()];
    const restore = (from: string): Promise<CommandResult> =>
      operateOn({ databaseUrl: database.url, dataDir }, 'restore', from);
    expect(await operateOn(original, 'backup', target)).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('is not empty'),
    });
    expect(await operateOn(original, 'backup', '')).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('An argument is empty'),
    });
    expect(await restore(folder)).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('is not a complete backup'),
    });
    const other = await newDataDir();
    await new Client(() => original.url).upload(1);
    expect(
      await operateOn({ databaseUrl: original.databaseUrl, dataDir: other }, 'restore', target),
    ).toMatchObject({ code: 1, remarks: expect.stringContaining('The database is not empty') });
    const table = join(target, 'tables/models.jsonl.gz');
    for (const change of [() => appendFile(table, 'x'), () => writeFile(table, gzipSync(''))]) {
      await change();
      expect(await restore(target)).toMatchObject({
        code: 1,
        remarks: expect.stringContaining('was changed since the backup'),
      });
    }
    expect(await database.rows('SELECT 1 FROM models')).toEqual([]);
    const manifest = join(target, 'manifest.json');
    await truncate(manifest, 100);
    expect(await restore(target)).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('manifest.json was changed since the backup: it is not JSON. Copy'),
    });
    await writeFile(manifest, '{"format": 2}');
    expect(await restore(target)).toMatchObject({
      code: 1,
      remarks: expect.stringMatching(/not of this version[^]*Restore it with the version/),
    });
    await database.drop();
    for (const path of [dataDir, other]) await rm(path, { recursive: true, force: true });
  });

  it('is refused if files are missing, shorter, or links to other places', async () => {
    await new Client(() => original.url).upload(1);
    const target = await backup();
    const data = join(target, 'data');
    const [database, dataDir] = [await TestDatabase.create(), await newDataDir()];
    const tablesBefore = await database.rows(`SELECT 1 FROM pg_tables WHERE schemaname = 'public'`);
    const expectRefused = async (problem: string): Promise<void> => {
      const result = await operateOn({ databaseUrl: database.url, dataDir }, 'restore', target);
      expect(result).toMatchObject({ code: 1, remarks: expect.stringContaining(problem) });
      expect(await readdir(dataDir)).toEqual([]);
    };
    const files = await readdir(join(data, 'media'), { recursive: true, withFileTypes: true });
    const file = files.find((entry) => entry.isFile())!;
    const path = join(file.parentPath, file.name);
    const [away, secret] = [join(folder, newId()), join(folder, newId())];
    await writeFile(secret, 'of another user');

    await rename(path, away);
    await expectRefused(`${path} is missing`);
    await symlink(secret, path);
    await expectRefused('is neither a file nor a folder');
    await rm(path);
    await rename(away, path);
    await rename(data, away);
    await symlink(away, data);
    await expectRefused('is neither a file nor a folder');
    await rm(data);
    await rename(away, data);
    // The same size, one bit of another value.
    const bytes = await readFile(path);
    const changed = Buffer.from(bytes);
    changed[100]! ^= 1;
    await writeFile(path, changed);
    await expectRefused(`${path} was changed since the backup`);
    await writeFile(path, bytes);
    const added = join(data, 'media/added.jpg');
    await writeFile(added, 'x');
    await expectRefused(`${added} is not a file of the backup`);
    await rm(added);
    await truncate(path, 10);
    await expectRefused(`${path} was changed since the backup, or is incomplete`);
    // The database was not touched either.
    expect(await database.rows(`SELECT 1 FROM pg_tables WHERE schemaname = 'public'`)).toEqual(tablesBefore);

    const link = join(original.dataDir, 'media/link');
    await symlink(secret, link);
    expect(await operateOn(original, 'backup', join(folder, newId()))).toMatchObject({
      code: 1,
      remarks: expect.stringContaining(`${link} is neither a file nor a folder`),
    });
    await rm(link);
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('names pictures that are damaged, and none that is deleted meanwhile', async () => {
    const client = new Client(() => original.url);
    const { generationId } = await client.settle();
    const [damaged, lost] = await client.avatars(generationId);
    const files = await readdir(join(original.dataDir, 'media/avatars'), { recursive: true });
    const fileOf = (id: string): string =>
      join(
        original.dataDir,
        'media/avatars',
        files.find((name) => name.includes(uuidOf(id)) && name.endsWith('.picture'))!,
      );
    const bytes = await readFile(fileOf(damaged!.id));
    await writeFile(fileOf(damaged!.id), bytes.fill(0, 200, 300));
    await rm(fileOf(lost!.id));
    const target = join(folder, newId());
    const { out } = await operateOn(original, 'backup', target, '--json');
    expect(JSON.parse(out)).toMatchObject({ damaged: [damaged!.id, lost!.id].sort() });
    const { remarks } = await operateOn(original, 'backup', join(folder, newId()));
    expect(remarks).toContain('2 pictures were missing or damaged');
    expect(remarks).toContain(damaged!.id);
  });
});
