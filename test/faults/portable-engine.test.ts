import { findViolations } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending, order, prepareFixtures } from '../support/faults-jobs';
import { eventually } from '../support/until';

jest.setTimeout(180_000);

let environment: FaultsEnvironment;

beforeAll(async () => {
  environment = await FaultsEnvironment.open({ gateways: 4, settings: { DATABASE_ENGINE: 'portable' } });
  await prepareFixtures(environment);
});

afterAll(() => environment.stop());

/** Suspends the gateway for longer than its lease of 2 s, by the database's clock. */
async function suspend(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const [begin] = await environment.rows<{ at: Date }>('SELECT now() AS at');
  await eventually(
    'the end of the lease',
    () =>
      environment.rows<{ isOver: boolean }>(`SELECT now() > $1::timestamptz + interval '3 s' AS "isOver"`, [
        begin!.at,
      ]),
    ([row]) => row!.isOver,
  );
  process.kill(pid, 'SIGCONT');
}

describe('four gateways with DATABASE_ENGINE=portable', () => {
  it('pay once for each job while one is suspended beyond its lease and one is killed', async () => {
    const before = await environment.paid();
    const kinds = Array.from({ length: 32 }, (_, index) => (index % 4 === 0 ? 'training' : 'generation'));
    const jobs = await Promise.all(kinds.map((kind) => order(environment, kind)));
    const suspended = suspend(environment.gateways[3]!.pid);
    await eventually(
      'the first calls',
      () => environment.paid(),
      (paid) => paid >= before + 4,
    );
    await environment.gateways[2]!.kill();
    environment.gateways.splice(2, 1);
    await suspended;
    await environment.freshBudget();
    const ended = await Promise.all(jobs.map(({ id }, index) => ending(environment, kinds[index]!, id)));
    const ends = ended.map(({ status, failure }) => failure?.code ?? status);
    const count = (wanted: string): number => ends.filter((end) => end === wanted).length;
    // The photos of calls of the killed and the suspended process cannot be fetched: the upstream then refuses these calls.
    const [unknown, refused] = [count('SUBMISSION_UNKNOWN'), count('PHOTO_UNREACHABLE')];
    expect(count('READY') + count('COMPLETED') + unknown + refused).toBe(32);
    const paid = (await environment.paid()) - before;
    expect(paid).toBeLessThanOrEqual(32 - refused);
    expect(paid).toBeGreaterThanOrEqual(32 - refused - unknown);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('see changes of each other, and use neither advisory locks nor notifications', async () => {
    const [first, second] = environment.gateways;
    const { id } = await environment
      .clientOf(() => first!)
      .train({
        photoIds: await environment.client.upload(5),
      });
    const model = await ending(environment, 'training', id);
    expect(await environment.clientOf(() => second!).model(id)).toMatchObject({ status: model.status });
    expect(
      await environment.rows(
        `SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
          WHERE datname = current_database() AND locktype = 'advisory'`,
      ),
    ).toEqual([]);
    expect(
      await environment.rows(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'likeness wake-ups'`,
      ),
    ).toEqual([]);
  });
});
