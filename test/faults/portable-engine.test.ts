import { TestDatabase } from '../support/database';
import { findViolations } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending, order, prepareFixtures } from '../support/faults-jobs';
import { Listener } from '../support/faults-listener';
import { StatementWatch } from '../support/statements';
import { eventually, until } from '../support/until';

jest.setTimeout(180_000);

let environment: FaultsEnvironment;

/** How many calls of a kind of job each process makes at once. There are two kinds: trainings and generations. */
const maxSubmissions = 2;

/** What other engines do not have, and the statements that need it. */
const onlyOfPostgres = {
  'advisory locks': /pg_(try_)?advisory_|\badmit_write\(/,
  notifications: /\bLISTEN\b|\bNOTIFY\b|pg_notify/,
  'SKIP LOCKED': /SKIP LOCKED/,
};

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
  beforeAll(async () => {
    environment = await FaultsEnvironment.open({
      gateways: 4,
      settings: { DATABASE_ENGINE: 'portable', MAX_SUBMISSIONS: String(maxSubmissions) },
    });
    await prepareFixtures(environment);
  });

  afterAll(() => environment.stop());

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
    // Only calls that one of these two processes was making.
    expect(unknown + refused).toBeLessThanOrEqual(2 * 2 * maxSubmissions);
    const paid = (await environment.paid()) - before;
    expect(paid).toBeLessThanOrEqual(32 - refused);
    expect(paid).toBeGreaterThanOrEqual(32 - refused - unknown);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('deliver events of jobs that others were asked for', async () => {
    const [first, second] = environment.gateways;
    const { id } = await environment
      .clientOf(() => first!)
      .train({ photoIds: await environment.client.upload(5) });
    const listener = new Listener({
      ...{ owner: 'viewer', token: null, subject: id, kind: 'progress', after: null },
      gateway: () => second!.url,
    });
    environment.checker.add(listener);
    await until(() => listener.log.isComplete, 60_000);
    expect(listener.log.events.at(-1)!.state).toMatchObject({ status: 'READY' });
    expect(await findViolations(environment)).toEqual([]);
  });
});

describe('a gateway that runs a training and a generation', () => {
  /** What it uses with an engine, by all statements that the database gets from it. */
  const usedWith = async (DATABASE_ENGINE: string): Promise<string[]> => {
    const database = await TestDatabase.create();
    const watch = await StatementWatch.start(database.url);
    const settings = { DATABASE_ENGINE, DATABASE_URL: watch.url };
    const single = await FaultsEnvironment.open({ databaseUrl: database.url, settings });
    const { client } = single;
    const { id } = await client.generate(await client.trained(await client.upload(5)), [{ count: 1 }]);
    expect(await ending(single, 'generation', id)).toMatchObject({ status: 'COMPLETED' });
    await single.stop();
    await watch.stop();
    await database.drop();
    const isUsed = (pattern: RegExp): boolean => watch.received.some((text) => pattern.test(text));
    return Object.entries(onlyOfPostgres).flatMap(([name, pattern]) => (isUsed(pattern) ? [name] : []));
  };

  it('uses advisory locks, notifications and SKIP LOCKED, and none of them with DATABASE_ENGINE=portable', async () => {
    expect(await usedWith('postgresql')).toEqual(Object.keys(onlyOfPostgres));
    expect(await usedWith('portable')).toEqual([]);
  });
});
