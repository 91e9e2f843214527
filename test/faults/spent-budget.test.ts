import { eventually } from '../support/faults-client';
import { FaultsHouse } from '../support/faults-house';
import { furnish, order } from '../support/faults-jobs';

jest.setTimeout(240_000);

describe('a spent budget', () => {
  let house: FaultsHouse;

  beforeAll(async () => {
    house = await FaultsHouse.open({ gateways: 2 });
    await furnish(house);
  });
  afterAll(() => house.close());

  /** Row versions that were made so far. */
  const written = async (table: string): Promise<number> => {
    const [row] = await house.rows<{ count: number }>(
      'SELECT n_tup_upd::int AS count FROM pg_stat_user_tables WHERE relname = $1',
      [table],
    );
    return row!.count;
  };

  it('costs a few writes for each paid call, and none for jobs that wait', async () => {
    const jobs = await Promise.all(Array.from({ length: 40 }, () => order(house, 'generation')));
    const calls = async (): Promise<number> => (await house.sandbox.counts()).generations;
    // The burst is over when more calls were made than it has.
    const burst = (await calls()) + 12;
    await eventually('the burst', calls, (count) => count >= burst);
    const before = { calls: await calls(), generations: await written('generations') };
    await eventually('more calls', calls, (count) => count >= before.calls + 8);
    const made = (await calls()) - before.calls;
    const writes = (await written('generations')) - before.generations;
    expect(jobs).toHaveLength(40);
    // Claimed, submitting, accepted, then polled until its pictures are stored.
    expect(writes / made).toBeLessThan(25);
    const [queued] = await house.rows<{ rewritten: number }>(
      `SELECT count(*) FILTER (WHERE updated_at > created_at)::int AS rewritten
         FROM generations WHERE status = 'QUEUED' AND attempt = 0`,
    );
    expect(queued).toEqual({ rewritten: 0 });
  });
});
