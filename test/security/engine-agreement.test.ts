import { startApp } from '../../src/app/app';
import { createLogger } from '../../src/core/logger';
import { createDataSource, migrationNames } from '../../src/database/data-source';
import { engines } from '../../src/database/engine';
import { migrate } from '../../src/database/migrate';
import { requireMigration } from '../../src/database/required-migrations';
import { readConfig } from '../../src/read-config';
import { likeness, type CommandResult } from '../support/command-line';
import { TestDatabase, testEngine } from '../support/database';
import { newDataDir } from '../support/environment';

/** A database without tables. */
async function createEmpty(): Promise<TestDatabase> {
  const database = await TestDatabase.create();
  await database.rows('DROP SCHEMA public CASCADE');
  await database.rows('CREATE SCHEMA public');
  return database;
}

/** Starts a gateway, and stops it. Returns the error of a refused start. */
async function start(
  { url }: TestDatabase,
  DATABASE_ENGINE: string,
  MIGRATE = 'true',
): Promise<Error | null> {
  const settings = { DATABASE_URL: url, DATABASE_ENGINE, MIGRATE, PORT: '0', ROLE: 'api' };
  const config = readConfig({ ...settings, DATA_DIR: await newDataDir() });
  return startApp(config, createLogger('silent')).then(
    async (app) => {
      await app.stop();
      return null;
    },
    (error: unknown) => error as Error,
  );
}

describe('an empty database', () => {
  let empty: TestDatabase;

  beforeAll(async () => {
    empty = await createEmpty();
  });

  afterAll(() => empty.drop());

  it('is migrated once by concurrent steps; gateways wait, and accept no other engine', async () => {
    const waiting = start(empty, 'portable');
    await Promise.all([
      migrate(empty.url, undefined, engines.portable),
      migrate(empty.url, undefined, engines.portable),
    ]);
    expect(await waiting).toBeNull();
    expect(await empty.rows('SELECT engine, migrator FROM installation')).toEqual([
      { engine: 'portable', migrator: null },
    ]);
    expect((await start(empty, 'postgresql'))?.message).toMatch(
      /use DATABASE_ENGINE=portable, and this one postgresql\. Set DATABASE_ENGINE=portable here; or, /,
    );
    await likeness({ DATABASE_URL: empty.url, DATABASE_ENGINE: 'postgresql' }, 'migrate');
    expect((await start(empty, 'portable'))?.message).toMatch(
      /use DATABASE_ENGINE=postgresql, and this one portable/,
    );
    const other = { DATABASE_URL: empty.url, DATABASE_ENGINE: 'portable' };
    for (const words of [['status'], ['models', 'list'], ['keys', 'create', '--owner', 'me']]) {
      const { code, out, remarks } = await likeness(other, ...words);
      expect([code, out]).toEqual([1, '']);
      expect(remarks).toMatch(
        /and this one portable\. Set DATABASE_ENGINE=postgresql here; or, to change it for all, stop/,
      );
    }
  });

  it('is refused by the start, with the cure, while it is read-only as a standby is', async () => {
    const change = (to: string): Promise<unknown> =>
      empty.rows(
        `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = ${to}', current_database()); END $$`,
      );
    await change('on');
    expect((await start(empty, 'portable'))?.message).toMatch(
      /DATABASE_URL .* leads to a standby or a read-only database\. Set it to the URL of the primary/,
    );
    await change('off');
  });

  it('is migrated after the lease of a process that ended', async () => {
    await empty.rows(
      `UPDATE installation SET migrator = gen_random_uuid(), migrating_until = now() + interval '2 s'`,
    );
    await migrate(empty.url, undefined, engines.portable);
    expect(await empty.rows('SELECT FROM installation WHERE migrator IS NULL')).toHaveLength(1);
  });
});

