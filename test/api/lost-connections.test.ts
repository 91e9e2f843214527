import type { Sql } from '../../src/core/sql';
import type { Database } from '../../src/database/database';
import { TestDatabase } from '../support/database';
import { until } from '../support/until';

let database: TestDatabase;
let pool: Database;

beforeAll(async () => {
  database = await TestDatabase.create();
  pool = await database.pool(1);
});

afterAll(() => database.drop());

/** Ends the connection of a transaction, and waits until its statements are refused in the same way. */
async function disconnect(sql: Sql): Promise<void> {
  const [session] = await sql.rows<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  await database.rows('SELECT pg_terminate_backend($1)', [session!.pid]);
  const errorOf = (): Promise<string> => sql.rows('SELECT 1').then(() => '', String);
  let last = await errorOf();
  await until(async () => {
    const before = last;
    last = await errorOf();
    return last !== '' && last === before;
  });
}

const unavailable = { code: 'SERVICE_UNAVAILABLE' };

describe('a transaction that loses its connection', () => {
  it('reports the statement that was running', async () => {
    const run = pool.transaction(async (sql) => {
      const [session] = await sql.rows<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await Promise.all([
        sql.rows('SELECT pg_sleep(60)'),
        database.rows('SELECT pg_terminate_backend($1)', [session!.pid]),
      ]);
    });
    await expect(run).rejects.toMatchObject(unavailable);
  });

  it('refuses later statements as unavailable', async () => {
    const run = pool.transaction(async (sql) => {
      await disconnect(sql);
      await sql.rows('SELECT 1');
    });
    await expect(run).rejects.toMatchObject(unavailable);
  });

  it('reports a COMMIT that was not possible as unavailable', async () => {
    await expect(pool.transaction((sql) => disconnect(sql))).rejects.toMatchObject(unavailable);
  });

  it('reports a statement after the end of a transaction as a bug', async () => {
    let ended: Sql | null = null;
    await pool.transaction((sql) => {
      ended = sql;
      return Promise.resolve();
    });
    await expect((ended as Sql | null)!.rows('SELECT 1')).rejects.toThrow('after the end of its transaction');
  });

  it('can be repeated', async () => {
    expect(await pool.transaction((sql) => sql.rows('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
  });
});
