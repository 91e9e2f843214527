import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
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

const program = join(__dirname, '../../dist/cli/likeness.js');

/** Runs a command in a process that can write 8 KiB to each file: the effect of a full disk, also for root. */
const limited = async (installation: Installation, ...words: string[]): Promise<CommandResult> => {
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

/** The backup waits for a table that is locked. */
const waiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'learned_durations'::regclass
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

describe('a backup', () => {
  it('keeps no data and no key of an owner whose erasure began before or during it', async () => {
    const client = new Client(() => original.url);
    await client.settle();
    const kept = (await operateOn(original, 'keys', 'create', '--owner', 'other')).out;
    const revoked = (await operateOn(original, 'keys', 'create', '--owner', 'other')).out;
    await operateOn(original, 'keys', 'create', '--owner', 'local', '--name', 'of Grace');
    await client.request(
      'mutation { createClientToken(input: { scopes: [WRITE], expiresInSeconds: 600 }) { token } }',
    );
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
      await sql.rows('LOCK TABLE learned_durations IN ACCESS EXCLUSIVE MODE');
      const made = operateOn(original, 'backup', target);
      await until(async () => (await original.rows(waiting)).length > 0);
      const { receipt } = await client.erase(true);
      expect(await operateOn(original, 'keys', 'revoke', revoked)).toMatchObject({ code: 0 });
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
      const ofOwners = 'SELECT owner, name, revoked_at IS NULL AS "isValid" FROM api_keys ORDER BY 1, 3';
      expect(await restored.rows(ofOwners)).toEqual([
        { owner: '@/erased', name: null, isValid: false },
        { owner: 'other', name: null, isValid: false },
        { owner: 'other', name: null, isValid: true },
      ]);
      const valid = 'SELECT id FROM api_keys WHERE revoked_at IS NULL';
      expect(await restored.rows(valid)).toEqual([{ id: kept.split('_')[1] }]);
      const tokens = 'SELECT owner, revoked_at IS NULL AS "isValid" FROM client_tokens';
      expect(await restored.rows(tokens)).toEqual([{ owner: '@/erased', isValid: false }]);
    } finally {
      await restored.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  it('is refused if an erasure was requested and completed unseen, such as while its process was suspended', async () => {
    const pool = await original.database.pool(1);
    const target = join(folder, newId());
    const made = await pool.transaction(async (sql) => {
      await sql.rows('LOCK TABLE learned_durations IN ACCESS EXCLUSIVE MODE');
      const backing = operateOn(original, 'backup', target);
      await until(async () => (await original.rows(waiting)).length > 0);
      await original.rows(
        `INSERT INTO erasures (id, erased_at, completed_at, due_at) VALUES ($1, now(), now(), NULL)`,
        [newId()],
      );
      return { backing };
    });
    expect(await made.backing).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('1 erasures were completed while the backup was suspended'),
    });
    expect(await readdir(target)).not.toContain('manifest.json');
    // Its own folder is not copied, also behind a link.
    await symlink(join(original.dataDir, 'media'), join(folder, 'link'));
    for (const inside of [join(original.dataDir, 'media/backup'), join(folder, 'link/backup')])
      expect((await operateOn(original, 'backup', inside)).remarks).toContain('media, which is copied');
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

describe('a restore that is killed', () => {
  let target: string;
  let database: TestDatabase;
  let there: Installation;

  beforeAll(async () => {
    await new Client(() => original.url).upload(2);
    target = await backup();
  });
  beforeEach(async () => {
    database = await TestDatabase.create();
    there = { databaseUrl: database.url, dataDir: await newDataDir() };
  });
  afterEach(async () => {
    await database.drop();
    await rm(there.dataDir, { recursive: true, force: true });
  });

  const filesOf = async ({ dataDir }: Installation): Promise<string[]> =>
    (await readdir(join(dataDir, 'media'), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && entry.name !== '.store' && !entry.parentPath.endsWith('.drafts'))
      .map(({ name }) => name)
      .sort();
  const restore = (...words: string[]): Promise<CommandResult> =>
    operateOn(there, 'restore', target, ...words);

  /**
   * Kills a restore when all its files are written, and its server waits in the commit.
   * @returns the backend of its session, and a function that lets it continue
   */
  const killInCommit = async (): Promise<{ backend: number; commit: () => Promise<void> }> => {
    const holder = await database.session();
    await holder.query('SELECT pg_advisory_lock(1)');
    await holder.query(`CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';
      CREATE CONSTRAINT TRIGGER waiting AFTER INSERT ON submission_pauses DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait()`);
    const child = spawn(process.execPath, [program, 'restore', target], {
      env: { ...process.env, ...settingsOf(there) },
      stdio: 'ignore',
    });
    const closed = once(child, 'close');
    const waiting = `SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
                        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
    const [session] = await eventually(
      'the commit',
      () => database.rows<{ pid: number }>(waiting),
      (rows) => rows.length > 0,
    );
    child.kill('SIGKILL');
    await closed;
    return { backend: session!.pid, commit: () => holder.end() };
  };
  const pauses = async (): Promise<unknown> =>
    (JSON.parse((await operateOn(there, 'status', '--json')).out) as { operatorPauses: unknown })
      .operatorPauses;

  it('before its commit is repeated: only the files that it wrote are removed', async () => {
    const { backend, commit } = await killInCommit();
    await database.rows('SELECT pg_terminate_backend($1)', [backend]);
    await commit();
    expect(await filesOf(there)).toEqual(await filesOf(original));
    const foreign = join(there.dataDir, 'media/of-another-program');
    await writeFile(foreign, 'x');
    expect(await restore()).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('media is not empty'),
    });
    expect(await filesOf(there)).toEqual(['of-another-program']);
    await rm(foreign);
    expect(await restore()).toMatchObject({ code: 0, out: expect.stringContaining('Restored the backup') });
    expect(await filesOf(there)).toEqual(await filesOf(original));
    expect(await readdir(there.dataDir)).not.toContain('restore.json');
  });

  it('after its commit has paused all paid calls, and is complete', async () => {
    const { commit } = await killInCommit();
    await commit();
    await eventually('the commit', pauses, (found) => JSON.stringify(found) === '["all"]');
    expect(await database.rows('SELECT 1 FROM photos')).toEqual(await original.rows('SELECT 1 FROM photos'));
    // Another database has none of the rows that the files belong to.
    const other = await TestDatabase.create();
    const elsewhere = await operateOn({ ...there, databaseUrl: other.url }, 'restore', target);
    await other.drop();
    expect(elsewhere).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('of a restore into another'),
    });
    expect(await restore('--json')).toMatchObject({ code: 0, out: expect.stringContaining('"wasComplete"') });
    expect(await filesOf(there)).toEqual(await filesOf(original));
    expect(await restore()).toMatchObject({ code: 1, remarks: expect.stringContaining('is not empty') });
  });
});

describe('a restore', () => {
  it('pauses accounts that are used later also if the backup is older than such pauses', async () => {
    const target = await backup();
    const path = join(target, 'manifest.json');
    const manifest = JSON.parse(await readFile(path, 'utf8')) as Record<'migrations' | 'tables', unknown[]>;
    const migrations = manifest.migrations.filter((name) => name !== 'SubmissionPauses1767100000000');
    const tables = (manifest.tables as { name: string }[]).filter(({ name }) => name !== 'submission_pauses');
    await writeFile(path, JSON.stringify({ ...manifest, migrations, tables }));
    const database = await TestDatabase.create();
    const dataDir = await newDataDir();
    const there = { databaseUrl: database.url, dataDir };
    expect(await operateOn(there, 'restore', target)).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('1 migrations that the backup does not have'),
    });
    await database.rows('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    // A journal has ids of paid calls that the backup may not have.
    const journal = join(dataDir, 'journal');
    await mkdir(journal);
    const file = join(journal, `submissions.${newId()}.ndjson`);
    await writeFile(file, '{}\n');
    expect(await operateOn(there, 'restore', target)).toMatchObject({
      code: 1,
      remarks: expect.stringContaining(`${journal} is not empty`),
    });
    // That of a gateway that has made no paid call.
    await writeFile(file, ' '.repeat(10_000));
    expect(await operateOn(there, 'restore', target)).toMatchObject({ code: 0 });
    const { out } = await operateOn(there, 'status', '--json');
    expect(JSON.parse(out)).toMatchObject({ operatorPauses: ['all'] });
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });
});
