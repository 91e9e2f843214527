import { ask, cpuMs, withChild } from '../lib/processes.mjs';
import { operations, tokenOf } from '../lib/requests.mjs';
import { modelIdOf, seedModels, settle } from '../lib/seed.mjs';
import { startProduct, withJwt } from '../lib/servers.mjs';
import { publishByDatabase, seedEvents } from './subscriptions.mjs';

const from = 8_000_000;
const modelsEach = 5;
const missed = 3;

export const reconnectStorm = {
  name: 'reconnect-storm',
  title: 'Subscribers that all resume after the server was killed',
  run: async (bench) => {
    const count = bench.options.subscribers;
    const owners = Array.from(
      { length: Math.ceil(count / modelsEach) },
      (_, index) => `returner-${index + 1}`,
    );
    await seedModels(bench.database.rows, { owners, modelsEach, from, status: 'TRAINING' });
    await seedEvents(bench.database, { from, count });
    await settle(bench.database.rows);
    const row = await measure(bench, owners, count);
    return { rows: [row], samples: [row] };
  },
};

async function measure(bench, owners, count) {
  const settings = { ...withJwt, LOG_LEVEL: 'warn' };
  const numbers = Array.from({ length: count }, (_, index) => from + index);
  const subscriptions = numbers.map((n, index) => ({
    query: operations.Resume,
    variables: { id: modelIdOf(n) },
    authorization: `Bearer ${tokenOf(owners[Math.floor(index / modelsEach)])}`,
  }));
  const publish = publishByDatabase(bench.database);
  const first = await startProduct(bench, settings);
  return withChild('lib/subscribers.mjs', async (client) => {
    const url = `${first.url.replace('http', 'ws')}/graphql`;
    await ask(client, { type: 'connect', url, subscriptions });
    await first.kill();
    for (let event = 0; event < missed; event += 1) await publish(numbers);
    const next = await startProduct(bench, settings, 'likeness', first.port);
    const [cpu, database] = [cpuMs(next.pid), cpuMs(bench.database.pid)];
    const { ms } = await ask(client, { type: 'resume', url, missed });
    return {
      subscribers: count,
      'missed events each': missed,
      'live again s': ms / 1000,
      'server µs each': ((cpuMs(next.pid) - cpu) / count) * 1000,
      'database µs each': ((cpuMs(bench.database.pid) - database) / count) * 1000,
    };
  });
}
