import { TestDatabase } from '../support/database';
import { EndingProxy } from '../support/ending-proxy';
import { FaultsEnvironment } from '../support/faults-environment';
import { eventually } from '../support/until';

jest.setTimeout(120_000);

let database: TestDatabase;
let proxy: EndingProxy;
let environment: FaultsEnvironment;

beforeAll(async () => {
  database = await TestDatabase.create();
  proxy = await EndingProxy.start(database.url);
  environment = await FaultsEnvironment.open({ databaseUrl: proxy.url });
});

afterAll(async () => {
  await environment.stop();
  await proxy.stop();
  await database.drop();
});

const endSessions = (): Promise<unknown> =>
  database.rows(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name LIKE 'likeness%'`,
  );

describe('a process', () => {
  it('continues when PostgreSQL ends its sessions while they connect, as in a failover', async () => {
    proxy.ends = true;
    const ask = (): Promise<unknown> => environment.client.request('{ models(first: 1) { totalCount } }');
    await eventually(
      'sessions that end',
      async () => {
        await endSessions();
        await ask().catch(() => undefined);
        return proxy.ended;
      },
      (ended) => ended >= 20 || !environment.gateway.isRunning,
      60_000,
    );
    proxy.ends = false;
    expect(environment.gateway.isRunning).toBe(true);
    await eventually('an answer', ask, () => true);
  });
});
