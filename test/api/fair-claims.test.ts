import fc from 'fast-check';
import { newId } from '../../src/core/ids';
import { LeasedRows, type Claimed, type LeasedRow } from '../../src/core/leased-rows';
import { createLogger } from '../../src/core/logger';
import { OwnerShares } from '../../src/core/owner-shares';
import type { Database } from '../../src/database/database';
import { TestDatabase } from '../support/database';
import { until } from '../support/until';
import { createWorkTable, workTable } from '../support/work-table';

const leaseMs = 600_000;
const logger = createLogger('silent');

describe('claims', () => {
  let testDatabase: TestDatabase;
  let database: Database;

  beforeAll(async () => {
    testDatabase = await TestDatabase.create();
    database = await createWorkTable(testDatabase, 8);
  });

  afterAll(() => testDatabase.drop());

  beforeEach(() => database.rows('TRUNCATE work RESTART IDENTITY'));

  const worker = (options = { leaseMs, logger }): LeasedRows<LeasedRow> =>
    new LeasedRows(database, workTable, options);

  /** Adds rows of an owner, the first of them due longest, since `dueMs` ago. */
  const add = (owner: string, count: number, dueMs = 1_000): Promise<unknown> =>
    database.rows(
      `INSERT INTO work (id, owner, due_at)
       SELECT gen_random_uuid(), $1, now() - ($3 - n) * interval '1 ms' FROM generate_series(1, $2) AS n`,
      [owner, count, dueMs + count],
    );

  const end = (rows: readonly LeasedRow[]): Promise<unknown> =>
    database.rows('UPDATE work SET due_at = NULL, lease = NULL WHERE id = ANY($1)', [
      rows.map(({ id }) => id),
    ]);

  const ownersOf = (rows: readonly LeasedRow[]): string[] => rows.map(({ owner }) => owner);

  it('take the rows of an owner by several columns, however many are due longer', async () => {
    await add('anna', 300);
    await add('bob', 300);
    await database.rows('UPDATE work SET rank = 0 WHERE place IN (200, 299, 450)');
    const ranked = new LeasedRows(database, { ...workTable, order: ['rank', 'place'] }, { leaseMs, logger });
    const places = (await ranked.claim({ limit: 6 })).map(
      (row) => (row as unknown as { place: number }).place,
    );
    expect(places).toEqual([200, 450, 299, 301, 1, 302]);
  });

  it('take the first row of an owner although others of it are due longer, also if other owners are next in turn', async () => {
    await add('zoe', 300, 60_000);
    for (const owner of ['anna', 'bob', 'carl']) await add(owner, 2);
    await database.rows('UPDATE work SET rank = 0 WHERE place = 300');
    const ranked = new LeasedRows(database, { ...workTable, order: ['rank', 'place'] }, { leaseMs, logger });
    const shares = new OwnerShares(100);
    for (const owner of ['anna', 'bob', 'carl']) shares.acquire(owner, 1);
    const [row] = await ranked.claim({ limit: 3, slots: shares });
    expect(row).toMatchObject({ owner: 'zoe', place: 300 });
  });

  it('take owners in turn, starting with the one due longest', async () => {
    await add('alice', 1_000, 60_000);
    await add('bob', 3);
    await add('carol', 1);
    const claimer = worker();
    expect(ownersOf(await claimer.claim({ limit: 6 }))).toEqual([
      'alice',
      'bob',
      'carol',
      'alice',
      'bob',
      'alice',
    ]);
  });

  it('continue after the owner served last, also one row at a time', async () => {
    for (const owner of ['alice', 'bob', 'carol']) await add(owner, 200, owner === 'bob' ? 60_000 : 1_000);
    const claimer = worker();
    const served: string[] = [];
    for (let time = 0; time < 7; time += 1) served.push(...ownersOf(await claimer.claim({ limit: 1 })));
    expect(served).toEqual(['alice', 'bob', 'carol', 'alice', 'bob', 'carol', 'alice']);
  });

  it.each([
    ['three seconds later', false, `due_at >= $1::timestamptz + interval '3 s'`],
    ['at once when the process stops', true, `due_at BETWEEN $1::timestamptz AND clock_timestamp()`],
  ])('return a row that is deferred: it is due %s', async (_, isStopping, isDue) => {
    await add('alice', 1);
    const claimer = worker();
    const [row] = await claimer.claim({ limit: 1 });
    const [before] = await database.rows<{ at: string }>('SELECT clock_timestamp()::text AS at');
    const stopping = new AbortController();
    if (isStopping) stopping.abort();
    const deferred = claimer.defer(row!, stopping.signal);
    await until(async () => (await database.rows('SELECT FROM work WHERE lease IS NULL')).length === 1);
    expect(await database.rows(`SELECT FROM work WHERE ${isDue}`, [before!.at])).toHaveLength(1);
    stopping.abort();
    await deferred;
  });

  it('find an owner among thousands of others whose rows are not due', async () => {
    await add('alice', 1_000, 60_000);
    await database.rows(
      `INSERT INTO work (id, owner, due_at)
       SELECT gen_random_uuid(), 'b' || n, now() + interval '1 hour' FROM generate_series(1, 2500) AS n`,
    );
    await add('zoe', 1);
    const claimer = worker();
    const served: string[] = [];
    for (let time = 0; time < 4; time += 1) served.push(...ownersOf(await claimer.claim({ limit: 2 })));
    expect(served).toContain('zoe');
  });

  it('take the row of an owner that is due longest first', async () => {
    await add('alice', 300);
    const rows = (await worker().claim({ limit: 50 })) as Claimed<LeasedRow & { place: number }>[];
    expect(rows.map(({ place }) => place)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });

  it('reserve slots for other owners, fewer with more active owners', async () => {
    const slots = new OwnerShares(12);
    const claimer = worker();
    const started = async (): Promise<Record<string, number>> => {
      await claimer.start(slots, {}, () => new Promise(() => undefined));
      return Object.fromEntries(slots.byOwner);
    };
    await add('alice', 100);
    expect(await started()).toEqual({ alice: 6 });
    await add('bob', 100);
    expect(await started()).toEqual({ alice: 6, bob: 3 });
    await add('carol', 1);
    expect(await started()).toEqual({ alice: 6, bob: 3, carol: 1 });
  });

  it('find the owner that has slots left at once, behind as many that have none as there are slots', async () => {
    const slots = new OwnerShares(12);
    const claimer = worker();
    for (const owner of ['anna', 'bob', 'carl', 'dora', 'emil']) {
      await add(owner, 100, 60_000);
      slots.acquire(owner, 2);
    }
    await add('zoe', 3);
    expect(ownersOf(await claimer.claim({ limit: slots.free, slots }))).toEqual(['zoe']);
  });

  it('are renewed together until the work ends, except rows that another worker claimed or that have no more work', async () => {
    await add('alice', 4);
    const claimer = worker({ leaseMs: 60, logger });
    let stop: () => void = () => undefined;
    const stopped = new Promise<void>((resolve) => (stop = resolve));
    const pass = await claimer.start(new OwnerShares(8), {}, () => stopped);
    const [lost] = await database.rows<{ id: string; due: string }>(
      `UPDATE work SET lease = $1, due_at = now() WHERE id = (SELECT min(id::text)::uuid FROM work)
       RETURNING id, due_at::text AS due`,
      [newId()],
    );
    const [ended] = await database.rows<{ id: string; due: null }>(
      `UPDATE work SET due_at = NULL WHERE id = (SELECT max(id::text)::uuid FROM work) RETURNING id, due_at AS due`,
    );
    const others = async (): Promise<string[]> =>
      (
        await database.rows<{ due: string }>(
          'SELECT due_at::text AS due FROM work WHERE id <> ALL ($1) ORDER BY id',
          [[lost!.id, ended!.id]],
        )
      ).map(({ due }) => due);
    for (let renewals = 0; renewals < 2; renewals += 1) {
      const before = await others();
      await until(async () => (await others()).every((due, index) => due > before[index]!));
    }
    const unchanged = 'SELECT id, due_at::text AS due FROM work WHERE id = ANY ($1) ORDER BY id';
    expect(await database.rows(unchanged, [[lost!.id, ended!.id]])).toEqual([lost, ended]);
    stop();
    await Promise.all(pass.work);
    await until(async () => (await claimer.countDue(10)) === 3);
  });

  it('never assign a row to two workers, and starve no owner', async () => {
    const step = fc.record({ by: fc.nat(2), limit: fc.integer({ min: 1, max: 9 }), ends: fc.boolean() });
    const owners = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(owners, fc.array(step, { minLength: 5, maxLength: 12 }), async (counts, steps) => {
        await database.rows('TRUNCATE work RESTART IDENTITY');
        for (const [index, count] of counts.entries()) await add(`owner ${index}`, count, index * 1_000);
        const workers = [worker(), worker(), worker()];
        const held = new Set<string>();
        const served = new Map<string, number>();
        const claim = async ({
          by,
          limit,
          ends,
        }: {
          by: number;
          limit: number;
          ends: boolean;
        }): Promise<void> => {
          const rows = await workers[by]!.claim({ limit });
          for (const { id, owner } of rows) {
            if (held.has(id)) throw new Error('A row was lent twice.');
            held.add(id);
            served.set(owner, (served.get(owner) ?? 0) + 1);
          }
          if (ends) await end(rows);
        };
        // Workers claim concurrently in pairs.
        for (let index = 0; index < steps.length; index += 2) {
          await Promise.all(steps.slice(index, index + 2).map(claim));
        }
        // A single worker serves each owner with due rows before any of them a second time.
        const rounds = Math.ceil(counts.length / 3);
        const waiting = await database.rows<{ owner: string }>(
          'SELECT DISTINCT owner FROM work WHERE due_at <= now()',
        );
        served.clear();
        for (let round = 0; round < rounds; round += 1) await claim({ by: 0, limit: 3, ends: true });
        expect(waiting.filter(({ owner }) => !served.has(owner))).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });
});
