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

/** Undoes migrations that only create an index, by its name. */
const withoutIndex = `DROP INDEX avatars_of_owner, avatars_of_owner_by_style;
  DELETE FROM migrations WHERE name LIKE 'AvatarLists%'`;

const validity = `SELECT relname AS name, indisvalid AS "isValid" FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                   WHERE relname IN ('avatars_of_owner', 'avatars_of_owner_by_style') ORDER BY 1`;

const bothValid = [
  { name: 'avatars_of_owner', isValid: true },
  { name: 'avatars_of_owner_by_style', isValid: true },
];

it('an index is created beside older transactions and writes, however long they take, while another process waits to migrate', async () => {
  await holder.query(withoutIndex);
  const writer = await database.session();
  await holder.query('BEGIN; LOCK TABLE avatars IN ROW EXCLUSIVE MODE');
  const migrated = Promise.all([migrate(database.url), migrate(database.url)]);
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'`;
  while ((await writer.query(waiting)).rows.length === 0) await new Promise(setImmediate);
  await writer.query(`SET lock_timeout = '5s'; UPDATE avatars SET tries = 0; DELETE FROM avatars`);
  await holder.query('ROLLBACK');
  await migrated;
  expect((await holder.query(validity)).rows).toEqual(bothValid);
});

it('an invalid index of an interrupted migration is made again', async () => {
  await holder.query(`DELETE FROM migrations WHERE name LIKE 'AvatarLists%';
    UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'avatars_of_owner_by_style'::regclass`);
  await migrate(database.url);
  expect((await holder.query(validity)).rows).toEqual(bothValid);
});

it('a migration aborts its wait for a table lock, lets other queries pass, and is retried', async () => {
  await holder.query('BEGIN; LOCK TABLE migrations');
  const migrated = migrate(database.url);
  await untilNoSessionWaits();
  await holder.query('ROLLBACK');
  await expect(migrated).resolves.toBeUndefined();
});

it('a migration continues when the session that excludes others ends', async () => {
  await holder.query('BEGIN; LOCK TABLE migrations');
  const migrated = migrate(database.url);
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  while ((await database.rows(waiting)).length === 0) await new Promise(setImmediate);
  await database.rows(
    `SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'likeness migration'`,
  );
  await holder.query('ROLLBACK');
  await expect(migrated).resolves.toBeUndefined();
});
