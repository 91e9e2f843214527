import { admitWrite, beginErasure, writeTransaction } from '../../src/accounts/write-admission.repository';
import { lockNames } from '../../src/core/engine';
import { newId } from '../../src/core/ids';
import { LeasedRows } from '../../src/core/leased-rows';
import { createLogger, type Logger } from '../../src/core/logger';
import { holdLock, type Sql } from '../../src/core/sql';
import type { Database } from '../../src/database/database';
import { engines } from '../../src/database/engine';
import { Wakeups } from '../../src/events/wakeups';
import { WebhookEntity } from '../../src/webhooks/webhook.entity';
import { countWebhooks, insertWebhook } from '../../src/webhooks/webhook.repository';
import { TestDatabase } from '../support/database';
import { change, EventProcess, range, sequencesOf, take } from '../support/event-process';
import { eventually } from '../support/until';
import { createWorkTable, workTable } from '../support/work-table';

const engine = engines.portable;
const logger = createLogger('silent');

let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await TestDatabase.create();
  await createWorkTable(testDatabase, 1);
  const settings = { DATABASE_URL: testDatabase.url, DATABASE_ENGINE: engine.name };
  database = await testDatabase.pool(6, [workTable.entity, WebhookEntity], settings);
});

beforeEach(() => database.rows('DELETE FROM work'));

afterAll(() => testDatabase.drop());

const addRows = (count: number): Promise<unknown> =>
  database.rows(
    `INSERT INTO work (id, owner, due_at) SELECT gen_random_uuid(), 'ann', now() - interval '1 s' FROM generate_series(1, $1)`,
    [count],
  );

/** Waits until so many other sessions wait for a lock. */
const untilWaiting = (count: number): Promise<unknown> =>
  eventually(
    'the waiting statements',
    () =>
      testDatabase.rows(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      ),
    ({ length }) => length === count,
  );

/** Runs `work` in a transaction, and commits when `others` wait for it. Returns the results of both. */
async function beside<A, B>(
  work: (sql: Sql) => Promise<A>,
  others: () => readonly Promise<B>[],
): Promise<[A, B[]]> {
  let waiting: readonly Promise<B>[] = [];
  const first = await database.transaction(async (sql) => {
    const result = await work(sql);
    waiting = others();
    await untilWaiting(waiting.length);
    return result;
  });
  return [first, await Promise.all(waiting)];
}

const claim = (sql: Sql, limit: number): Promise<{ id: string; lease: string }[]> =>
  new LeasedRows(sql, workTable, { leaseMs: 60_000, logger }).claim({ limit });

const claimByTime = (sql: Sql, limit: number): Promise<{ id: string }[]> =>
  sql.rows(
    `UPDATE work SET due_at = now() + interval '1 min'
      WHERE ${engine.claims({ table: 'work', where: 'due_at <= now()', orderBy: 'due_at', limit })} RETURNING id`,
  );

