import type { Client } from 'pg';
import { migrate } from '../../src/database/migrate';
import { TestDatabase } from '../support/database';

jest.setTimeout(120_000);

let database: TestDatabase;
let holder: Client;

beforeAll(async () => {
  database = await TestDatabase.create();
  holder = await database.session();
});

afterAll(() => database.drop());

/** Returns once a session has aborted its wait for a lock. */
async function untilNoSessionWaits(): Promise<void> {
  const isWaiting = async (): Promise<boolean> => {
    const { rows } = await holder.query(
      `SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT granted AND datname = current_database()`,
    );
    return rows.length > 0;
  };
  while (!(await isWaiting())) await new Promise(setImmediate);
  while (await isWaiting()) await new Promise((next) => setTimeout(next, 100));
}

it('a migration aborts its wait for a table lock, lets other queries pass, and is retried', async () => {
  await holder.query('BEGIN; LOCK TABLE migrations');
  const migrated = migrate(database.url);
  await untilNoSessionWaits();
  await holder.query('ROLLBACK');
  await expect(migrated).resolves.toBeUndefined();
});
