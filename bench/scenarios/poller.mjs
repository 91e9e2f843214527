import { setTimeout as pause } from 'node:timers/promises';
import { ask, cpuMs, withChild } from '../lib/processes.mjs';
import { seedModels, settle } from '../lib/seed.mjs';
import { plain, startPeer, startProduct } from '../lib/servers.mjs';

const settleMs = 10_000;
const measuredMs = 20_000;

export const pollerSpent = {
  name: 'poller-spent',
  title:
    "The poller with 10,000 overdue trainings of one owner and the service's budget of 500 calls per minute",
  run: async (bench) => {
    const upstream = await startPeer(bench, 'upstream');
    const { row, outOfOrder } = await poll(bench, upstream, {
      owners: 1,
      jobs: 10_000,
      from: 7_000_000,
      settings: {},
    });
    return { rows: [{ ...row, 'out of order': outOfOrder }], samples: [] };
  },
};

export const pollerFree = {
  name: 'poller-free',
  title:
    'The poller without budget, trainings of 1,000 owners polled every 12 seconds; beside it, undici alone',
  run: async (bench) => {
    const upstream = await startPeer(bench, 'upstream');
    const { perSecond } = await withChild('lib/undici-client.mjs', (child) =>
      ask(child, { type: 'run', url: upstream.url, seconds: bench.options.seconds }),
    );
    const settings = {
      POLL_SPEED: '10',
      UPSTREAM_REQUESTS_PER_MINUTE: '60000000',
    };
    const { row } = await poll(bench, upstream, {
      owners: 1_000,
      jobs: bench.options.jobs,
      from: 8_000_000,
      settings,
    });
    const lag = await bench.database.rows(lagStatement);
    const ratio = { 'undici/s': perSecond, 'x undici': row['polls/s'] / perSecond };
    return { rows: [{ ...row, ...ratio, 'lag p99 ms': lag[0].ms }], samples: [] };
  },
};

/** How overdue the polls of 99 % of the trainings are at most. */
const lagStatement = `
  SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY greatest(0, extract(epoch FROM now() - due_at) * 1000)::float8) AS ms
    FROM models WHERE owner LIKE 'poller-%' AND status = 'TRAINING'`;

async function poll(bench, upstream, { owners: ownerCount, jobs, from, settings }) {
  const { database } = bench;
  await database.rows(`DELETE FROM models WHERE owner LIKE 'poller-%'`);
  const overdue = { status: 'TRAINING', provider: 'picsart', dueInSeconds: -jobs / 1000 };
  const owners = Array.from({ length: ownerCount }, (_, index) => `poller-${index + 1}`);
  await seedModels(database.rows, { owners, modelsEach: jobs / ownerCount, from, ...overdue });
  await settle(database.rows);
  const server = await startProduct(bench, {
    ...plain,
    PICSART_API_KEY: 'none',
    PICSART_BASE_URL: upstream.url,
    TRAINING_DEADLINE: '7d',
    ...settings,
  });
  await pause(settleMs);
  await Promise.all([ask(upstream.child, { type: 'polls' }), ask(server.child, { type: 'startDelays' })]);
  const before = { server: cpuMs(server.pid), database: cpuMs(database.pid), at: Date.now() };
  await pause(measuredMs);
  const ms = Date.now() - before.at;
  const { polls, outOfOrder } = await ask(upstream.child, { type: 'polls' });
  const row = {
    jobs,
    'polls/s': (polls / ms) * 1000,
    'server, % of a core': ((cpuMs(server.pid) - before.server) / ms) * 100,
    'database, % of a core': ((cpuMs(database.pid) - before.database) / ms) * 100,
    'event loop p99 ms': (await ask(server.child, { type: 'delays' })).p99,
  };
  return { row, outOfOrder };
}
