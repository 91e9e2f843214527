import { LeasedRows, type LeasedRow } from '../../src/core/leased-rows';
import { createLogger } from '../../src/core/logger';
import { OwnerShares } from '../../src/core/owner-shares';
import { readOwnerWeights } from '../../src/core/owner-weights';
import type { Database } from '../../src/database/database';
import { TestDatabase } from '../support/database';
import { createWorkTable, workTable } from '../support/work-table';

describe('claims with weights of owners', () => {
  let testDatabase: TestDatabase;
  let database: Database;

  beforeAll(async () => {
    testDatabase = await TestDatabase.create();
    database = await createWorkTable(testDatabase, 2);
  });

  afterAll(() => testDatabase.drop());

  beforeEach(() => database.rows('TRUNCATE work RESTART IDENTITY'));

  const worker = (weights: string): LeasedRows<LeasedRow> =>
    new LeasedRows(database, workTable, {
      leaseMs: 600_000,
      logger: createLogger('silent'),
      weights: readOwnerWeights(weights)!,
    });

  /** Adds due rows of owners. */
  const add = async (counts: Readonly<Record<string, number>>): Promise<void> => {
    for (const [owner, count] of Object.entries(counts))
      await database.rows(
        `INSERT INTO work (id, owner, due_at) SELECT gen_random_uuid(), $1, now() - n * interval '1 ms' FROM generate_series(1, $2) n`,
        [owner, count],
      );
  };

  /** The owners that claims of the given sizes serve, in order. */
  const serve = async (claimer: LeasedRows<LeasedRow>, limits: readonly number[]): Promise<string> => {
    const served: string[] = [];
    for (const limit of limits) served.push(...(await claimer.claim({ limit })).map(({ owner }) => owner));
    return served.join(' ');
  };

  // With 200 rows, a claim walks from owner to owner; with 9 it reads all rows.
  describe.each([
    ['few', 9],
    ['many', 200],
  ])('and %s rows', (_, count) => {
    it.each([
      ['in one claim', [10]],
      ['one row at a time', Array.from({ length: 10 }, () => 1)],
      ['in claims that end within the turns of an owner', [2, 5, 2, 1]],
    ])('serve an owner of weight 3 three times in a round, %s', async (_form, limits) => {
      await add({ anna: count, bob: count, carl: count });
      expect(await serve(worker('bob=3'), limits)).toBe('anna bob bob bob carl anna bob bob bob carl');
    });

    it('serve every other owner although a weight exceeds the size of a claim', async () => {
      await add({ anna: count, bob: count, carl: count });
      const served = await serve(worker('anna=4'), [2, 2, 2, 2, 2, 2]);
      expect(served).toBe('anna anna anna anna bob carl anna anna anna anna bob carl');
    });
  });

  it('apply the weight of users of an application to each of them, except those with a weight of their own', async () => {
    await add({ '@acme/anna': 9, '@acme/bob': 9, anna: 9, '@other/anna': 9 });
    const served = (await serve(worker('@acme/*=2,@acme/bob=3'), [7])).split(' ').sort();
    expect(served).toEqual(
      [
        ...['@acme/anna', '@acme/anna', '@acme/bob', '@acme/bob', '@acme/bob'],
        ...['@other/anna', 'anna'],
      ].sort(),
    );
  });

  it('let an owner use as many times the free slots as its weight, but not the last one', async () => {
    const weights = readOwnerWeights('anna=3,zoe=100')!;
    const started = async (owners: Readonly<Record<string, number>>): Promise<Record<string, number>> => {
      await database.rows('TRUNCATE work RESTART IDENTITY');
      await add(owners);
      const slots = new OwnerShares(12, weights);
      await worker('anna=3,zoe=100').start(slots, {}, () => new Promise(() => undefined));
      return Object.fromEntries(slots.byOwner);
    };
    expect(await started({ anna: 50 })).toEqual({ anna: 9 });
    expect(await started({ bob: 50 })).toEqual({ bob: 6 });
    expect(await started({ zoe: 50 })).toEqual({ zoe: 11 });
  });

  it('give the last free slot to an owner that has none, although another has turns left', async () => {
    await add({ anna: 5, bob: 1 });
    const slots = new OwnerShares(4, readOwnerWeights('anna=5'));
    slots.acquire('anna', 3);
    await worker('anna=5').start(slots, {}, () => new Promise(() => undefined));
    expect(Object.fromEntries(slots.byOwner)).toEqual({ anna: 3, bob: 1 });
  });

  it('give the last free slot to an owner that has none, however many of weight 2 have one and are due longer', async () => {
    const owners = ['anna', 'bob', 'carl', 'dora', 'emil'];
    const weights = owners.map((owner) => `${owner}=2`).join(',');
    const slots = new OwnerShares(6, readOwnerWeights(weights));
    await add(Object.fromEntries([...owners.map((owner) => [owner, 100]), ['zoe', 1]]));
    for (const owner of owners) slots.acquire(owner, 1);
    const claimed = await worker(weights).claim({ limit: slots.free, slots });
    expect(claimed.map(({ owner }) => owner)).toEqual(['zoe']);
  });

  it('share what is taken without a claim in the same way', () => {
    const shares = new OwnerShares(12, readOwnerWeights('anna=3,zoe=100'));
    const take = (owner: string): number => {
      let count = 0;
      while (shares.tryAcquire(owner, 1)) count += 1;
      return count;
    };
    const counts = ['anna', 'bob', 'zoe'].map((owner) => {
      const count = take(owner);
      shares.release(owner, count);
      return count;
    });
    expect(counts).toEqual([9, 6, 11]);
  });
});
