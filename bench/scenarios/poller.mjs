import { setTimeout as pause } from 'node:timers/promises';
import { ask, cpuMs, Server, withChild } from '../lib/processes.mjs';
import { seedModels, settle } from '../lib/seed.mjs';
import { plain, startPeer, startProduct } from '../lib/servers.mjs';

const settleMs = 10_000;
const measuredMs = 20_000;
/** Until a snapshot has been held for two minutes. */
const heldMs = 110_000;

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
    const { row } = await poll(bench, upstream, freeOf(bench));
    const lag = await bench.database.rows(lagStatement);
    const ratio = { 'undici/s': perSecond, 'x undici': row['polls/s'] / perSecond };
    return { rows: [{ ...row, ...ratio, 'lag p99 ms': lag[0].ms }], samples: [] };
  },
};

export const pollerHeld = {
  name: 'poller-held',
  title:
    'The poller without budget, first as it is, then for two minutes while another session holds a REPEATABLE READ snapshot',
  run: async (bench) => {
    const upstream = await startPeer(bench, 'upstream');
    const free = await poll(bench, upstream, freeOf(bench));
    await Server.stopAll();
    const other = await startPeer(bench, 'upstream');
    const holder = await bench.database.pool.connect();
    const onReady = () => holdSnapshot(holder);
    const held = await poll(bench, other, { ...freeOf(bench), onReady, forMs: heldMs });
    await holder.query('COMMIT');
    holder.release();
    const costOf = ({ row }) => row['database, % of a core'] / row['polls/s'];
    return {
      rows: [
        { snapshot: 'none', ...free.row, 'x free': 1, 'x free, by database time': 1 },
        {
          snapshot: 'held',
          ...held.row,
          'x free': held.row['polls/s'] / free.row['polls/s'],
          'x free, by database time': costOf(free) / costOf(held),
        },
      ],
      samples: [],
    };
  },
};

async function holdSnapshot(client) {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await client.query('SELECT count(*) FROM models WHERE false');
}

/** Jobs and settings of a poller that no budget limits. */
function freeOf(bench) {
  const settings = { POLL_SPEED: '10', UPSTREAM_REQUESTS_PER_MINUTE: '60000000', MAX_POLLS: '512' };
  return { owners: 1_000, jobs: bench.options.jobs, from: 8_000_000, settings };
}

/** How overdue the polls of 99 % of the trainings are at most. */
const lagStatement = `
  SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY greatest(0, extract(epoch FROM now() - due_at) * 1000)::float8) AS ms
    FROM models WHERE owner LIKE 'poller-%' AND status = 'TRAINING'`;

async function poll(
  bench,
  upstream,
  { owners: ownerCount, jobs, from, settings, onReady, forMs = measuredMs },
) {
  const { database } = bench;
  for (const table of ['models', 'streams'])
    await database.rows(`DELETE FROM ${table} WHERE owner LIKE 'poller-%'`);
  const overdue = { status: 'TRAINING', provider: 'picsart', dueInSeconds: -jobs / 1000 };
  const owners = Array.from({ length: ownerCount }, (_, index) => `poller-${index + 1}`);
  await seedModels(database.rows, { owners, modelsEach: jobs / ownerCount, from, ...overdue });
  await settle(database.rows);
  await onReady?.();
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
  await pause(forMs);
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
