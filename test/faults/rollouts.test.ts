import { rm } from 'node:fs/promises';
import { inspect } from 'node:util';
import { Balancer } from '../support/balancer';
import { newDataDir } from '../support/environment';
import { findViolations } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending, order, prepareFixtures } from '../support/faults-jobs';
import { Listener } from '../support/faults-listener';
import type { GatewayProcess } from '../support/faults-process';
import { GraphQLClient } from '../support/graphql-client';
import { installNewerVersion } from '../support/newer-version';
import { eventually, until } from '../support/until';

jest.setTimeout(180_000);

let environment: FaultsEnvironment;
let balancer: Balancer | null = null;

afterEach(async () => {
  await balancer?.stop();
  balancer = null;
  await environment.stop();
});

/** Stops a process as a rollout does, once it has reported that it is not ready, and starts it again. */
async function replace(index: number, settings: Readonly<Record<string, string>>): Promise<void> {
  const gateway = environment.gateways[index]!;
  gateway.signal('SIGTERM');
  if (settings.ROLE === 'api')
    await until(async () => (await (await fetch(`${gateway.url}/readyz`)).text()).includes('stopping'));
  expect(await gateway.exitCode()).toBe(0);
  await environment.restartGateway(index, settings);
}

describe('a rolling upgrade with a migration, of two API processes and a worker behind a load balancer', () => {
  it('fails no request, and 50 clients that resume, and those of jobs, miss no event and get none twice', async () => {
    const settings = { SHUTDOWN_GRACE: '3s', SHUTDOWN_DRAIN: '2s' };
    environment = await FaultsEnvironment.open({
      gateways: 2,
      maxFollowed: 1,
      sandbox: { speed: 240 },
      settings: { ...settings, ROLE: 'api' },
    });
    await environment.addGateway({ ROLE: 'worker', SHUTDOWN_DRAIN: '0s' });
    const api = environment.gateways.slice(0, 2);
    balancer = await Balancer.start(api.map(({ port }) => port));
    const { url } = balancer;
    const isReady = (gateway: GatewayProcess): boolean => balancer!.isReady(gateway.port);
    await until(() => api.every(isReady));

    const client = environment.clientOf(() => ({ url }));
    const photoIds = await client.upload(5);
    const follow = (kind: 'avatars' | 'progress', subject: string): Listener => {
      const listener = new Listener({
        ...{ owner: 'viewer', token: null, subject, kind, after: null },
        gateway: () => url,
      });
      environment.checker.add(listener);
      return listener;
    };
    const firstId = await client.trained(photoIds);
    const generations = [(await client.generate(firstId)).id];
    await ending(environment, 'generation', generations[0]!);
    // Each is connected to one of the API processes, and both are replaced.
    const resuming = Array.from({ length: 50 }, () => follow('avatars', firstId));
    await until(() => resuming.every(({ log }) => log.events.length > 0));
    const followers: Listener[] = [];
    const trainings: string[] = [];
    const orderJobs = async (): Promise<void> => {
      for (let count = 0; count < 3; count += 1) {
        const { id } = await client.train({ photoIds });
        trainings.push(id);
        followers.push(follow('progress', id), follow('progress', id));
      }
      generations.push((await client.generate(firstId)).id);
    };
    const newer = await newDataDir();
    await installNewerVersion(newer);
    environment.installed = newer;
    let isRolling = true;
    let answered = 0;
    const failures: string[] = [];
    // A connection for each request: one that is kept may be closed by the gateway while a request is being sent.
    const asker = new GraphQLClient(() => url, { token: client.token, headers: { connection: 'close' } });
    const asking = Array.from({ length: 3 }, async () => {
      while (isRolling) {
        await asker.request('query ($id: ID!) { model(id: $id) { id } }', { id: firstId }).then(
          () => (answered += 1),
          (error: unknown) => failures.push(inspect(error)),
        );
      }
    });

    for (const [index, role] of ['api', 'worker', 'api'].entries()) {
      await orderJobs();
      const replaced = [0, 2, 1][index]!;
      await replace(replaced, { ROLE: role, ...(role === 'worker' && { SHUTDOWN_DRAIN: '0s' }) });
      if (role === 'api') await until(() => isReady(environment.gateways[replaced]!));
    }
    // Back to the version before, on the database of the newer one.
    environment.installed = undefined;
    await replace(2, { ROLE: 'worker', MIGRATE: 'false' });
    isRolling = false;
    await Promise.all(asking);
    for (const id of trainings) expect((await ending(environment, 'training', id)).status).toBe('READY');
    for (const id of generations)
      expect((await ending(environment, 'generation', id)).status).toBe('COMPLETED');
    await until(() => followers.every(({ log }) => log.isComplete), 60_000);

    const migrated = await environment.rows('SELECT name FROM migrations ORDER BY timestamp DESC LIMIT 1');
    expect(migrated).toEqual([{ name: 'NewerVersion1999000000000' }]);
    expect(failures).toEqual([]);
    expect(balancer.failed).toBe(0);
    expect(answered).toBeGreaterThan(10);
    expect(Math.min(...resuming.map(({ connections }) => connections))).toBeGreaterThan(1);
    expect(
      environment.gateways.flatMap(({ log }) =>
        log.filter((line) => JSON.stringify(line).includes('QueryFailed')),
      ),
    ).toEqual([]);
    expect(await findViolations(environment)).toEqual([]);
    await rm(newer, { recursive: true, force: true });
  });
});

