import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { newId } from '../../src/core/ids';
import { Client } from '../support/client';
import { likeness, type CommandResult } from '../support/command-line';
import { TestDatabase } from '../support/database';
import { newDataDir } from '../support/environment';
import { TestGateway } from '../support/gateway';
import { eventually, until } from '../support/until';

jest.setTimeout(240_000);

interface Installation {
  readonly databaseUrl: string;
  readonly dataDir: string;
}

let folder: string;
let original: TestGateway;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'likeness-backup-'));
  original = await TestGateway.start();
});
afterAll(async () => {
  await original.stop();
  await rm(folder, { recursive: true, force: true });
});

const settingsOf = ({ databaseUrl, dataDir }: Installation): Record<string, string> => ({
  DATABASE_URL: databaseUrl,
  DATA_DIR: dataDir,
});

const operateOn = (installation: Installation, ...words: string[]): Promise<CommandResult> =>
  likeness(settingsOf(installation), ...words);

/** Runs a command in a process that can write 8 KiB to each file: the effect of a full disk, also for root. */
const limited = async (installation: Installation, ...words: string[]): Promise<CommandResult> => {
  const program = join(__dirname, '../../dist/cli/likeness.js');
  const env = { ...process.env, ...settingsOf(installation) };
  try {
    const args = ['-c', 'ulimit -f 8; exec node "$0" "$@"', program, ...words];
    const { stdout, stderr } = await promisify(execFile)('bash', args, { env });
    return { code: 0, out: stdout, remarks: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, remarks: stderr };
  }
};

const backup = async (): Promise<string> => {
  const target = join(folder, newId());
  expect(await operateOn(original, 'backup', target)).toMatchObject({ code: 0 });
  return target;
};

describe('a backup', () => {
  it('keeps no data of an owner whose erasure began before or during it', async () => {
    const client = new Client(() => original.url);
    await client.settle();
    // An erasure that no worker has continued yet.
    const begunAt = new Date().toISOString();
    const begun = newId();
    await original.rows(
      `INSERT INTO erasures (id, owner, erased_at, due_at) VALUES ($1, 'owner-of-no-data', $2, now() + interval '1 hour')`,
      [begun, begunAt],
    );
    const pool = await original.database.pool(1);
    const target = join(folder, newId());
    // The backup waits after the begin of its snapshot.
    const { made, receipt } = await pool.transaction(async (sql) => {
      await sql.rows('LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE');
      const made = operateOn(original, 'backup', target);
      const waiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'api_keys'::regclass`;
      await until(async () => (await original.rows(waiting)).length > 0);
      const { receipt } = await client.erase();
      return { made, receipt };
    });
    expect(await made).toMatchObject({ code: 0 });
    await original.rows('DELETE FROM erasures WHERE id = $1', [begun]);
    const rows = gunzipSync(await readFile(join(target, 'tables/models.jsonl.gz'))).toString();
    expect(rows).not.toBe('');

    const dataDir = await newDataDir();
    const restored = await TestGateway.start(
      { DATA_DIR: dataDir },
      {
        prepare: async (databaseUrl) => {
          const { code, remarks } = await operateOn({ databaseUrl, dataDir }, 'restore', target);
          expect({ code, remarks }).toEqual({
            code: 0,
            remarks: expect.stringContaining('2 erasures were not complete'),
          });
        },
      },
    );
    try {
      const completed = `SELECT 1 FROM erasures WHERE id = ANY($1) AND completed_at IS NOT NULL`;
      await eventually(
        'the erasures',
        () => restored.rows(completed, [[receipt, begun]]),
        (found) => found.length === 2,
      );
      for (const table of ['photos', 'models', 'generations', 'avatars'])
        expect([table, await restored.rows(`SELECT 1 FROM ${table}`)]).toEqual([table, []]);
    } finally {
      await restored.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  it('is restored once by two restores at the same time', async () => {
    await new Client(() => original.url).upload(1);
    const target = await backup();
    const database = await TestDatabase.create();
    const dataDirs = [await newDataDir(), await newDataDir()];
    const results = await Promise.all(
      dataDirs.map((dataDir) => operateOn({ databaseUrl: database.url, dataDir }, 'restore', target)),
    );
    const problems = results.filter(({ code }) => code !== 0).map(({ remarks }) => remarks);
    expect(problems).toEqual([expect.stringContaining('The database is not empty')]);
    expect(await database.rows('SELECT 1 FROM photos')).toEqual(await original.rows('SELECT 1 FROM photos'));
    await database.drop();
    for (const path of dataDirs) await rm(path, { recursive: true, force: true });
  });

  it('is not complete after a full disk, and neither is a restore', async () => {
    await new Client(() => original.url).upload(1);
    const dataDir = await newDataDir();
    const database = await TestDatabase.create();
    const failed = join(folder, newId());
    expect(await limited(original, 'backup', failed)).toMatchObject({
      code: 1,
      remarks: expect.stringContaining(`The disk of ${failed} is full`),
    });
    expect(await readdir(failed)).not.toContain('manifest.json');
    expect(await operateOn({ databaseUrl: database.url, dataDir }, 'restore', failed)).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('is not a complete backup'),
    });
    const target = await backup();
    expect(await limited({ databaseUrl: database.url, dataDir }, 'restore', target)).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('Nothing was restored'),
    });
    expect(await database.rows('SELECT 1 FROM photos')).toEqual([]);
    expect(await operateOn({ databaseUrl: database.url, dataDir }, 'restore', target)).toMatchObject({
      code: 0,
    });
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });
});
