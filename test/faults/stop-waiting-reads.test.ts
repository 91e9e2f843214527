import { Client } from 'pg';
import { FaultsEnvironment } from '../support/faults-environment';
import { eventually } from '../support/until';

let environment: FaultsEnvironment;
beforeAll(async () => {
  // One connection for short reads, for which the others wait.
  environment = await FaultsEnvironment.open({
    settings: { ROLE: 'api', DATABASE_POOL: '2', SHUTDOWN_GRACE: '100ms' },
  });
});
afterAll(() => environment.stop());

it('a stop while reads wait for the database logs no error', async () => {
  const { client, gateway } = environment;
  const lock = new Client(environment.databaseUrl);
  await lock.connect();
  try {
    await lock.query('BEGIN; LOCK TABLE models');
    const read = (): Promise<unknown> =>
      client.post('{ models { nodes { id } } }').catch((error: unknown) => error);
    const answers = Array.from({ length: 8 }, read);
    await eventually(
      'waiting reads',
      () => gateway.metric('likeness_database_waiting'),
      (count) => count > 0,
    );
    gateway.signal('SIGTERM');
    // Their sockets are closed before the connections of the database.
    await Promise.all(answers);
  } finally {
    await lock.end();
  }
  expect(await gateway.exitCode()).toBe(0);
  const alarms = gateway.log.filter(({ level }) => level === 'error');
  expect(alarms).toEqual([]);
  expect(gateway.said(/the database is unavailable/)).toEqual([]);
});
