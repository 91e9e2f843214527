import { startApp } from '../../src/app/app';
import { createLogger } from '../../src/core/logger';
import { engines } from '../../src/database/engine';
import { migrate } from '../../src/database/migrate';
import { readConfig } from '../../src/read-config';
import { likeness } from '../support/command-line';
import { TestDatabase } from '../support/database';
import { newDataDir } from '../support/environment';

describe('an empty database', () => {
  let empty: TestDatabase;

  beforeAll(async () => {
    empty = await TestDatabase.create();
    await empty.rows('DROP SCHEMA public CASCADE');
    await empty.rows('CREATE SCHEMA public');
  });

  afterAll(() => empty.drop());

  const start = async (DATABASE_ENGINE: string): Promise<Error | null> => {
    const settings = { DATABASE_URL: empty.url, DATABASE_ENGINE, PORT: '0', ROLE: 'api' };
    const config = readConfig({ ...settings, DATA_DIR: await newDataDir() });
    return startApp(config, createLogger('silent')).then(
      async (app) => {
        await app.stop();
        return null;
      },
      (error: unknown) => error as Error,
    );
  };

  it('is migrated once by concurrent steps; gateways wait, and accept no other engine', async () => {
    const waiting = start('portable');
    await Promise.all([
      migrate(empty.url, undefined, engines.portable),
      migrate(empty.url, undefined, engines.portable),
    ]);
    expect(await waiting).toBeNull();
    expect(await empty.rows('SELECT engine, migrator FROM installation')).toEqual([
      { engine: 'portable', migrator: null },
    ]);
    expect((await start('postgresql'))?.message).toMatch(
      /use DATABASE_ENGINE=portable, and this one postgresql/,
    );
    await likeness({ DATABASE_URL: empty.url, DATABASE_ENGINE: 'postgresql' }, 'migrate');
    expect((await start('portable'))?.message).toMatch(
      /use DATABASE_ENGINE=postgresql, and this one portable/,
    );
    const other = { DATABASE_URL: empty.url, DATABASE_ENGINE: 'portable' };
    for (const words of [['status'], ['models', 'list'], ['keys', 'create', '--owner', 'me']]) {
      const { code, out, remarks } = await likeness(other, ...words);
      expect([code, out]).toEqual([1, '']);
      expect(remarks).toMatch(/and this one portable\. Set DATABASE_ENGINE=postgresql for this command\./);
    }
  });

  it('is refused by the start, with the cure, while it is read-only as a standby is', async () => {
    const change = (to: string): Promise<unknown> =>
      empty.rows(
        `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = ${to}', current_database()); END $$`,
      );
    await change('on');
    expect((await start('portable'))?.message).toMatch(
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