describe('a database of an earlier version', () => {
  let earlier: TestDatabase;

  beforeEach(async () => {
    earlier = await createEmpty();
    await migrate(earlier.url, migrationNames.slice(0, -2));
    await earlier.rows(`UPDATE installation SET engine = 'portable'`);
  });

  afterEach(() => earlier.drop());

  const applied = (): Promise<unknown> => earlier.rows('SELECT * FROM migrations ORDER BY id');

  it('is not migrated by commands and gateways with another engine, which are refused', async () => {
    const before = await applied();
    const other = { DATABASE_URL: earlier.url, DATABASE_ENGINE: 'postgresql' };
    const { code, out, remarks } = await likeness(other, 'keys', 'create', '--owner', 'me');
    expect([code, out]).toEqual([1, '']);
    expect(remarks).toMatch(
      /and this one postgresql\. Set DATABASE_ENGINE=portable here; or, to change it for all, stop/,
    );
    expect(await applied()).toEqual(before);
    for (const isMigrating of ['true', 'false']) {
      expect((await start(earlier, 'postgresql', isMigrating))?.message).toMatch(
        /use DATABASE_ENGINE=portable, and this one postgresql\. Set DATABASE_ENGINE=portable here; or, /,
      );
    }
    expect(await applied()).toEqual(before);
    await earlier.rows(`UPDATE installation SET engine = 'postgresql'`);
    expect(await likeness(other, 'keys', 'create', '--owner', 'me')).toMatchObject({ code: 0 });
    expect(await applied()).toHaveLength(migrationNames.length);
  });

  it('whose table of the engine has no row is refused with the cure, which works', async () => {
    const empty = (): Promise<unknown> => earlier.rows('DELETE FROM installation');
    const settings = { DATABASE_URL: earlier.url, DATABASE_ENGINE: 'postgresql' };
    const cure = /has no row[^]* stop all processes, then run `likeness migrate` with their DATABASE_ENGINE/;
    await empty();
    const before = await applied();
    for (const words of [['status'], ['keys', 'create', '--owner', 'me']]) {
      const { code, remarks } = await likeness(settings, ...words);
      expect([code, remarks]).toEqual([1, expect.stringMatching(cure)]);
      expect(remarks).not.toContain('DATABASE_ENGINE=');
    }
    expect((await start(earlier, 'postgresql'))?.message).toMatch(cure);
    expect(await applied()).toEqual(before);
    expect(await likeness(settings, 'migrate')).toMatchObject({ code: 0 });
    expect(await earlier.rows('SELECT engine FROM installation')).toEqual([{ engine: 'postgresql' }]);
    expect(await likeness(settings, 'status')).toMatchObject({ code: 0 });
    expect(await start(earlier, 'postgresql')).toBeNull();
    await empty();
    expect((await likeness(settings, 'doctor', '--json')).out).toMatch(cure);
  });
});

it('a database whose first migration was interrupted before it recorded an engine is migrated by a command', async () => {
  const database = await createEmpty();
  await database.rows('CREATE TABLE installation (id integer PRIMARY KEY CHECK (id = 1), engine text)');
  const settings = { DATABASE_URL: database.url, DATABASE_ENGINE: 'postgresql' };
  expect(await likeness(settings, 'keys', 'create', '--owner', 'me')).toMatchObject({ code: 0 });
  await database.drop();
});

describe('a database that a newer version has migrated', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await TestDatabase.create();
    await database.rows(
      "INSERT INTO migrations (timestamp, name) VALUES (1999000000001, 'Newer1999000000001')",
    );
  });

  afterAll(() => database.drop());

  const operate = async (...words: string[]): Promise<CommandResult> =>
    likeness(
      { DATABASE_URL: database.url, DATA_DIR: await newDataDir(), DATABASE_ENGINE: testEngine.name },
      ...words,
    );
  const findMigrations = async (): Promise<unknown> => {
    const { out } = await operate('doctor', '--json');
    return (JSON.parse(out) as { check: string }[]).find(({ check }) => check === 'migrations');
  };

  it('is used by the version before, as after a rollback by one release', async () => {
    expect(await start(database, testEngine.name)).toBeNull();
    expect(await operate('keys', 'list')).toMatchObject({ code: 0 });
    expect(await findMigrations()).toMatchObject({
      result: 'warn',
      detail: '1 are of a newer version, which has removed nothing',
    });
  });

  it('is refused by versions that use what was removed, and not changed by them', async () => {
    const source = await createDataSource({ url: database.url, poolSize: 1, entities: [] }).initialize();
    await requireMigration(source.createQueryRunner(), 'Newer1999000000001');
    await source.destroy();
    const refused =
      /removed what this version uses: it does not know Newer1999000000001\. Start a version that does, or/;
    for (const MIGRATE of ['true', 'false'])
      expect((await start(database, testEngine.name, MIGRATE))?.message).toMatch(refused);
    for (const words of [['migrate'], ['keys', 'list'], ['keys', 'create', '--owner', 'anna']])
      expect(await operate(...words)).toMatchObject({ code: 1, remarks: expect.stringMatching(refused) });
    expect(await findMigrations()).toMatchObject({ result: 'fail' });
    expect(await database.rows('SELECT FROM api_keys')).toEqual([]);
  });
});
