import { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { createDataSource } from '../../src/database/data-source';
import { Database } from '../../src/database/database';
import { entities } from '../../src/entities';
import { TestDatabase } from '../support/database';
import { countLockWaits } from '../support/lock-waits';
import { StatementWatch } from '../support/statements';
import { until } from '../support/until';

const half = { text: 'SELECT (100 / $1::int)::text', isShort: true };
const echo = { text: `SELECT $1::text || '-' || $2::text`, isShort: true };
const long = { text: 'SELECT $1::text', isShort: false };

describe('prepared statements', () => {
  let testDatabase: TestDatabase;
  let watch: StatementWatch;
  let source: DataSource;
  let database: Database;

  beforeEach(async () => {
    testDatabase = await TestDatabase.create();
    watch = await StatementWatch.start(testDatabase.url);
    source = await createDataSource({ url: watch.url, poolSize: 1, entities }).initialize();
    database = new Database(source);
    // They are prepared at their second use.
    for (let time = 0; time < 2; time += 1) {
      await database.text(half, ['2'], 'alice');
      await database.text(echo, ['a', 'b'], 'alice');
      await database.text(long, ['a'], 'alice');
    }
  });

  afterEach(async () => {
    await source.destroy();
    await watch.stop();
    await testDatabase.drop();
  });

  it('return their own texts when they wait for one connection', async () => {
    const texts = Array.from({ length: 30 }, (_, index) => [`é${index}`, index % 3 === 0 ? null : 'x']);
    const results = Promise.all([
      ...texts.map((values) => database.text(echo, values, 'alice')),
      database.text(long, ['long'], 'alice'),
      database.text(half, ['4'], 'alice'),
      database.text(echo, [['a'], 'b'], 'alice'),
    ]);
    const echoes = texts.map(([one, other]) => (other === null ? null : `${one}-${other}`));
    expect(await results).toEqual([...echoes, 'long', '25', '{"a"}-b']);
  });

  it('fail alone, also if they were sent together', async () => {
    const divisors = ['1', '0', '4', '0', '5', '10', 'x', '20'];
    const settled = await Promise.allSettled(
      divisors.map((divisor) => database.text(half, [divisor], 'alice')),
    );
    const codes = settled.map((each) =>
      each.status === 'fulfilled' ? each.value : (each.reason as { code: string }).code,
    );
    expect(codes).toEqual(['100', '22012', '25', '22012', '20', '10', '22P02', '5']);
    expect(await database.text(half, ['2'], 'alice')).toBe('50');
  });

  it('are run for one owner after the other, and for each in their order', async () => {
    const order: string[] = [];
    const run = async (owner: string, divisor: string): Promise<void> => {
      await database.text(half, [divisor], owner);
      order.push(`${owner} ${divisor}`);
    };
    const ofAlice = Array.from({ length: 40 }, (_, index) => String(index + 1));
    await Promise.all([...ofAlice.map((divisor) => run('alice', divisor)), run('bob', '1'), run('bob', '2')]);
    expect(order.slice(0, 4)).toEqual(['alice 1', 'bob 1', 'alice 2', 'bob 2']);
    expect(order.slice(4)).toEqual(ofAlice.slice(2).map((divisor) => `alice ${divisor}`));
  });

  it('are run once each when they are sent together', async () => {
    const statements = await watch.during(() =>
      Promise.all(Array.from({ length: 20 }, () => database.text(half, ['2'], 'alice'))),
    );
    expect(statements).toHaveLength(20);
  });

  it('fail when the connection is lost, and later ones are run by a new one', async () => {
    const blocker = new Client(testDatabase.url);
    await blocker.connect();
    const blocked = { text: `SELECT pg_advisory_lock(1)::text || $1::text`, isShort: true };
    for (let time = 0; time < 2; time += 1) await database.text(blocked, ['a'], 'alice');
    await database.rows('SELECT pg_advisory_unlock_all()');
    await blocker.query('SELECT pg_advisory_lock(1)');
    const waiting = Promise.allSettled([
      database.text(blocked, ['a'], 'alice'),
      database.text(half, ['2'], 'alice'),
    ]);
    await until(async () => (await countLockWaits(testDatabase)) > 0);
    await watch.disconnect();
    await blocker.end();
    const [lost, other] = await waiting;
    expect(lost).toMatchObject({ status: 'rejected', reason: { code: 'SERVICE_UNAVAILABLE' } });
    expect(other).toEqual({ status: 'fulfilled', value: '50' });
    expect(await database.text(half, ['2'], 'alice')).toBe('50');
  });

  it.each([
    [2, 2],
    [8, 3],
  ])(
    'use at most half of 5 connections if they are short but not prepared: %d use %d',
    async (count, connections) => {
      const other = await createDataSource({ url: watch.url, poolSize: 5, entities }).initialize();
      const unprepared = new Database(other, { prepares: false });
      const blocker = new Client(testDatabase.url);
      await blocker.connect();
      await blocker.query('SELECT pg_advisory_lock(1)');
      const blocked = { text: `SELECT pg_advisory_xact_lock_shared(1)::text || $1::text`, isShort: true };
      const texts = Promise.all(
        Array.from({ length: count }, () => unprepared.text(blocked, ['a'], 'alice')),
      );
      await until(async () => (await countLockWaits(testDatabase)) === connections);
      expect(unprepared.poolState()).toMatchObject({ busy: connections, waiting: count - connections });
      await blocker.end();
      expect(await texts).toEqual(Array.from({ length: count }, () => 'a'));
      await other.destroy();
    },
  );

  it('use at most half of 5 connections if they were sent together behind one that failed', async () => {
    const other = await createDataSource({ url: watch.url, poolSize: 5, entities }).initialize();
    const pooled = new Database(other);
    const blocker = new Client(testDatabase.url);
    await blocker.connect();
    const text = `SELECT (1 / length($1::text))::text || pg_advisory_xact_lock_shared(1)::text`;
    const run = (value: string): Promise<string | null> =>
      pooled.text({ text, isShort: true }, [value], 'alice');
    for (let time = 0; time < 3; time += 1) await run('a');
    await blocker.query('SELECT pg_advisory_lock(1)');
    const settled = Promise.allSettled(['', ...'abcdefg'].map(run));
    await until(async () => (await countLockWaits(testDatabase)) === 3);
    expect(pooled.poolState()).toMatchObject({ busy: 3, waiting: 4 });
    await blocker.end();
    const values = (await settled).map((each) => (each.status === 'fulfilled' ? each.value : each.status));
    expect(values).toEqual(['rejected', ...Array.from({ length: 7 }, () => '1')]);
    await other.destroy();
  });

  it('of one turn of the event loop share a connection if they are short', async () => {
    const other = await createDataSource({ url: watch.url, poolSize: 10, entities }).initialize();
    const pooled = new Database(other);
    for (let time = 0; time < 2; time += 1) await pooled.text(half, ['2'], 'alice');
    const results = await Promise.all(Array.from({ length: 8 }, () => pooled.text(half, ['4'], 'alice')));
    const { busy, idle } = pooled.poolState();
    await other.destroy();
    expect(new Set(results)).toEqual(new Set(['25']));
    expect(busy + idle).toBe(1);
  });

  it('return the same values each time, whatever their types', async () => {
    const text = `SELECT $1::integer AS number, $2::timestamptz AS time, $3::jsonb AS json, $4::text[] AS texts,
      $5::boolean AS truth, $6::bigint AS big, $7::bytea AS bytes, NULL::text AS nothing, $8::real AS fraction`;
    const values: unknown[] = [
      -7,
      new Date('2026-11-27T10:20:30.456Z'),
      { a: ['é', null] },
      ['a,"b"', 'c\\d', null],
      false,
      2 ** 40,
      null,
      0.5,
    ];
    const expected = {
      ...{ number: -7, time: values[1], json: values[2], texts: values[3] },
      ...{ truth: false, big: `${2 ** 40}`, bytes: null, nothing: null, fraction: 0.5 },
    };
    for (let time = 0; time < 4; time += 1) expect(await database.rows(text, values)).toEqual([expected]);
    const bytes = Buffer.from([0, 255]);
    const [row] = await database.rows(text, values.with(6, bytes));
    expect(row).toEqual({ ...expected, bytes });
  });

  it('return no rows and many rows', async () => {
    const text = 'SELECT n FROM generate_series(1, $1::integer) AS n';
    for (const count of [0, 3, 0, 2_000, 1])
      expect(await database.rows(text, [count])).toEqual(
        Array.from({ length: count }, (_, index) => ({ n: index + 1 })),
      );
  });

  it('that fail leave their connection to the next one, also in a transaction', async () => {
    const text = 'SELECT 100 / $1::integer AS result';
    for (let time = 0; time < 3; time += 1) await database.rows(text, [2]);
    const failing = database.transaction(async (sql) => {
      await sql.rows(text, [4]);
      await sql.rows(text, [0]);
    });
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    await expect(database.rows(text, [0])).rejects.toMatchObject({ code: '22012' });
    expect(await database.rows(text, [5])).toEqual([{ result: 20 }]);
  });

  it('fail when there is no connection', async () => {
    await watch.stop();
    const settled = await Promise.allSettled(
      ['1', '2', '4'].map((divisor) => database.text(half, [divisor], 'alice')),
    );
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  });
});
