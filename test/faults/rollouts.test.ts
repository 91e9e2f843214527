import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Balancer } from '../support/balancer';
import { newDataDir } from '../support/environment';
import { findViolations } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending, order, prepareFixtures } from '../support/faults-jobs';
import { Listener } from '../support/faults-listener';
import type { GatewayProcess } from '../support/faults-process';
import { GraphQLClient } from '../support/graphql-client';
import { installContracting, installExpanding, releaseMigrations } from '../support/successive-releases';
import { eventually, until } from '../support/until';

jest.setTimeout(300_000);

let environment: FaultsEnvironment;
let balancer: Balancer | null = null;
/** Whether requests are sent all the time. */
let isRolling = false;

afterEach(async () => {
  isRolling = false;
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

/** The processes of the test by their index. */
const processes = { firstApi: 0, secondApi: 1, worker: 2 } as const;

const times = ['models', 'generations'].map((list) => `${list}(first: 100) { nodes { id submittedAt } }`);

/** When each job was accepted, as a gateway reads it: another column in each release. */
async function acceptedAt({ url }: GatewayProcess): Promise<Map<string, string | null>> {
  type Jobs = Record<string, { nodes: { id: string; submittedAt: string | null }[] }>;
  const lists = await new GraphQLClient(() => url).request<Jobs>(`{ ${times.join(' ')} }`);
  const jobs = Object.values(lists).flatMap(({ nodes }) => nodes);
  return new Map(jobs.map(({ id, submittedAt }) => [id, submittedAt]));
}

describe('three releases that expand, migrate and contract the database, of two API processes and a worker', () => {
  it('replace each other under load and go back by one release: no request fails, and each event is received once', async () => {
    const stop = { SHUTDOWN_GRACE: '3s', SHUTDOWN_DRAIN: '2s' };
    environment = await FaultsEnvironment.open({
      gateways: 2,
      maxFollowed: 1,
      sandbox: { speed: 240 },
      settings: { ...stop, ROLE: 'api' },
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
      for (let count = 0; count < 2; count += 1) {
        const { id } = await client.train({ photoIds });
        trainings.push(id);
        followers.push(follow('progress', id), follow('progress', id));
      }
      generations.push((await client.generate(firstId)).id);
    };
    isRolling = true;
    let answered = 0;
    let slowestMs = 0;
    const failures: string[] = [];
    // A connection for each request: one that is kept may be closed by the gateway while a request is being sent.
    const asker = new GraphQLClient(() => url, { token: client.token, headers: { connection: 'close' } });
    const asking = Array.from({ length: 3 }, async () => {
      while (isRolling) {
        const began = performance.now();
        await asker.request('query ($id: ID!) { model(id: $id) { id } }', { id: firstId }).then(
          () => (answered += 1),
          (error: unknown) => failures.push(inspect(error)),
        );
        slowestMs = Math.max(slowestMs, performance.now() - began);
        await pause(50);
      }
    });

    /**
     * Replaces processes one after the other, while jobs are ordered.
     * @param release - the folder of its installation; undefined: this version
     */
    const roll = async (
      names: readonly (keyof typeof processes)[],
      release: string | undefined,
      settings: Readonly<Record<string, string>> = {},
    ): Promise<void> => {
      environment.installed = release;
      for (const name of names) {
        const role: Record<string, string> =
          name === 'worker' ? { ROLE: 'worker', SHUTDOWN_DRAIN: '0s' } : { ROLE: 'api' };
        // It is stopped while it has some, and migrates while others are ordered.
        if (name === 'worker') await orderJobs();
        await Promise.all([replace(processes[name], { ...role, ...settings }), orderJobs()]);
        if (name !== 'worker') await until(() => isReady(environment.gateways[processes[name]]!));
      }
    };
    /** All jobs end well, and both API processes read the same. */
    const checkJobs = async (): Promise<void> => {
      for (const id of trainings) expect((await ending(environment, 'training', id)).status).toBe('READY');
      for (const id of generations)
        expect((await ending(environment, 'generation', id)).status).toBe('COMPLETED');
      const [first, second] = await Promise.all(environment.gateways.slice(0, 2).map(acceptedAt));
      expect(first!.size).toBe(1 + trainings.length + generations.length);
      expect([...first!].filter(([, time]) => time === null)).toEqual([]);
      expect(second).toEqual(first);
    };
    const folders = { expanding: await newDataDir(), contracting: await newDataDir() };
    await installExpanding(folders.expanding);
    await installContracting(folders.contracting);

    // The worker of the next release migrates the database, while the API processes of this one order jobs.
    await roll(['worker', 'firstApi'], folders.expanding);
    await checkJobs();
    // Back to this release, in the opposite order.
    await roll(['firstApi'], undefined);
    await roll(['worker'], undefined, { MIGRATE: 'false' });
    await checkJobs();
    await roll(['worker', 'firstApi', 'secondApi'], folders.expanding);
    // The release after it removes what this one uses, while an API process of the release between runs.
    await roll(['worker', 'firstApi'], folders.contracting);
    await checkJobs();
    await roll(['firstApi'], folders.expanding);
    await roll(['worker'], folders.expanding, { MIGRATE: 'false' });
    isRolling = false;
    await Promise.all(asking);
    await checkJobs();
    await until(() => followers.every(({ log }) => log.isComplete), 60_000);

    // By two releases there is no way back.
    environment.installed = undefined;
    const refused = /removed what this version uses: it does not know Expanding1999000000001/;
    for (const MIGRATE of ['true', 'false'])
      await expect(environment.addGateway({ MIGRATE }).then(({ url: started }) => started)).rejects.toThrow(
        refused,
      );

    const migrated = await environment.rows<{ name: string }>(
      'SELECT name FROM migrations ORDER BY timestamp DESC LIMIT 2',
    );
    expect(migrated.map(({ name }) => name).reverse()).toEqual(releaseMigrations);
    expect(failures).toEqual([]);
    expect(slowestMs).toBeLessThan(10_000);
    expect(balancer.failed).toBe(0);
    expect(answered).toBeGreaterThan(10);
    expect(Math.min(...resuming.map(({ connections }) => connections))).toBeGreaterThan(1);
    expect(
      environment.gateways.flatMap(({ log }) =>
        log.filter((line) => JSON.stringify(line).includes('QueryFailed')),
      ),
    ).toEqual([]);
    expect(await findViolations(environment)).toEqual([]);
    await Promise.all(Object.values(folders).map((folder) => rm(folder, { recursive: true, force: true })));
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
