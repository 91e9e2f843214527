import type { Client } from 'pg';
import { migrate } from '../../src/database/migrate';
import { TestDatabase } from '../support/database';

let database: TestDatabase;
let admin: Client;

/** An empty database: the schema of the template is dropped. */
beforeAll(async () => {
  database = await TestDatabase.create();
  admin = await database.session();
  await admin.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
});

afterAll(() => database.drop());

describe('migrations', () => {
  it('have no statement timeout, but a lock timeout, also when two processes start with an empty database', async () => {
    // Every statement that changes the schema records its timeouts.
    await admin.query(`
      CREATE TABLE limits (tag text, statement text, lock text);
      CREATE FUNCTION note_limits() RETURNS event_trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO limits VALUES (tg_tag, current_setting(''statement_timeout''), current_setting(''lock_timeout'')); END';
      CREATE EVENT TRIGGER note_limits ON ddl_command_start EXECUTE FUNCTION note_limits();
      DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = ''7s''', current_database()); END $$`);
    await Promise.all([migrate(database.url), migrate(database.url)]);
    await admin.query('DROP EVENT TRIGGER note_limits');
    const { rows } = await admin.query<object>(
      `SELECT DISTINCT statement, lock, tag = 'CREATE INDEX' AS "isIndex" FROM limits ORDER BY lock, 3`,
    );
    // Indexes of large tables are created beside other statements: only this session waits.
    expect(rows).toEqual([
      { statement: '0', lock: '0', isIndex: true },
      { statement: '0', lock: '10s', isIndex: false },
      { statement: '0', lock: '10s', isIndex: true },
    ]);
  });

  it('are complete after one run, and are not run again', async () => {
    const count = async (): Promise<number> =>
      (await admin.query<{ n: number }>('SELECT count(*)::int AS n FROM migrations')).rows[0]!.n;
    const before = await count();
    expect(before).toBeGreaterThan(4);
    await Promise.all([migrate(database.url), migrate(database.url)]);
    expect(await count()).toBe(before);
  });
});