describe('a worker that is stopped', () => {
  it('returns the jobs whose polls and fetches are in progress, without evidence against the avatar service', async () => {
    environment = await FaultsEnvironment.open({
      settings: { LEASE: '10m', POLL_TIMEOUT: '10m', RESULT_TIMEOUT: '10m' },
    });
    await prepareFixtures(environment);
    await environment.sandbox.fault({ on: 'result', kind: 'hang', times: 2 });
    const generation = await order(environment, 'generation');
    const inProgress = (): Promise<{ polls: number; fetches: number }[]> =>
      environment.rows(
        `SELECT (SELECT count(*)::int FROM models WHERE status = 'TRAINING' AND lease IS NOT NULL) AS polls,
                (SELECT count(*)::int FROM avatars WHERE lease IS NOT NULL) AS fetches`,
      );
    await eventually('the fetches', inProgress, ([row]) => row!.fetches === 2);
    await environment.sandbox.fault({ on: 'model', kind: 'hang', times: 6 });
    const trainings = await Promise.all(Array.from({ length: 6 }, () => order(environment, 'training')));
    await eventually('the polls', inProgress, ([row]) => row!.polls === 6);

    environment.gateway.signal('SIGTERM');
    expect(await environment.gateway.exitCode()).toBe(0);
    expect(environment.gateway.said(/did not end within the grace period/)).toEqual([]);
    expect(await inProgress()).toEqual([{ polls: 0, fetches: 0 }]);
    const accounts = await environment.rows<{ failing: unknown[] }>(
      'SELECT poll_failing || reach_failing AS failing FROM upstream_accounts',
    );
    expect(accounts.flatMap(({ failing }) => failing)).toEqual([]);
    const errors = await environment.rows('SELECT last_error FROM models WHERE last_error IS NOT NULL');
    expect(errors).toEqual([]);

    await environment.restartGateway(0, { SHUTDOWN_DRAIN: '10m' });
    for (const { id } of trainings) expect((await ending(environment, 'training', id)).status).toBe('READY');
    expect((await ending(environment, 'generation', generation.id)).status).toBe('COMPLETED');
    expect(await findViolations(environment)).toEqual([]);

    // It drains: it reports that it is not ready, and serves nevertheless, until a second signal.
    const { gateway } = environment;
    gateway.signal('SIGTERM');
    await until(async () => (await (await fetch(`${gateway.url}/readyz`)).text()).includes('stopping'));
    expect(await environment.client.model(trainings[0]!.id)).toMatchObject({ status: 'READY' });
    gateway.signal('SIGTERM');
    expect(await gateway.exitCode()).toBe(1);
  });
});
