import { FaultsEnvironment } from '../support/faults-environment';
import { orderAll, prepareFixtures } from '../support/faults-jobs';
import { eventually } from '../support/until';

jest.setTimeout(240_000);

describe('a spent budget', () => {
  let environment: FaultsEnvironment;

  beforeAll(async () => {
    environment = await FaultsEnvironment.open({ gateways: 2 });
    await prepareFixtures(environment);
  });
  afterAll(() => environment.stop());

  /** The number of row versions so far. */
  const written = async (table: string): Promise<number> => {
    const [row] = await environment.rows<{ count: number }>(
      'SELECT n_tup_upd::int AS count FROM pg_stat_user_tables WHERE relname = $1',
      [table],
    );
    return row!.count;
  };

  it('costs a few writes for each paid call, and none for jobs that wait', async () => {
    const jobs = await orderAll(environment, Array<'generation'>(40).fill('generation'));
    const calls = async (): Promise<number> => (await environment.sandbox.counts()).generations;
    // The burst is used up when more calls were made than it allows.
    const burst = (await calls()) + 12;
    await eventually('the burst', calls, (count) => count >= burst);
    const before = { calls: await calls(), generations: await written('generations') };
    await eventually('more calls', calls, (count) => count >= before.calls + 8);
    const made = (await calls()) - before.calls;
    const writes = (await written('generations')) - before.generations;
    expect(jobs).toHaveLength(40);
    // Claimed, submitting, accepted, then polled until its pictures are stored.
    expect(writes / made).toBeLessThan(25);
    const [queued] = await environment.rows<{ rewritten: number }>(
      `SELECT count(*) FILTER (WHERE updated_at > created_at)::int AS rewritten
         FROM generations WHERE status = 'QUEUED' AND attempt = 0`,
    );
    expect(queued).toEqual({ rewritten: 0 });
  });
});
