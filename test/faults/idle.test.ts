import { FaultsEnvironment } from '../support/faults-environment';
import { ending, order, prepareFixtures } from '../support/faults-jobs';
import { StatementWatch } from '../support/statements';
import { eventually } from '../support/until';

jest.setTimeout(120_000);

let environment: FaultsEnvironment;

beforeAll(async () => {
  environment = await FaultsEnvironment.open();
  await prepareFixtures(environment);
  const { id } = await order(environment, 'generation');
  await ending(environment, 'generation', id);
  await environment.client.slots(3);
});

afterAll(async () => {
  await environment.stop();
});

/** Whether no row fits the condition. */
const isEmpty = (condition: string): Promise<boolean> =>
  environment.rows(`SELECT FROM ${condition} LIMIT 1`).then((rows) => rows.length === 0);

describe('an idle gateway', () => {
  // Rows that another program made due: no wake-up announces them.
  it.each([
    [
      'purges photos',
      `UPDATE photos SET purge_at = now() WHERE status = 'AWAITING_UPLOAD' RETURNING id`,
      `photos WHERE status = 'AWAITING_UPLOAD'`,
    ],
    [
      'deletes files',
      `INSERT INTO media_deletions (key) VALUES ('photos/00000000-0000-4000-8000-000000000000') RETURNING key`,
      'media_deletions',
    ],
    [
      'checks stored pictures',
      `UPDATE avatars SET check_at = now() RETURNING id`,
      'avatars WHERE check_at <= now()',
    ],
    [
      'ends generations whose pictures are stored',
      `UPDATE generations SET status = 'STORING', due_at = now(), completed_at = NULL WHERE status = 'COMPLETED' RETURNING id`,
      `generations WHERE status = 'STORING'`,
    ],
    [
      'closes erasures after their final check',
      `INSERT INTO erasures (id, owner, completed_at) VALUES (gen_random_uuid(), 'erased', now() - interval '30 days') RETURNING id`,
      'erasures WHERE owner IS NOT NULL',
    ],
    [
      'records that calls have no answer',
      `UPDATE submissions SET outcome = 'CALLING', called_at = now() - interval '2 hours' RETURNING id`,
      `submissions WHERE outcome = 'CALLING'`,
    ],
  ])('%s within its interval', async (_, change, left) => {
    expect(await environment.rows(change)).not.toEqual([]);
    await eventually('no such row', () => isEmpty(left), Boolean);
  });

  it('sends at most one statement in 5 seconds: those that wait for work share one', async () => {
    const watch = await StatementWatch.start(environment.databaseUrl);
    await environment.addGateway({ DATABASE_URL: watch.url });
    const reads = async (): Promise<number> =>
      watch.received.filter((text) => text.includes('AS "dueInMs"')).length;
    /** Until due times were read although nothing has happened: after ten seconds. */
    const periodicRead = async (): Promise<void> => {
      let last = { count: await reads(), atMs: performance.now() };
      const nextAfterMs = async (): Promise<number> => {
        const { atMs } = last;
        if (last.count === (await reads())) return 0;
        last = { count: await reads(), atMs: performance.now() };
        return last.atMs - atMs;
      };
      await eventually('a periodic read of due times', nextAfterMs, (ms) => ms > 5_000);
    };
    await periodicRead();
    const startedMs = performance.now();
    await watch.during(async () => {
      await periodicRead();
      await periodicRead();
    });
    const seconds = (performance.now() - startedMs) / 1_000;
    // One may belong to the time before, and one to that after it.
    expect(watch.received.length).toBeLessThanOrEqual(seconds / 5 + 2);
    await watch.stop();
  });
});
