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
  ])('%s within its interval', async (_, change, left) => {
    expect(await environment.rows(change)).not.toEqual([]);
    await eventually('no such row', () => isEmpty(left), Boolean);
  });

  it('sends few statements: those that wait for work share one', async () => {
    const watch = await StatementWatch.start(environment.databaseUrl);
    await environment.addGateway({ DATABASE_URL: watch.url });
    const lastSeen = (): Promise<string> =>
      environment
        .rows<{ at: string }>('SELECT max(last_seen_at)::text AS at FROM photo_servers')
        .then(([row]) => row!.at);
    /** Until the gateways have recorded again that they serve photos: every five seconds. */
    const oneInterval = async (): Promise<void> => {
      const before = await lastSeen();
      await eventually('another record', lastSeen, (at) => at > before);
    };
    await oneInterval();
    await oneInterval();
    const statements = await watch.during(async () => {
      for (let intervals = 0; intervals < 4; intervals += 1) await oneInterval();
    });
    expect(statements.length).toBeLessThan(20);
    await watch.stop();
  });
});