describe('claims without SKIP LOCKED', () => {
  it.each([
    ['with a lease', claim],
    ['by time alone', claimByTime],
  ])('that wait for a concurrent one of the same rows do not take them too: %s', async (_, take) => {
    await addRows(5);
    const [first, others] = await beside<{ id: string }[], { id: string }[]>(
      (sql) => take(sql, 3),
      () => [take(database, 3), take(database, 3), take(database, 3)],
    );
    const taken = [...first, ...others.flat()].map(({ id }) => id);
    expect(first).toHaveLength(3);
    expect(new Set(taken).size).toBe(taken.length);
    await eventually(
      'the rest',
      () => take(database, 3).then((rows) => taken.push(...rows.map(({ id }) => id))),
      (count) => count === 5,
    );
  });

  it('leave a row that was claimed and returned as due while they waited', async () => {
    await addRows(1);
    const [[first], [second]] = await beside(
      async (sql) => {
        const rows = await claim(sql, 1);
        await sql.rows(`UPDATE work SET due_at = now() - interval '1 s'`);
        return rows;
      },
      () => [claim(database, 1)],
    );
    expect(second).toEqual([]);
    expect(await database.rows('SELECT id, lease FROM work')).toEqual([
      { id: first!.id, lease: first!.lease },
    ]);
  });

  it('leave a row that was taken out of work while they waited', async () => {
    await addRows(1);
    const [, [second]] = await beside(
      (sql) => sql.rows('UPDATE work SET due_at = NULL'),
      () => [claim(database, 1)],
    );
    expect(second).toEqual([]);
  });

  it('give each of 200 rows to one of 6 concurrent workers', async () => {
    await addRows(200);
    const taken: string[] = [];
    const work = async (): Promise<void> => {
      for (let empty = 0; empty < 3;) {
        const rows = await claim(database, 7);
        taken.push(...rows.map(({ id }) => id));
        empty = rows.length === 0 ? empty + 1 : 0;
      }
    };
    await Promise.all(Array.from({ length: 6 }, work));
    expect(taken).toHaveLength(200);
    expect(new Set(taken).size).toBe(200);
  });
});

describe('renewals without SKIP LOCKED', () => {
  it('renew the other rows while another session locks one, and do not occupy a connection until it ends', async () => {
    await addRows(2);
    const failures: unknown[] = [];
    const log = ({ err }: { err: Error }): unknown => failures.push(err.cause);
    const options = { leaseMs: 1_500, logger: { ...logger, warn: log, debug: log } as unknown as Logger };
    const rows = new LeasedRows(database, workTable, options);
    const [locked, other] = await rows.claim({ limit: 2 });
    const dueAt = (): Promise<{ at: string }[]> =>
      database.rows('SELECT due_at::text AS at FROM work WHERE id = $1', [other!.id]);
    let end = (): void => undefined;
    const isOver = new Promise<void>((resolve) => (end = resolve));
    await database.transaction(async (sql) => {
      await sql.rows('SELECT FROM work WHERE id = $1 FOR UPDATE', [locked!.id]);
      const before = await dueAt();
      const held = [locked, other].map((row) => rows.hold(row!, () => isOver));
      await eventually('the renewal', dueAt, ([row]) => row!.at > before[0]!.at);
      await eventually(
        'the end of the wait',
        () => Promise.resolve(failures),
        ({ length }) => length > 0,
      );
      end();
      await Promise.all(held);
    });
    // The lock was not available.
    expect(failures[0]).toMatchObject({ code: '55P03' });
  });
});

