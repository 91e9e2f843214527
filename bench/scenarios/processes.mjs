import { setTimeout as pause } from 'node:timers/promises';
import { ask, cpuMs, machineCpuMs, Server, withChild } from '../lib/processes.mjs';
import { median } from '../lib/report.mjs';
import { listRequests, lookupRequests } from '../lib/requests.mjs';
import { seedModels, settle } from '../lib/seed.mjs';
import { plain, startPeer, startProduct } from '../lib/servers.mjs';

const counts = [1, 2, 4];
/** In seconds, times the processes: each is compiled and optimized by its own requests, with its share of the cores. */
const warmUpSeconds = 12;
/** For each process, as its batches depend on them. */
const connections = 32;
const pollSettleMs = 8_000;
const polledMs = 10_000;
/** For each process. So each makes equally many polls, some 220 a second. */
const requestsPerMinute = 20_000;

export const processes = {
  name: 'processes',
  title: 'The processor time of a request and of a poll with 1, 2 and 4 processes on one database',
  run: async (bench) => {
    const samples = [...(await compute(bench)), ...(await read(bench)), ...(await poll(bench))];
    const rows = ['computation', 'list', 'list, raw', 'lookup', 'lookup, raw', 'poll'].flatMap((work) =>
      counts.map((count) =>
        rowOf(
          samples.filter((sample) => sample.work === work),
          count,
        ),
      ),
    );
    return { rows, samples };
  },
};

function rowOf(samples, count) {
  const of = (number) => samples.filter((sample) => sample.count === number);
  const middle = (field) => median(of(count).map((sample) => sample[field]));
  const total = ({ serverUs, databaseUs }) => serverUs + databaseUs;
  return {
    work: samples[0].work,
    processes: count,
    'per second': middle('perSecond'),
    'server µs': middle('serverUs'),
    'database µs': middle('databaseUs'),
    'x 1 process': median(of(count).map((sample, round) => total(sample) / total(of(1)[round]))),
    'other cores': middle('otherCores'),
  };
}

/** Computations of processes that share nothing but the machine. */
async function compute({ options: { rounds, seconds } }) {
  const one = () =>
    withChild('lib/computation.mjs', async (child) => {
      await ask(child, { type: 'compute', seconds: 1 });
      return ask(child, { type: 'compute', seconds });
    });
  const samples = [];
  for (let round = 0; round < rounds; round += 1)
    for (const count of counts) {
      const each = await Promise.all(Array.from({ length: count }, one));
      const sum = (field) => each.reduce((total, child) => total + child[field], 0);
      const serverUs = (sum('cpuMs') / sum('done')) * 1000;
      samples.push({
        work: 'computation',
        count,
        round,
        perSecond: sum('done') / seconds,
        serverUs,
        databaseUs: 0,
      });
    }
  return samples;
}

/** Reads, with as many connections for each process; and as many raw servers, which show what is due to the machine. */
async function read(bench) {
  const { rounds, seconds } = bench.options;
  const settings = { ...plain, ROLE: 'api' };
  const start = (count, one) => Promise.all(Array.from({ length: count }, (_, n) => one(n)));
  const groups = [];
  for (const count of counts) {
    const product = (n) => startProduct(bench, settings, `api-${count}-${n}`);
    groups.push({ suffix: '', servers: await start(count, product) });
    groups.push({ suffix: ', raw', servers: await start(count, () => startPeer(bench, 'raw')) });
  }
  const samples = [];
  for (const [work, requests] of [
    ['list', listRequests('List')],
    ['lookup', lookupRequests()],
  ]) {
    for (const { servers } of groups) await load(bench, servers, requests, warmUpSeconds * servers.length);
    for (let round = 0; round < rounds; round += 1)
      for (const { servers, suffix } of groups) {
        const cost = await load(bench, servers, requests, seconds);
        samples.push({ work: `${work}${suffix}`, count: servers.length, round, ...cost });
      }
  }
  await Server.stopAll();
  return samples;
}

function load(bench, servers, requests, seconds) {
  return costOf(bench, servers, async () => {
    const one = ({ url }) =>
      withChild('lib/load-generator.mjs', (child) =>
        ask(child, { type: 'load', url, requests, seconds, connections }),
      );
    const loads = await Promise.all(servers.map(one));
    const sum = (field) => loads.reduce((total, each) => total + each[field], 0);
    if (sum('errors') > 0) throw new Error('Requests were answered with errors.');
    return { done: sum('requests'), perSecond: sum('perSecond'), ownMs: sum('cpuMs') };
  });
}

/** Polls of trainings that do not end, by workers that share a budget. */
async function poll(bench) {
  const samples = [];
  const owners = Array.from({ length: 1_000 }, (_, index) => `poller-${index + 1}`);
  for (const count of counts) {
    const upstream = await startPeer(bench, 'upstream');
    for (const table of ['models', 'streams'])
      await bench.database.rows(`DELETE FROM ${table} WHERE owner LIKE 'poller-%'`);
    const overdue = { status: 'TRAINING', provider: 'picsart', dueInSeconds: -10 };
    await seedModels(bench.database.rows, { owners, modelsEach: 10 * count, from: 8_000_000, ...overdue });
    await settle(bench.database.rows);
    const settings = {
      ...{ ...plain, ROLE: 'worker', PICSART_API_KEY: 'none', PICSART_BASE_URL: upstream.url },
      ...{ TRAINING_DEADLINE: '7d', UPSTREAM_REQUESTS_PER_MINUTE: String(count * requestsPerMinute) },
    };
    const names = Array.from({ length: count }, (_, n) => `worker-${count}-${n}`);
    const workers = await Promise.all(names.map((name) => startProduct(bench, settings, name)));
    await pause(pollSettleMs);
    await ask(upstream.child, { type: 'polls' });
    const cost = await costOf(bench, workers, async () => {
      await pause(polledMs);
      const { polls } = await ask(upstream.child, { type: 'polls' });
      return { done: polls, perSecond: (polls / polledMs) * 1000, ownMs: 0 };
    });
    samples.push({ work: 'poll', count, round: 0, ...cost });
    await Server.stopAll();
  }
  return samples;
}

/** The processor time that servers and database use for each piece of work. */
async function costOf({ database }, servers, work) {
  const serversMs = () => servers.reduce((sum, { pid }) => sum + cpuMs(pid), 0);
  const before = {
    servers: serversMs(),
    database: cpuMs(database.pid),
    machine: machineCpuMs(),
    at: Date.now(),
  };
  const { done, perSecond, ownMs } = await work();
  const [serverMs, databaseMs] = [serversMs() - before.servers, cpuMs(database.pid) - before.database];
  const othersMs = machineCpuMs() - before.machine - serverMs - databaseMs - ownMs;
  return {
    perSecond,
    serverUs: (serverMs / done) * 1000,
    databaseUs: (databaseMs / done) * 1000,
    otherCores: Math.max(0, othersMs / (Date.now() - before.at)),
  };
}
