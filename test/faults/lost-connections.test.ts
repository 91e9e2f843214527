import { Socket } from 'node:net';
import type { Sql } from '../../src/core/sql';
import { createDataSource } from '../../src/database/data-source';
import { Database } from '../../src/database/database';
import { checkMigrated, migrateDirectly } from '../../src/database/migrate';
import { TestDatabase } from '../support/database';
import { TestGateway } from '../support/gateway';
import { TcpProxy } from '../support/servers';
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

/** Lets the time limits of sockets that are at most 30 s pass in a fraction of their time, until mocks are restored. */
function limitSocketsSooner(times: number): void {
  const set = Object.getOwnPropertyDescriptor(Socket.prototype, 'setTimeout')!.value as (
    this: Socket,
    ms: number,
    listener?: () => void,
  ) => Socket;
  jest.spyOn(Socket.prototype, 'setTimeout').mockImplementation(function (this: Socket, ms, ...listener) {
    return set.call(this, ms <= 30_000 ? ms / times : ms, ...listener);
  });
}

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

describe('a connection that is silent, as after the loss of the machine of PostgreSQL', () => {
  const maxSilenceMs = 2_000;
  /** Longer than the limit. */
  const long = 'SELECT pg_sleep(4)';
  let proxy: TcpProxy;
  let gateway: TestGateway | null = null;

  beforeEach(async () => {
    proxy = new TcpProxy(new URL(database.url));
    await proxy.open();
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await proxy.close();
    await gateway?.stop();
    gateway = null;
  });

  const open = async (url = proxy.url): Promise<{ pool: Database; close: () => Promise<void> }> => {
    const source = await createDataSource({ url, poolSize: 3, entities: [] }).initialize();
    return { pool: new Database(source, { maxSilenceMs }), close: () => source.destroy() };
  };

  it('ends what it runs as unavailable, and is replaced', async () => {
    const { pool, close } = await open();
    let lost = (): void => undefined;
    const begun = new Promise<void>((resolve) => (lost = resolve));
    const running = Promise.allSettled([
      pool.transaction(async (sql) => {
        await sql.rows('SELECT 1');
        lost();
        await sql.rows('SELECT pg_sleep(60)');
      }),
      pool.rows('SELECT pg_sleep(60)'),
      pool.text({ text: `SELECT pg_sleep(60)::text`, isShort: false }, [], 'owner'),
    ]);
    await begun;
    await until(() => pool.poolState().busy === 3);
    proxy.silence();
    const results = await running;
    expect(results).toEqual(
      results.map(() => ({ status: 'rejected', reason: expect.objectContaining(unavailable) })),
    );
    expect(await pool.rows('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await close();
  });

  it('is replaced by a gateway within 30 s, after which others take over its work', async () => {
    const settings: Record<string, string> = { DATABASE_POOL: '1', ROLE: 'api' };
    const prepare = async (url: string): Promise<void> => {
      proxy.target = new URL(url);
      settings.DATABASE_URL = proxy.url;
    };
    gateway = await TestGateway.start(settings, { prepare });
    const { client } = gateway;
    const ask = (): Promise<unknown> => client.request('{ models(first: 1) { totalCount } }');
    await ask();
    limitSocketsSooner(20);
    proxy.silence();
    await until(() =>
      ask().then(
        () => true,
        () => false,
      ),
    );
  });

  it('is kept for a transaction that may take long, and limited again afterwards', async () => {
    const { pool, close } = await open();
    await pool.transaction((sql) => sql.rows(long), { isLong: true });
    await expect(pool.rows(long)).rejects.toMatchObject(unavailable);
    await close();
  });

  it('is kept if the answer came while the process was suspended', async () => {
    const { pool, close } = await open(database.url);
    const before = await pool.rows('SELECT pg_backend_pid() AS pid');
    const answer = pool.rows('SELECT pg_backend_pid() AS pid FROM pg_sleep(0.5)');
    await until(() => pool.poolState().busy === 1);
    // In the next turn of the event loop, timers are run before the answer is read.
    await new Promise(setImmediate);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1.5 * maxSilenceMs);
    expect(await answer).toEqual(before);
    expect(await pool.rows('SELECT pg_backend_pid() AS pid')).toEqual(before);
    await close();
  });
});

it('a start and `likeness migrate` end with an error if the machine of PostgreSQL is lost meanwhile', async () => {
  const proxy = new TcpProxy(new URL(database.url));
  await proxy.open();
  const holder = await database.session();
  // Both then wait for an answer.
  await holder.query('SELECT pg_advisory_lock(54537377); BEGIN; LOCK TABLE migrations');
  const ended = Promise.allSettled([migrateDirectly(proxy.url), checkMigrated(proxy.url)]);
  const connected = `SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND (query LIKE 'SELECT pg_try_advisory_lock%' OR query = 'SELECT name FROM migrations')`;
  await until(async () => (await database.rows(connected)).length === 2);
  proxy.silence();
  const reason: unknown = expect.objectContaining({ message: 'Query read timeout' });
  expect(await ended).toEqual([0, 1].map(() => ({ status: 'rejected', reason })));
  await holder.query('ROLLBACK; SELECT pg_advisory_unlock_all()');
  await proxy.close();
}, 120_000);