describe('locks without advisory locks', () => {
  it.each(lockNames)('%s: make transactions with one key wait for each other', async (name) => {
    const order: string[] = [];
    await beside(
      async (sql) => {
        await holdLock(sql, name, 'ann');
        order.push('first');
      },
      () => [
        database.transaction(async (sql) => {
          await holdLock(sql, name, 'ann');
          order.push('second');
        }),
      ],
    );
    expect(order).toEqual(['first', 'second']);
  });

  it('refuse writes that waited for the start of an erasure, and the erasure waits for writes', async () => {
    const viewer = { owner: newId() };
    const [, verdicts] = await beside(
      async (sql) => {
        await beginErasure(sql, viewer.owner);
        await sql.rows(`INSERT INTO erasures (id, owner, erased_at) VALUES ($1, $2, clock_timestamp())`, [
          newId(),
          viewer.owner,
        ]);
      },
      () => [database.transaction((sql) => admitWrite(sql, viewer))],
    );
    expect(verdicts).toEqual(['ERASED']);
    const other = { owner: newId() };
    const [verdict] = await beside(
      (sql) => admitWrite(sql, other),
      () => [database.transaction((sql) => beginErasure(sql, other.owner))],
    );
    expect(verdict).toBe('ADMITTED');
  });

  it('refuse writes of a request that was admitted too long ago', async () => {
    const owner = newId();
    const write = async (age: string): Promise<string> => {
      const [row] = await database.rows<{ at: string }>('SELECT (now() - $1::interval)::text AS at', [age]);
      const admission = { at: row!.at, erasures: [] };
      return writeTransaction(database, { owner, admission }, () => Promise.resolve('written'));
    };
    expect(await write('1 s')).toBe('written');
    await expect(write('31 s')).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it('count the webhooks of an owner together with those that another transaction adds', async () => {
    const webhook = { id: newId(), owner: 'ann', url: 'https://example.com', description: null, keyId: null };
    const [before, after] = await beside(
      async (sql) => {
        const count = await countWebhooks(sql, 'ann');
        await insertWebhook(sql, {
          ...webhook,
          eventTypes: [],
          secret: '',
          ownerStreamId: newId(),
          position: 0,
        });
        return count;
      },
      () => [database.transaction((sql) => countWebhooks(sql, 'ann'))],
    );
    expect([before, after]).toEqual([0, [1]]);
  });

  it('fail if their rows are missing', async () => {
    const failed = database.transaction(async (sql) => {
      await sql.rows('DELETE FROM locks');
      await holdLock(sql, 'quota', 'ann');
    });
    await expect(failed).rejects.toThrow('no row for its key');
  });
});

describe('a statement outside of transactions', () => {
  it.each(['40001', '40P01'])('is repeated after %s', async (code) => {
    const name = `conflicts_${code.toLowerCase()}`;
    await database.rows(`CREATE SEQUENCE ${name}`);
    await database.rows(
      `CREATE FUNCTION ${name}() RETURNS bigint LANGUAGE plpgsql AS $$
       DECLARE run bigint := nextval('${name}');
       BEGIN
         IF run % 8 <> 0 THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '${code}'; END IF;
         RETURN run;
       END $$`,
    );
    expect(await database.rows(`SELECT ${name}()::int AS run`)).toEqual([{ run: 8 }]);
    const text = { text: `SELECT ${name}()::text`, isShort: true };
    expect(await database.text(text, [], 'alice')).toBe('16');
  });
});

describe('a transaction', () => {
  it('sees what others have committed before each of its statements, also if the database has another default', async () => {
    const setDefault = (level: string): Promise<unknown> =>
      testDatabase.rows(
        `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''${level}''', current_database()); END $$`,
      );
    await setDefault('serializable');
    const other = await testDatabase.pool(1);
    const [shown] = await other.transaction((sql) => sql.rows('SHOW transaction_isolation'));
    await setDefault('read committed');
    expect(shown).toEqual({ transaction_isolation: 'read committed' });
  });
});

describe('wake-ups without notifications', () => {
  it('call the listeners of streams and topics within seconds, and of this process at once', async () => {
    const wakeups = new Wakeups({ url: null, logger });
    const heard: unknown[] = [];
    wakeups.onStreams((ids) => heard.push(ids));
    wakeups.onTopic((topic) => heard.push(topic));
    await wakeups.start();
    wakeups.announce({ streams: ['one'] });
    await eventually(
      'the poll',
      () => Promise.resolve(heard),
      ({ length }) => length >= 3,
    );
    await wakeups.stop();
    expect(heard.slice(0, 3)).toEqual([['one'], 'all', '*']);
  });

  it('deliver each event of another process once, also to subscribers that resume', async () => {
    const [one, other] = await Promise.all(
      [0, 1].map(() => EventProcess.start(testDatabase, undefined, false)),
    );
    const streamId = await one!.openStream();
    const received: number[] = [];
    const publishing = (async () => {
      for (let n = 1; n <= 40; n += 1) await one!.publish([change(streamId, n)]);
    })();
    while (received.length < 40) {
      const subscription = other!.feed.subscribe(streamId, received.at(-1) ?? 0);
      received.push(...sequencesOf(await take(subscription, Math.min(15, 40 - received.length))));
      await subscription.return();
    }
    await publishing;
    await Promise.all([one!.stop(), other!.stop()]);
    expect(received).toEqual(range(1, 40));
  });
});
